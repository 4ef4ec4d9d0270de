"""`spiral-paint`: paint a picture with a robot arm, here one simulated in PyBullet."""

from __future__ import annotations

import contextlib
import json
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from sim.errors import InputError

if TYPE_CHECKING:
    from calibration.calibration import Calibration
    from planner.agent import Agent
    from planner.target import Target
    from robot_bridge.events import Event
    from robot_bridge.painter import Painter, Settings
    from robot_bridge.record import Record
    from robot_bridge.robots.robot import Robot

PAPER = "paper.png"
"""The simulated paper as it lies there, so that a painting that was stopped can go on."""


@dataclass
class Args:
    """Paint a picture on the simulated arm.

    Any PNG, JPEG or WebP becomes black line art of 64×64 points, a photo by its luminance; one colour for now. The
    agent plans strokes, the arm paints some of them, the camera looks, and the agent plans on from what it sees. The
    first Ctrl-C stops softly and lifts the brush, a second one stops at once; `--resume` goes on from either.
    """

    target: Annotated[Path | None, tyro.conf.Positional] = None
    """Picture to paint."""
    resume: Path | None = None
    """Out folder of a painting that was stopped: go on with it, with its own settings."""
    strokes: int = 12
    """Strokes at most."""
    model: str = "line-art"
    """Shipped model, a checkpoint file, or `none` for pure search."""
    feedback_every: int = 4
    """Strokes between two looks of the camera."""
    open_loop: bool = False
    """Plan once, paint all of it, look at the end."""
    judge: Literal["error", "discriminator", "both"] = "both"
    """What chooses among proposed continuations and decides when to stop."""
    robot: str = "panda"
    """Arm: panda or xarm6."""
    canvas_size: float = 0.2
    """Side of the square paper [m]."""
    brush: str = "round-20"
    """Brush: round-20 paints lines 2 to 20 mm wide, round-8 1 to 8 mm."""
    speed: float = 0.1
    """Speed of the brush on the paper [m/s]."""
    seed: int = 0
    """Of the planner and of the camera's noise."""
    out: Path | None = None
    """Folder for the pictures, the program, the film and the figures; out/TARGET-TIME by default."""
    preview: bool = False
    """Plan, write the planned picture and program and estimate the time; no arm."""
    film: bool = True
    """Film the arm at work (--no-film is faster)."""
    gui: bool = False
    """Show PyBullet's window, in real time."""


def check(args: Args) -> None:
    """Refuse values that make no sense, before anything is loaded."""
    if (args.target is None) == (args.resume is None):
        raise InputError("give either a picture to paint or --resume FOLDER")
    if args.strokes < 1:
        raise InputError(f"--strokes {args.strokes}: nothing to paint; give 1 or more")
    if args.feedback_every < 1:
        raise InputError(f"--feedback-every {args.feedback_every}: give 1 or more, or --open-loop")
    if not 0.02 <= args.canvas_size <= 2.0:
        raise InputError(f"--canvas-size {args.canvas_size}: in metres, from 0.02 to 2; an A4 sheet is 0.21 wide")
    if not 0.001 <= args.speed <= 1.0:
        raise InputError(f"--speed {args.speed}: in metres a second, from 0.001 to 1")
    if not 0 <= args.seed < 2**31:
        raise InputError(f"--seed {args.seed}: give a whole number from 0 to {2**31 - 1}")


def settings_of(args: Args) -> Settings:
    """Return the painter's settings."""
    from robot_bridge.painter import Settings
    from robot_bridge.trajectory import Speeds

    every = 0 if args.open_loop else args.feedback_every
    return Settings(args.strokes, every, args.judge, args.seed, Speeds(stroke_m_s=args.speed))


def load(args: Args) -> tuple[Target, Agent, Robot]:
    """Return target, planner and arm; every name is checked before the slow parts are loaded."""
    from planner import checkpoint
    from planner.target import Target
    from robot_bridge.robots.robot import Robot
    from sim.brush import BRUSHES

    if args.brush not in BRUSHES:
        raise InputError(f"--brush {args.brush}: unknown; choose one of {', '.join(BRUSHES)}")
    robot = Robot.load(args.robot, BRUSHES[args.brush])
    if args.model != "none":
        checkpoint.find(args.model)
    assert args.target is not None
    target = Target.load(args.target)

    import torch

    from planner.agent import Agent

    torch.set_num_threads(1)  # on two busy cores two threads are slower than one
    return target, Agent.load(args.model), robot


def preview(args: Args) -> dict[str, Any]:
    """Plan without an arm and return the figures."""
    from planner.actions import WidthLimits
    from robot_bridge import trajectory
    from robot_bridge.kinematics import Kinematics
    from robot_bridge.record import PICTURE_PX, squared_error
    from sim import whole_file
    from sim.canvas import render

    target, agent, robot = load(args)
    calibration = nominal_calibration(args, robot)
    side = calibration.longer_side_m
    brush = calibration.brush
    limits = WidthLimits(brush.min_width_m / side, brush.max_width_m / side)
    started = time.perf_counter()
    program = agent.paint(target.image, args.strokes, args.seed, limits)
    speeds = settings_of(args).speeds
    motion = trajectory.plan(program.strokes, 0, robot, Kinematics(robot), calibration, robot.look, speeds, robot.look)
    figures = {
        "target": target.name,
        "model": agent.name,
        "strokes": len(program),
        "path_length_mm": 1000 * motion.path_length_m,
        "arm_time_s": motion.duration_s,
        "plan_time_s": time.perf_counter() - started,
        "mse_planned": squared_error(render(program.strokes), target.image),
    }
    folder = out_folder(args, target)
    whole_file.make_folder(folder)
    target.save(folder / "target.png")
    program.save(folder / "program.json")
    whole_file.write(folder / "program.svg", program.to_svg(1000 * args.canvas_size))
    whole_file.write_image(folder / "planned.png", render(program.strokes, PICTURE_PX, channels=3))
    whole_file.write(folder / "summary.json", json.dumps(figures, indent=1) + "\n")
    print(f"{folder}: planned.png, program.json, program.svg, summary.json")
    return figures


def nominal_calibration(args: Args, robot: Robot) -> Calibration:
    """Return where the paper lies by default, without a camera."""
    from datetime import UTC, datetime

    from calibration.calibration import Calibration
    from sim.brush import BRUSHES

    size = (args.canvas_size, args.canvas_size)
    today = datetime.now(UTC).date().isoformat()
    return Calibration(robot.name, today, robot.canvas_pose(size), size, BRUSHES[args.brush])


def out_folder(args: Args, target: Target) -> Path:
    """Return the folder for a new painting."""
    return args.out or Path("out") / f"{target.name}-{time.strftime('%Y%m%d-%H%M%S')}"


def paint(args: Args) -> dict[str, Any]:
    """Paint, or go on with a painting, and return its figures."""
    from planner.program import Provenance
    from robot_bridge.journal import Journal
    from robot_bridge.record import Record
    from sim import whole_file

    if args.resume is not None:
        journal = Journal.resume(args.resume)
        args = resumed(args, journal)
        if journal.finished:
            journal.close()
            raise InputError(f"{journal.folder}: this painting is finished; nothing to resume")
        target, agent, robot = load(args)
    else:
        target, agent, robot = load(args)
        check_reach(args, robot)
        folder = out_folder(args, target)
        whole_file.make_folder(folder)
        journal = Journal.create(folder, header(args))
        target.save(folder / "target.png")
    with journal:
        record = Record(journal, target, Provenance(agent.name, args.seed, target.digest))
        return perform(args, target, agent, robot, record)


def check_reach(args: Args, robot: Robot) -> None:
    """Refuse paper whose corners the arm cannot reach, before a folder is made for the painting."""
    import numpy as np

    from robot_bridge.kinematics import Kinematics, UnreachableError

    calibration = nominal_calibration(args, robot)
    kinematics = Kinematics(robot)
    for u, v in ((0, 0), (1, 0), (0, 1), (1, 1)):
        xy = calibration.program_to_canvas(np.array([[u, v]], float))
        corner = calibration.canvas_to_base(np.column_stack((xy, [0.0])))[0]
        try:
            kinematics.posture(corner, calibration.normal)
        except UnreachableError as error:
            raise InputError(
                f"--canvas-size {args.canvas_size}: {robot.name} cannot reach all corners of the paper; "
                "give a smaller size"
            ) from error


def header(args: Args) -> dict[str, Any]:
    """Return the settings for the journal: all arguments but those of one sitting."""
    kept = {name: value for name, value in asdict(args).items() if name not in ("resume", "out", "preview", "gui")}
    return kept | {"target": str(args.target)}


def resumed(args: Args, journal: Any) -> Args:
    """Return the arguments with which a painting was begun."""
    known = {field.name for field in fields(Args)}
    kept = {name: value for name, value in journal.header.items() if name in known}
    return Args(**kept | {"target": journal.folder / "target.png", "out": journal.folder, "gui": args.gui})


def perform(args: Args, target: Target, agent: Agent, robot: Robot, record: Record) -> dict[str, Any]:
    """Set up the simulated world and paint in it."""
    try:
        from sim.world import World
    except ImportError as error:
        raise InputError("PyBullet is missing; install spiral_painter[sim], or use --preview") from error
    from robot_bridge.arms.pybullet import PyBulletArm, true_calibration
    from robot_bridge.painter import Painter
    from robot_bridge.record import Film
    from sim import whole_file
    from sim.brush import BRUSHES

    size = (args.canvas_size, args.canvas_size)
    paper = record.folder / PAPER
    with contextlib.ExitStack() as stack:
        world = stack.enter_context(
            World(
                robot.urdf,
                robot.joint_names,
                robot.look,
                BRUSHES[args.brush],
                robot.canvas_pose(size),
                size,
                seed=args.seed,
                gui=args.gui,
            )
        )
        if paper.exists():
            world.lay_paper(whole_file.read_image(paper))
        film = stack.enter_context(Film(record.folder / film_name(record)))
        arm = stack.enter_context(PyBulletArm(world, robot, film.frame if args.film else None))
        calibration = true_calibration(world, robot)
        executed = record.journal.executed if len(record.journal.executed) or paper.exists() else None
        painter = Painter(agent, target, robot, arm, world.look, calibration, settings_of(args), executed)
        bar = stack.enter_context(progress(args.strokes, painter))
        with interruptible(painter):
            for event in painter.paint():
                record.listen(event)
                if type(event).__name__ in ("StrokeDone", "Cancelled", "Fault"):
                    whole_file.write_image(paper, world.painting())
                bar(event)
        return record.close(world.max_force_n, film.seconds)


def film_name(record: Record) -> str:
    """Return a film's name that does not overwrite an earlier sitting's."""
    earlier = len(list(record.folder.glob("painting*.mp4")))
    return f"painting-{earlier + 1}.mp4" if earlier else "painting.mp4"


@contextlib.contextmanager
def progress(strokes: int, painter: Painter) -> Iterator[Any]:
    """Show strokes, millimetres and time left, and a line for every look."""
    from tqdm import tqdm

    from robot_bridge import events

    layout = "{desc}: {n_fmt}/{total_fmt} strokes |{bar}| {postfix} [{elapsed}<{remaining}]"
    with tqdm(total=strokes, initial=len(painter.strokes), desc="painting", bar_format=layout, disable=None) as bar:
        length_mm = 0.0

        def show(event: Event) -> None:
            nonlocal length_mm
            match event:
                case events.Planned():
                    bar.total = len(painter.strokes) + len(event.strokes)
                    scores = ", ".join(f"{v.error:.4f} ({v.score:.2f})" for v in event.verdicts)
                    tqdm.write(
                        f"plan: {len(event.strokes)} strokes, {1000 * event.length_m:.0f} mm, "
                        f"{event.duration_s:.0f} s of motion; continuations' error (score): {scores}"
                    )
                case events.StrokeDone():
                    length_mm += 1000 * event.length_m
                    bar.set_postfix_str(f"{length_mm:.0f} mm", refresh=False)
                    bar.update()
                case events.Scored():
                    v = event.verdict
                    tqdm.write(f"look: after {len(painter.strokes)} strokes error {v.error:.4f}, score {v.score:.2f}")
                case events.Shifted():
                    x, y = (1000 * part for part in event.shift_m)
                    turn = 57.29578 * event.rotation_rad
                    tqdm.write(f"paper: {x:+.2f} mm right, {y:+.2f} mm up, {turn:+.2f}° from where it was thought")
                case events.Unpainted():
                    numbers = ", ".join(str(index + 1) for index in event.indices)
                    tqdm.write(f"no paint seen of stroke {numbers}")
                case events.Fault() | events.Finished():
                    tqdm.write(f"{type(event).__name__.lower()}: {event.reason}")
                case _:
                    pass

        yield show


@contextlib.contextmanager
def interruptible(painter: Painter) -> Iterator[None]:
    """Cancel softly at the first Ctrl-C and stop at once at the second."""
    count = 0

    def interrupt(number: int, frame: Any) -> None:
        nonlocal count
        count += 1
        if count == 1:
            painter.cancel()
        else:
            painter.stop()

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def report(figures: dict[str, Any]) -> None:
    """Print every figure with its unit."""
    units = {"_mm": "mm", "_s": "s", "_n": "N", "_deg": "°"}
    for name, value in figures.items():
        unit = next((sign for ending, sign in units.items() if name.endswith(ending)), "")
        if isinstance(value, float):
            value = f"{value:.4g}"
        elif isinstance(value, list):
            value = ", ".join(f"{part:.3g}" for part in value) or "none"
        print(f"{name:>24}  {'not measured' if value is None else value} {unit if value is not None else ''}".rstrip())


def main() -> int:
    """Run the command; return its exit code."""
    args = tyro.cli(Args)
    try:
        check(args)
        if args.preview:
            report(preview(args))
            return 0
        figures = paint(args)
    except InputError as error:
        print(f"spiral-paint: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("spiral-paint: interrupted before the arm moved", file=sys.stderr)
        return 130
    report(figures)
    return 0 if figures["finished"] else 1


if __name__ == "__main__":
    sys.exit(main())
