"""The README's pictures, all painted anew by the simulated arm: `make pictures`."""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from planner.agent import Agent
from planner.target import Target
from robot_bridge import events
from robot_bridge.arguments import STROKES
from robot_bridge.arms.pybullet import PyBulletArm, true_calibration
from robot_bridge.painter import Painter, Settings
from robot_bridge.robots.robot import Robot
from sim import whole_file
from sim.brush import BRUSHES
from sim.canvas import render
from sim.world import World

Picture = NDArray[np.uint8]
"""(H, W, 3) RGB."""

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "pictures"
FIRST = "cat"
"""The example at the top of the README; the others stand in a strip of their own."""
OTHERS = ("fish", "leaf", "sailboat")
CANVAS_SIZE_M = (0.2, 0.2)
SIDE_PX = 480
GAP_PX = 12
FRAME_S = 0.4
"""Time of the simulated world between two pictures of the animation [s]."""
SHOWN_S = 0.1
"""Time that each of them is shown [s]."""
HOLD_S = 2.0
"""Time that the last one is shown [s]."""
ANIMATION_PX = (480, 360)


class Sitting:
    """One example, painted by the arm in a world of its own."""

    def __init__(self, name: str, agent: Agent, strokes: int, film: bool) -> None:
        """Paint `examples/NAME.png` in at most `strokes` strokes, the camera looking every four; film it or not."""
        self.target = Target.load(ROOT / "examples" / f"{name}.png")
        self.film: list[Picture] = []
        """The arm at work, a picture every `FRAME_S`."""
        self.painting: list[tuple[int, Picture]] = []
        """Those of them in which the brush paints, with the strokes completed before."""
        brush = BRUSHES["round-20"]
        robot = Robot.load("panda", brush)
        pose = robot.canvas_pose(CANVAS_SIZE_M)
        with World(robot.urdf, robot.joint_names, robot.look, brush, pose, CANVAS_SIZE_M) as world:
            arm = PyBulletArm(world, robot, self._shoot if film else None, FRAME_S)
            calibration = true_calibration(world, robot)
            self._painter = Painter(agent, self.target, robot, arm, world.look, calibration, Settings(strokes))
            for event in self._painter.paint():
                if isinstance(event, events.Fault):
                    raise SystemExit(f"{name}: {event.reason}")
                if isinstance(event, events.Observed):
                    self.seen: Picture = as_bytes(event.picture)
            if film:
                self.film.append(world.film_frame(supersampling=2))
        self.planned = as_bytes(render(np.array(self._painter.strokes), SIDE_PX, channels=3))

    def _shoot(self, world: World) -> None:
        picture = world.film_frame(supersampling=2)
        self.film.append(picture)
        if world.tip_depth_m > 0:
            self.painting.append((len(self._painter.strokes), picture))

    def at_work(self) -> Picture:
        """Return the arm painting one of the last strokes."""
        last = max(done for done, _ in self.painting)
        during = [picture for done, picture in self.painting if done == max(0, last - 1)]
        return (during or [self.painting[-1][1]])[-1]


def as_bytes(image: NDArray[np.float32]) -> Picture:
    """Return an image in [0, 1] as RGB bytes."""
    return np.rint(255 * image).astype(np.uint8)


def square(picture: NDArray[np.uint8]) -> Picture:
    """Return a square picture, grey or RGB, `SIDE_PX` wide, with a thin frame: paper is as white as the page."""
    kernel = cv2.INTER_AREA if len(picture) > SIDE_PX else cv2.INTER_CUBIC
    sized = cv2.resize(picture, (SIDE_PX, SIDE_PX), interpolation=kernel)
    colours = np.broadcast_to(sized.reshape(SIDE_PX, SIDE_PX, -1), (SIDE_PX, SIDE_PX, 3)).copy()
    cv2.rectangle(colours, (0, 0), (SIDE_PX - 1, SIDE_PX - 1), (200, 200, 200), 2)
    return colours


def beside(pictures: list[Picture], gap_px: int = GAP_PX) -> Picture:
    """Return pictures of one height in a row on white."""
    gap = np.full((len(pictures[0]), gap_px, 3), 255, np.uint8)
    return np.concatenate([part for picture in pictures for part in (picture, gap)][:-1], axis=1)


def animate(film: list[Picture], path: Path) -> None:
    """Write pictures as an animation."""
    animation = cv2.Animation()
    animation.frames = [cv2.resize(f[..., ::-1], ANIMATION_PX, interpolation=cv2.INTER_AREA) for f in film]
    animation.durations = [round(1000 * SHOWN_S)] * (len(film) - 1) + [round(1000 * HOLD_S)]
    if not cv2.imwriteanimation(str(path), animation, [cv2.IMWRITE_WEBP_QUALITY, 80]):
        raise SystemExit(f"{path}: cannot be written")


def main() -> None:
    """Paint and write the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="line-art", help="shipped model, a checkpoint file, or none for pure search")
    parser.add_argument("--strokes", type=int, default=STROKES, help="strokes at most")
    args = parser.parse_args()
    torch.set_num_threads(1)
    agent = Agent.load(args.model)
    FOLDER.mkdir(exist_ok=True)
    first = Sitting(FIRST, agent, args.strokes, film=True)
    squares = [square(as_bytes(first.target.image)), square(first.planned), square(first.seen)]
    whole_file.write_image(FOLDER / "painting.png", beside([*squares, first.at_work()]))
    animate(first.film, FOLDER / "at-work.webp")
    pairs: list[Picture] = []
    for name in OTHERS:
        sitting = Sitting(name, agent, args.strokes, film=False)
        pairs.append(beside([square(as_bytes(sitting.target.image)), square(sitting.seen)]))
    whole_file.write_image(FOLDER / "examples.png", beside(pairs, 5 * GAP_PX))
    for file in sorted(FOLDER.iterdir()):
        print(f"{file.relative_to(ROOT)}: {file.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
