"""The same stroke programs in each paint engine and by the simulated arm: how far each lands from target and plan.

    python -m benchmarks.engines --data FOLDER [--model NAME] [--count N] [--arm N] [--sheet FILE]

Policy and search plan MNIST test items with the widths that the arm's brush can paint, on the solid engine. MyPaint's
`classic/dry_brush` paints the same strokes twice: with their sizes and pressures as they are, and with the radius whose
line, at pressure 0.5, is nearest to the solid one of the stroke's mean width. The arm paints the first items open loop.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch
from tqdm import tqdm

from benchmarks.arm import BRUSH, SIDE_M, given
from planner.actions import WidthLimits
from planner.agent import Agent
from planner.collection import shades
from planner.datasets import split
from robot_bridge.choice import SURE_TOUCH
from robot_bridge.interrupts import quiet
from sim import canvas, mypaint, stroke
from sim.errors import InputError

STROKES = 8
MATCHED_PRESSURE = 0.5
"""At which MyPaint's dabs lie densest within a line as wide as those of digits."""
WIDTHS_PX = (1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 14.0)
GRAINS = 2
SHOWN = 10

Painter = Callable[[np.ndarray], np.ndarray]


def lines(width_px: float) -> np.ndarray:
    """Return three curves (3, 12), each to be painted alone, of one width."""
    rows = np.zeros((3, 12))
    rows[:, :6] = ((0.2, 0.3, 0.5, 0.1, 0.8, 0.4), (0.3, 0.2, 0.2, 0.6, 0.5, 0.8), (0.2, 0.8, 0.5, 0.5, 0.8, 0.2))
    rows[:, stroke.SIZE] = width_px / 64
    rows[:, 7:9] = 1.0
    return rows


def nearest_radius(width_px: float) -> float:
    """Return the radius [px] with which MyPaint at `MATCHED_PRESSURE` paints lines nearest to solid ones."""
    wanted = [canvas.render(row[None]) for row in lines(width_px)]
    radii = np.geomspace(0.15, 0.8, 24) * width_px

    def error(radius: float) -> float:
        rows = lines(2 * radius)
        rows[:, 7:9] = MATCHED_PRESSURE
        painted = [[mypaint.render(row[None], grain=grain) for row in rows] for grain in range(GRAINS)]
        return float(np.mean((np.array(painted) - wanted) ** 2))

    return float(min(radii, key=error))


def matched() -> Painter:
    """Return the painter in MyPaint's engine with its radii fitted to the solid engine's widths."""
    radii = [nearest_radius(width) for width in tqdm(WIDTHS_PX, desc="fit MyPaint's radii", disable=None)]
    pairs = zip(radii, WIDTHS_PX, strict=True)
    print(
        f"MyPaint's radii [px] at pressure {MATCHED_PRESSURE}:", ", ".join(f"{r:.2f} for {w:g} wide" for r, w in pairs)
    )

    def paint(strokes: np.ndarray) -> np.ndarray:
        rows = strokes.copy()
        widths = 64 * stroke.widths_along(strokes, np.array([0.5]))[:, 0]
        rows[:, stroke.SIZE] = 2 / 64 * np.interp(widths, WIDTHS_PX, radii)
        rows[:, 7:9] = MATCHED_PRESSURE
        return mypaint.render(rows)

    return paint


def arm(strokes: np.ndarray) -> np.ndarray:
    """Return what the camera sees after the arm has painted, open loop."""
    with given(strokes) as result:
        return result.seen


def row(name: str, targets: np.ndarray, meant: np.ndarray, painted: np.ndarray) -> str:
    """Return a row of the table."""
    to_target, to_meant = np.mean((painted - targets) ** 2), np.mean((painted - meant) ** 2)
    share = to_meant / np.mean((1 - meant) ** 2)
    return f"| {name} | {len(targets)} | {to_target:.4f} | {to_meant:.4f} | {100 * share:.1f} % |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("data"), help="folder with mnist/ in it")
    parser.add_argument("--model", default="line-art", metavar="NAME")
    parser.add_argument("--count", type=int, default=100, help="test items, from the first")
    parser.add_argument("--arm", type=int, default=10, help="of them that the arm paints too, from the first")
    parser.add_argument(
        "--sheet", type=Path, metavar="FILE", help="PNG to write: targets and paintings, a row an engine"
    )
    args = parser.parse_args()
    torch.set_num_threads(1)
    try:
        targets = shades(split("mnist-test", args.data)[: args.count])
        engines: dict[str, Painter] = {"solid": canvas.render, "MyPaint, as it is": mypaint.render}
        engines["MyPaint, radius matched"] = matched()
    except InputError as error:
        print(f"engines: NOT MEASURED, {error}")
        return
    with quiet():
        agent = Agent.load(args.model)
    limits = WidthLimits(SURE_TOUCH * BRUSH.min_width_m / SIDE_M, BRUSH.max_width_m / SIDE_M)
    plan = tqdm(targets, desc="plan", disable=None)
    programs = [agent.paint(target, STROKES, limits=limits).strokes for target in plan]
    painted = {name: np.stack([paint(program) for program in programs]) for name, paint in engines.items()}
    seen = [arm(program) for program in tqdm(programs[: args.arm], desc="arm", disable=None)]
    print(f"MNIST test items, {STROKES} strokes, blank paper {np.mean((1 - targets) ** 2):.4f}\n")
    print("| engine | items | MSE to the target | MSE to the solid render | of blank paper's to it |")
    print("|---|---|---|---|---|")
    solid = painted["solid"]
    for count in sorted({len(targets), len(seen)} - {0}, reverse=True):
        for name, pictures in painted.items():
            print(row(name, targets[:count], solid[:count], pictures[:count]))
    if seen:
        print(row("PyBullet arm, camera", targets[: len(seen)], solid[: len(seen)], np.stack(seen)))
    if args.sheet is not None:
        shown = [targets[:SHOWN], *(pictures[:SHOWN] for pictures in painted.values()), np.array(seen[:SHOWN])]
        columns = min(len(pictures) for pictures in shown if len(pictures))
        sheet = np.vstack([np.hstack(list(pictures[:columns])) for pictures in shown if len(pictures)])
        cv2.imwrite(str(args.sheet), np.rint(255 * sheet).astype(np.uint8))


if __name__ == "__main__":
    main()
