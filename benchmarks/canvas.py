"""Strokes a second of the paint engines and steps of the environment on one core, beside OpenCV: `make bench`.

python -m benchmarks.canvas --device cuda    # the engine in PyTorch on a GPU, beside the compiled one on a core
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial

import cv2
import numpy as np
import torch

from planner.actions import RADII_PX
from planner.device import find
from planner.vector_environment import PaintVectorEnv
from sim import canvas, stroke, torch_canvas
from sim.errors import InputError

COUNT = 20_000
LEAST_STROKES_S = 50_000
CANVASES = 64
LEAST_STEPS_S = 20_000
BATCHES = (16, 128)
"""Canvases at a time as the trainer paints them: 16 episodes, and 8 strokes tried at the canvas of each."""
SECONDS = 2.0
"""Time for each batch and engine [s]."""


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


def strokes_a_second(paint: Callable[[], object], batch: int, device: torch.device) -> float:
    """Return the strokes a second of what paints one stroke on each of a batch of canvases; the GPU is waited for."""
    paint()
    strokes, started = 0, time.perf_counter()
    while (passed := time.perf_counter() - started) < SECONDS:
        paint()
        if device.type != "cpu":
            torch.cuda.synchronize(device)
        strokes += batch
    return strokes / passed


def forward(images: torch.Tensor, strokes: torch.Tensor) -> None:
    """Paint without gradients."""
    with torch.no_grad():
        torch_canvas.paint_batch(images, strokes)


def both_ways(images: torch.Tensor, strokes: torch.Tensor) -> None:
    """Paint, and find the gradient of the ink with regard to the strokes."""
    torch_canvas.paint_batch(images, strokes.detach().requires_grad_()).sum().backward()


def engines(device: torch.device) -> None:
    """Print how fast the compiled engine and the one in PyTorch paint batches as the trainer does."""
    where = "one core" if device.type == "cpu" else torch.cuda.get_device_name(device)
    for batch in BATCHES:
        images, strokes = np.ones((batch, 64, 64), np.float32), mixed_strokes(1)[:batch, None]
        given = (torch.as_tensor(images, device=device), torch.as_tensor(strokes.astype(np.float32), device=device))
        compiled = strokes_a_second(partial(canvas.paint_batch, images, strokes), batch, torch.device("cpu"))
        rates = [strokes_a_second(partial(paint, *given), batch, device) for paint in (forward, both_ways)]
        print(
            f"{batch} canvases, one stroke each: compiled, one core {compiled:,.0f} strokes/s; PyTorch, {where} "
            f"{rates[0]:,.0f} (ratio {rates[0] / compiled:.4f}), with gradients {rates[1]:,.0f}"
        )


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu", help="of the engine in PyTorch: cpu, cuda or cuda:N")
    try:
        device = find(parser.parse_args().device)
    except InputError as error:
        parser.error(str(error))
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
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
    engines(device)
    print(f"environment, {CANVASES} canvases: {steps_a_second('solid', 200):,.0f} steps/s (at least {LEAST_STEPS_S:,})")
    print(f"the same in MyPaint's engine: {steps_a_second('mypaint', 10):,.0f} steps/s")


if __name__ == "__main__":
    main()
