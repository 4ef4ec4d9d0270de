"""How true the simulated arm paints, and in what time, beside the limits it must keep: `make bench`.

    python -m benchmarks.arm [--digits FOLDER] [--model NAME] [--only NAME ...]

FOLDER holds 64×64 PNG digits for the figure about a hidden error of the paper; without it OpenCV's own are drawn.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from scipy.ndimage import map_coordinates

from planner.agent import Agent, Proposal
from planner.target import Target
from robot_bridge import events
from robot_bridge.arms.pybullet import PyBulletArm, true_calibration
from robot_bridge.interrupts import quiet
from robot_bridge.painter import Painter, Settings
from robot_bridge.robots.robot import Robot
from sim import stroke
from sim.brush import BRUSHES
from sim.canvas import render
from sim.imperfections import Imperfections
from sim.painting import PX_PER_M
from sim.world import World

EXAMPLES = Path(__file__).parents[1] / "examples"
SIDE_M = 0.2
BRUSH = BRUSHES["round-20"]
HIDDEN = Imperfections(canvas_shift_m=(0.0024, -0.0018), canvas_rotation_rad=float(np.radians(1.0)))
"""3 mm in the paper's plane and 1° about its normal."""
NOTHING = Imperfections()
DIGITS = 10


class Given(Agent):
    """Plans given strokes as they are."""

    def __init__(self, strokes: np.ndarray) -> None:
        super().__init__("given", None, None)
        self.strokes = strokes

    def propose(self, target: Any, canvas: Any, *unused: Any, **more: Any) -> list[Proposal]:
        """Return the strokes."""
        return [Proposal(self.strokes, render(self.strokes), self.judge(render(self.strokes), target))]


@dataclass
class Painted:
    """What came of a painting."""

    world: World
    told: list[events.Event]
    strokes: np.ndarray
    target: np.ndarray

    @property
    def seen(self) -> np.ndarray:
        """(64, 64) the canvas at the last look."""
        return [event for event in self.told if isinstance(event, events.Observed)][-1].canvas

    @property
    def mse_painted(self) -> float:
        """Of the seen canvas against the target."""
        return float(np.mean((self.seen - self.target) ** 2))

    @property
    def transfer_share(self) -> float:
        """MSE of the seen canvas against the program's render, as a share of blank paper's."""
        meant = render(self.strokes)
        return float(np.mean((self.seen - meant) ** 2) / np.mean((1 - meant) ** 2))

    def samples(self, name: str) -> np.ndarray:
        """Return one kind of measurement [mm] of all strokes."""
        return 1000 * np.concatenate(
            [getattr(event, name) for event in self.told if isinstance(event, events.StrokeDone)]
        )


@contextmanager
def painted(
    agent: Agent, target: Target, settings: Settings, imperfections: Imperfections = NOTHING, tilt_deg: float = 0.0
) -> Iterator[Painted]:
    """Paint in a world of its own."""
    robot = Robot.load("panda", BRUSH)
    pose = robot.canvas_pose((SIDE_M, SIDE_M), np.radians(tilt_deg))
    with World(robot.urdf, robot.joint_names, robot.look, BRUSH, pose, imperfections=imperfections) as world:
        arm = PyBulletArm(world, robot)
        painter = Painter(agent, target, robot, arm, world.look, true_calibration(world, robot), settings)
        told = list(painter.paint())
        assert isinstance(told[-1], events.Finished), told[-1]
        yield Painted(world, told, np.array(painter.strokes), target.image)


def given(strokes: np.ndarray, tilt_deg: float = 0.0) -> Any:
    """Paint given strokes, open loop, at 0.1 m/s."""
    target = Target("given", "exact", render(strokes))
    return painted(Given(strokes), target, Settings(len(strokes), 0), tilt_deg=tilt_deg)


def tapered_strokes() -> np.ndarray:
    """Return eight curves apart from each other, 2.5 to 18 mm wide."""
    strokes = np.zeros((8, 12))
    for index, (width_mm, end) in enumerate(
        ((3, 1.0), (5, 0.5), (8, 1.0), (12, 0.4), (18, 0.3), (10, 0.7), (6, 0.5), (2.5, 1.0))
    ):
        y = 0.08 + 0.122 * index
        strokes[index, :6] = (0.12, y, 0.5, y - 0.08, 0.88, y)
        strokes[index, stroke.SIZE] = width_mm / 1000 / SIDE_M
        strokes[index, stroke.PRESSURE_START], strokes[index, stroke.PRESSURE_END] = 1.0, end
    return strokes


def width_errors(painting: np.ndarray, strokes: np.ndarray) -> np.ndarray:
    """Return painted widths less programmed ones as shares, measured across the strokes in the painting itself."""
    ink = 1 - painting.mean(axis=2)
    t = np.linspace(0.08, 0.92, 60)
    errors = []
    for one in strokes:
        reach = one[stroke.SIZE] * SIDE_M / 2 + 0.001
        across = np.arange(-reach, reach, 2.5e-5)
        points = stroke.points_along(one[None], t)[0] * SIDE_M
        ahead = np.gradient(points, axis=0)
        normal = np.column_stack((-ahead[:, 1], ahead[:, 0])) / np.linalg.norm(ahead, axis=1)[:, None]
        places = (points[:, None] + across[None, :, None] * normal[:, None]) * PX_PER_M - 0.5
        profile = map_coordinates(ink, (places[..., 1], places[..., 0]), order=1, mode="nearest")
        meant = stroke.widths_along(one[None], t)[0] * SIDE_M
        errors.append(profile.sum(axis=1) * 2.5e-5 / meant - 1)
    return np.concatenate(errors)


def show(name: str, value: float, limit: float, unit: str = "", at_least: bool = False) -> None:
    """Print a figure beside its limit."""
    good = value >= limit if at_least else value <= limit
    bound = "at least" if at_least else "at most"
    print(f"{'ok ' if good else 'BAD'} {name}: {value:.4g}{unit} ({bound} {limit:g}{unit})", flush=True)


def transfer(agent: Agent, folder: Path | None) -> None:
    """Camera against program, over the shipped targets."""
    shares = []
    for file in sorted(EXAMPLES.glob("*.png")):
        with painted(agent, Target.load(file), Settings(12)) as result:
            shares.append(result.transfer_share)
    show(f"mse_transfer_share, mean of {len(shares)} shipped targets", 100 * float(np.mean(shares)), 5, " %")


def width(agent: Agent, folder: Path | None) -> None:
    """Painted against programmed width, and the way of the tip."""
    strokes = tapered_strokes()
    with given(strokes) as result:
        errors = width_errors(result.world.painting(), strokes)
        show("painted against programmed width, RMS", 100 * float(np.sqrt(np.mean(errors**2))), 5, " %")
        across = result.samples("cross_track_m")
        show("cross-track error at 0.1 m/s, RMS", float(np.sqrt(np.mean(across**2))), 0.05, " mm")
        show("cross-track error at 0.1 m/s, largest", float(across.max()), 0.2, " mm")


def depth(agent: Agent, folder: Path | None) -> None:
    """Depth and force on a tilted board."""
    with given(tapered_strokes(), tilt_deg=5.0) as result:
        show("depth error, board tilted 5°", float(np.abs(result.samples("depth_error_m")).max()), 0.2, " mm")
        show("force, board tilted 5°", result.world.max_force_n, 5, " N")


def hidden(agent: Agent, folder: Path | None) -> None:
    """What is left of a hidden error of the paper."""
    targets = digits(folder)
    excess = {}
    for name, every in (("open", 0), ("closed", 2)):
        sums = {}
        for which, imperfections in (("true", NOTHING), ("moved", HIDDEN)):
            errors = []
            for target in targets:
                with painted(agent, target, Settings(12, every), imperfections) as result:
                    errors.append(result.mse_painted)
            sums[which] = float(np.mean(errors))
        excess[name] = sums["moved"] - sums["true"]
        print(f"    {name} loop: mse_painted {sums['true']:.5f}, with the hidden error {sums['moved']:.5f}", flush=True)
    show(
        f"hidden 3 mm and 1°, {len(targets)} targets: excess, closed over open loop",
        excess["closed"] / excess["open"],
        0.5,
    )


def digits(folder: Path | None) -> list[Target]:
    """Return the targets of `hidden`."""
    if folder is not None:
        return [Target.load(file) for file in sorted(folder.glob("*.png"))[:DIGITS]]
    drawn = []
    for number in range(DIGITS):
        picture = np.full((64, 64), 255, np.uint8)
        cv2.putText(picture, str(number), (14, 52), cv2.FONT_HERSHEY_SIMPLEX, 1.9, 0, 4, cv2.LINE_AA)
        drawn.append(Target(str(number), "exact", picture.astype(np.float32) / np.float32(255)))
    return drawn


def command(agent: Agent, folder: Path | None) -> None:
    """Time and memory of spiral-paint itself."""
    words = [sys.executable, "-m", "robot_bridge.paint"]
    seconds = []
    for _ in range(5):
        started = time.perf_counter()
        subprocess.run([*words, "--help"], check=True, capture_output=True)
        seconds.append(time.perf_counter() - started)
    show("spiral-paint --help", float(np.median(seconds)), 1, " s")
    ratios = []
    with tempfile.TemporaryDirectory() as out:
        for index in range(3):
            paint = [
                *words,
                str(EXAMPLES / "cat.png"),
                "--strokes",
                "20",
                "--model",
                agent.name,
                "--out",
                f"{out}/{index}",
            ]
            film = [] if index == 2 else ["--no-film"]
            printed = subprocess.run([*paint, *film], check=True, capture_output=True, text=True).stdout
            figures = dict(line.split()[:2] for line in printed.splitlines() if line.startswith("  "))
            ratios.append(float(figures["arm_time_s"]) / float(figures["paint_time_s"]))
    times = ", ".join(f"{ratio:.1f}" for ratio in ratios)
    show(f"arm_time_s over paint_time_s, 20 strokes, median of {times}", float(np.median(ratios)), 12, at_least=True)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e6
    show("peak memory of spiral-paint", peak, 1.5, " GB")


FIGURES: dict[str, Callable[[Agent, Path | None], None]] = {
    "command": command,
    "width": width,
    "depth": depth,
    "transfer": transfer,
    "hidden": hidden,
}


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--digits", type=Path, default=None, metavar="FOLDER")
    parser.add_argument("--model", default="line-art", metavar="NAME")
    parser.add_argument("--only", nargs="+", choices=FIGURES, default=list(FIGURES))
    args = parser.parse_args()
    torch.set_num_threads(1)
    with quiet():
        agent = Agent.load(args.model)
    for name in args.only:
        FIGURES[name](agent, args.digits)


if __name__ == "__main__":
    main()
