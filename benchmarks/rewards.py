"""The papers' claim as an experiment: the discriminator's reward against the squared error's, from the same start.

    python -m benchmarks.rewards --data FOLDER [--start NAME] [--updates N] [--picture FILE]

Two agents learn to reproduce MNIST from the same weights with the same number of frames (strokes painted in training),
one for its discriminator's verdict alone, one for the squared error alone. Both are measured by the squared error of
one greedy rollout on MNIST validation images: Ganin et al. 2018 found it lower where it was not the reward.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from tqdm import tqdm

from planner import checkpoint, datasets
from planner.actions import WidthLimits
from planner.beginning import begin
from planner.collection import shades
from planner.episode import rollout
from planner.policy import Policy
from planner.train import Args
from planner.training import Run
from sim import whole_file
from sim.canvas import Image, render

STROKES = 8
POINTS = 12
"""Measurements of each agent, besides the one at the start."""
MEASURED = 256
"""Validation images, from the first."""
ARMS: dict[str, dict[str, float]] = {
    "discriminator": {"discriminator_reward": 1.0, "error_reward": 0.0},
    "squared error": {"discriminator_reward": 0.0, "error_reward": 30.0},
}
"""Rewards. Blank paper's squared error on MNIST is 0.067: it earns 2 less than a perfect canvas."""
COLOURS = {"discriminator": (200, 60, 30), "squared error": (30, 80, 200)}
"""RGB"""
Curve = list[tuple[int, float]]
"""Frames, and the error after them."""


def error(policy: Policy, targets: Image) -> float:
    """Return the mean squared error of one greedy rollout a target (n, 64, 64)."""
    policy.eval()
    programs = rollout(policy, targets, np.ones_like(targets), STROKES, WidthLimits())
    policy.train()
    return float(np.mean((np.stack([render(program) for program in programs]) - targets) ** 2))


def imitated(options: dict[str, Any], sets: dict[str, Any], updates: int, out: Path) -> Path:
    """Return weights that have only imitated search: they know strokes, and no reward."""
    args = Args(out=out / "imitation", imitation_updates=updates, updates=0, **options)
    args.out.mkdir()
    state = begin(args)
    with Run(args, state, sets, None) as run:
        for _ in tqdm(range(updates), desc="imitation", disable=None):
            run.update()
    start = out / "start.safetensors"
    checkpoint.save(start, state.policy, state.discriminator, {})
    return start


def learn(args: Args, sets: dict[str, Any], targets: Image, name: str) -> Curve:
    """Return an agent's errors while it learns."""
    args.out.mkdir()
    state = begin(args)
    curve: Curve = []
    every = max(1, args.updates // POINTS)
    total = args.critic_updates + args.updates
    with Run(args, state, sets, None) as run:
        for update in tqdm(range(total + 1), desc=name, disable=None):
            if (update - args.critic_updates) % every == 0 and update >= args.critic_updates:
                curve.append((state.steps, error(state.policy, targets)))
                tqdm.write(f"{name}: {curve[-1][0]} frames, {curve[-1][1]:.4f}")
            if update < total:
                run.update()
    return curve


def picture(curves: dict[str, Curve]) -> np.ndarray:
    """Return the curves as a picture (480, 760, 3), uint8 RGB."""
    image = np.full((480, 760, 3), 255, np.uint8)
    left, top, width, height = 80, 30, 640, 380
    most = max(frames for curve in curves.values() for frames, _ in curve)
    highest = 1.1 * max(value for curve in curves.values() for _, value in curve)

    def text(words: str, x: int, y: int, colour: tuple[int, int, int] = (60, 60, 60)) -> None:
        cv2.putText(image, words, (x, y), cv2.FONT_HERSHEY_SIMPLEX, 0.45, colour, 1, cv2.LINE_AA)

    def place(frames: float, value: float) -> tuple[int, int]:
        return round(left + width * frames / most), round(top + height * (1 - value / highest))

    for share in np.linspace(0, 1, 6):
        x, y = place(share * most, share * highest)
        cv2.line(image, (left, y), (left + width, y), (225, 225, 225), 1)
        text(f"{share * highest:.3f}", 20, y + 5)
        text(f"{share * most / 1000:.0f}k", x - 15, top + height + 20)
    text("frames learned from", left + width // 2 - 70, top + height + 45)
    text("mean squared error, MNIST validation, one greedy rollout", left, top - 10)
    for row, (name, curve) in enumerate(curves.items()):
        points = np.array([place(*point) for point in curve])
        cv2.polylines(image, [points], False, COLOURS[name], 2, cv2.LINE_AA)
        cv2.line(image, (left + 420, top + 20 + 20 * row), (left + 450, top + 20 + 20 * row), COLOURS[name], 2)
        text(f"reward: {name}", left + 460, top + 25 + 20 * row)
    return image


def main() -> None:
    """Train both agents, print their errors as a table and draw the curves."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("data"), help="folder with mnist/ in it")
    parser.add_argument("--start", help="weights to start from; by default some that only imitated search")
    parser.add_argument("--imitation", type=int, default=300, help="updates of imitation where there is no --start")
    parser.add_argument("--critic", type=int, default=50, help="updates in which critic and discriminator learn alone")
    parser.add_argument("--updates", type=int, default=2400, help="updates of each agent")
    parser.add_argument("--batch", type=int, default=16, help="episodes an update")
    parser.add_argument("--learning-rate", type=float, default=2e-4, help="of the policy")
    parser.add_argument("--picture", type=Path, default=Path("rewards.png"), help="file for the curves")
    given = parser.parse_args()
    torch.set_num_threads(1)
    sets, held = datasets.line_art(given.data, ["mnist"])
    targets = shades(held["mnist"][:MEASURED])
    options: dict[str, Any] = {"batch": given.batch, "strokes": STROKES, "sets": ("mnist",), "data": given.data}
    learning = {"credit": "change", "critic_updates": given.critic, "learning_rate": given.learning_rate}
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        start = given.start or str(imitated(options, sets, given.imitation, out))
        curves = {
            name: learn(
                Args(
                    out=out / name.replace(" ", "-"), weights=start, updates=given.updates, **options, **learning, **arm
                ),
                sets,
                targets,
                name,
            )
            for name, arm in ARMS.items()
        }
    print(f"| frames | {' | '.join(f'reward: {name}' for name in curves)} |\n|{'---|' * (1 + len(curves))}")
    for points in zip(*curves.values(), strict=True):
        print(f"| {points[0][0]} | {' | '.join(f'{value:.4f}' for _, value in points)} |")
    whole_file.write_image(given.picture, picture(curves))


if __name__ == "__main__":
    main()
