"""Strokes a second of the paint engine and steps of its environment on one core, beside OpenCV: `make bench`."""

from __future__ import annotations

import time

import cv2
import numpy as np

from planner.actions import RADII_PX
from planner.vector_environment import PaintVectorEnv
from sim import canvas, stroke

COUNT = 20_000
LEAST_STROKES_S = 50_000
CANVASES = 64
LEAST_STEPS_S = 20_000


def mixed_strokes(seed: int) -> np.ndarray:
    """Return strokes (COUNT, 12) of SPIRAL's action space, all sizes and pressures alike often."""
    rng = np.random.default_rng(seed)
    strokes = np.zeros((COUNT, 12))
    strokes[:, :6] = rng.integers(0, 32, (COUNT, 6)) / 32
    strokes[:, stroke.SIZE] = 2 * rng.choice(RADII_PX, COUNT) / 64
    strokes[:, 7:9] = rng.integers(1, 11, (COUNT, 2)) / 10
    return strokes


def polylines(image: np.ndarray, strokes: np.ndarray) -> None:
    """Paint the strokes with OpenCV: 16 pieces a curve, the mean width, no taper."""
    points = stroke.points_along(strokes, np.linspace(0, 1, 17)) * 64 - 0.5
    widths = stroke.widths_along(strokes, np.array([0.5]))[:, 0] * 64
    for line, width in zip(np.rint(points * 16).astype(np.int32), widths, strict=True):
        cv2.polylines(image, [line], False, 0, max(1, round(width)), cv2.LINE_AA, 4)


def steps_a_second(engine: str, steps: int) -> float:
    """Return how many steps a second the environment takes on `CANVASES` grey canvases, all of them strokes."""
    env = PaintVectorEnv(CANVASES, engine=engine)
    env.action_space.seed(0)
    actions = [env.action_space.sample() | {"flag": np.ones(CANVASES, np.int64)} for _ in range(steps)]
    env.reset(seed=0)
    env.step(actions[0])
    started = time.perf_counter()
    for action in actions:
        env.step(action)
    return steps * CANVASES / (time.perf_counter() - started)


def main() -> None:
    """Print the figures."""
    cv2.setNumThreads(1)
    strokes = mixed_strokes(0)
    image = canvas.blank(64)
    canvas.paint(image, strokes[:10])
    started = time.perf_counter()
    canvas.paint(image, strokes)
    ours = COUNT / (time.perf_counter() - started)
    picture = np.full((64, 64), 255, np.uint8)
    started = time.perf_counter()
    polylines(picture, strokes)
    theirs = COUNT / (time.perf_counter() - started)
    print(f"paint engine, 64×64, sizes mixed: {ours:,.0f} strokes/s (at least {LEAST_STROKES_S:,})")
    print(f"cv2.polylines, the same strokes untapered: {theirs:,.0f} strokes/s; ratio {ours / theirs:.1f}")
    print(f"environment, {CANVASES} canvases: {steps_a_second('solid', 200):,.0f} steps/s (at least {LEAST_STEPS_S:,})")
    print(f"the same in MyPaint's engine: {steps_a_second('mypaint', 10):,.0f} steps/s")


if __name__ == "__main__":
    main()
