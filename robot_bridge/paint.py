"""`spiral-paint`: paint a picture with a robot arm, here one simulated in PyBullet."""

from __future__ import annotations

import contextlib
import json
import shlex
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import tyro

from robot_bridge.arguments import MANUAL, Args, check, header, resumed, settings_of, strokes_of
from robot_bridge.interrupts import Interrupts, open_outputs, quiet, suspend, told_if_possible
from sim.errors import InputError

if TYPE_CHECKING:
    from planner.agent import Agent
    from planner.target import Target
    from robot_bridge.events import Event
    from robot_bridge.journal import Journal
    from robot_bridge.painter import Painter
    from robot_bridge.record import Record
    from robot_bridge.robots.robot import Robot


def preview(args: Args) -> None:
    """Plan without an arm; write the plan and print its figures."""
    from robot_bridge import trajectory
    from robot_bridge.choice import chooser, paintable
    from robot_bridge.kinematics import Kinematics
    from robot_bridge.out_folder import check_new
    from robot_bridge.painter import PICTURE_PX
    from robot_bridge.preparation import load, nominal_calibration, out_folder
    from robot_bridge.progress import report
    from robot_bridge.record import of_target, squared_error
    from sim import whole_file
    from sim.canvas import render

    target, agent, robot = load(args)
    folder = out_folder(args, target)
    check_new(folder)
    tell(args, target, agent)
    calibration = nominal_calibration(args, robot)
    started = time.perf_counter()
    image = None if target is None else target.image
    choice = chooser(agent, image, paintable(calibration), args.judge)
    program = agent.program(choice.first(strokes_of(args), args.seed).strokes, image, args.seed)
    speeds = settings_of(args).speeds
    motion = trajectory.plan(program.strokes, 0, robot, Kinematics(robot), calibration, robot.look, speeds, robot.look)
    planned = render(program.strokes)
    figures = {
        **of_target(target, program.provenance),
        "strokes": len(program),
        "path_length_mm": 1000 * motion.path_length_m,
        "arm_time_s": motion.duration_s,
        "plan_time_s": time.perf_counter() - started,
        "mse_planned": None if image is None else squared_error(planned, image),
        "discriminator_score": None if agent.discriminator is None else agent.judge(planned, image).score,
    }
    whole_file.make_folder(folder)
    if target is not None:
        target.save(folder / "target.png")
    program.save(folder / "program.json")
    whole_file.write(folder / "program.svg", program.to_svg(1000 * args.canvas_size))
    whole_file.write_image(folder / "planned.png", render(program.strokes, PICTURE_PX, channels=3))
    whole_file.write(folder / "summary.json", json.dumps(figures, indent=1) + "\n")
    with told_if_possible():
        report(figures)
        print(f"{folder}: planned.png, program.json, program.svg, summary.json")


def tell(args: Args, target: Target | None, agent: Agent) -> None:
    """Print what is painted."""
    from robot_bridge.progress import tell_dream, tell_target

    if target is None:
        tell_dream(agent.name, args.seed)
    else:
        assert args.target is not None
        tell_target(args.target, target.kind)


def paint(args: Args, interrupts: Interrupts) -> tuple[Record, Event]:
    """Paint, or go on with a painting; return its record and its last event."""
    from robot_bridge.journal import Journal
    from robot_bridge.out_folder import check_new
    from robot_bridge.preparation import load, out_folder

    if args.resume is None:
        target, agent, robot = load(args)
        folder = out_folder(args, target)
        check_new(folder)
        return perform(args, target, agent, robot, folder, interrupts)
    with Journal.resume(args.resume) as journal:
        if journal.finished:
            raise InputError(f"{journal.folder}: this painting is finished; nothing to resume")
        args = resumed(args, journal)
        target, agent, robot = load(args)
        known = journal.header
        if target is not None:
            if target.digest != known.get("target_digest"):
                raise InputError(f"{journal.folder / 'target.png'}: is not the picture that was begun; restore it")
            target = replace(target, name=str(known.get("name")), kind=known.get("target_kind", target.kind))
        return perform(args, target, agent, robot, journal, interrupts)


def perform(
    args: Args, target: Target | None, agent: Agent, robot: Robot, place: Path | Journal, interrupts: Interrupts
) -> tuple[Record, Event]:
    """Set up the simulated world, paint in it and return the record and the last event.

    Args:
        place: The out folder of a new painting, or the journal of one that is resumed.
    """
    from math import radians

    from planner.program import Provenance
    from robot_bridge import record
    from robot_bridge.film import PERIOD_S, Film
    from robot_bridge.painter import Painter
    from robot_bridge.progress import progress
    from sim.brush import BRUSHES

    try:
        with quiet():
            from robot_bridge.arms.pybullet import PyBulletArm, true_calibration
            from sim.world import World
    except ImportError as error:
        raise InputError("PyBullet is missing; install spiral_painter[sim], or use --preview") from error

    side = args.canvas_size
    pose = robot.canvas_pose((side, side), radians(args.canvas_tilt))
    journal, folder = (None, place) if isinstance(place, Path) else (place, place.folder)
    with contextlib.ExitStack() as stack:
        brush = BRUSHES[args.brush]
        try:
            world = World(
                robot.urdf, robot.joint_names, robot.look, brush, pose, (side, side), seed=args.seed, gui=args.gui
            )
        except OSError as error:
            place_of_meshes = tempfile.gettempdir()
            raise InputError(f"{place_of_meshes}: cannot be written ({error.strerror}); free space there") from error
        stack.enter_context(world)
        executed = record.executed(journal) if journal else None
        if journal and (paper := record.kept_paper(journal)) is not None:
            world.lay_paper(paper)
        film = stack.enter_context(Film(folder))
        arm = stack.enter_context(PyBulletArm(world, robot, film.frame if args.film else None, PERIOD_S))
        kept = record.Record(
            place,
            target,
            Provenance(agent.name, args.seed, "" if target is None else target.digest),
            canvas_mm=1000 * side,
            header=header(args, target),
            paper=world.painting,
            max_force_n=lambda: world.max_force_n,
            film_s=lambda: film.seconds,
        )
        stack.enter_context(kept)
        calibration = true_calibration(world, robot)
        painter = Painter(agent, target, robot, arm, world.look, calibration, settings_of(args), executed)
        if journal is None:
            tell(args, target, agent)
        show = stack.enter_context(progress(strokes_of(args), painter))
        interrupts.painter = painter
        return kept, conduct(painter, kept, show)


def conduct(painter: Painter, kept: Record, show: Callable[[Event], None]) -> Event:
    """Let a painter paint while a record and a display listen, and return the last event.

    Raises:
        InputError: The record cannot be written, for example on a full disk; the brush is lifted before.
    """
    from robot_bridge import events

    failure: InputError | None = None
    event: Event = events.Cancelled(lifted=True)
    kept.start()
    for event in painter.paint():
        try:
            kept.listen(event)
        except InputError as error:
            failure = failure or error
            painter.cancel()
        show(event)
        if isinstance(event, events.Paused):
            since = time.perf_counter()
            suspend()
            kept.wait(time.perf_counter() - since)
    if failure is not None:
        what = f"{event.reason} And {failure}" if isinstance(event, events.Fault) else str(failure)
        raise InputError(what if kept.journal is None else f"{what}; then {way_on(kept.folder)}")
    return event


def way_on(folder: Path) -> str:
    """Return what to do with a painting that is not finished."""
    from robot_bridge.journal import NAME

    if (folder / NAME).exists():
        return f"go on with spiral-paint --resume {shlex.quote(str(folder))}"
    return f"paint anew, on clean paper: {folder / NAME} is gone"


def complain(line: str) -> None:
    """Tell what went wrong, in one line."""
    with told_if_possible():
        print(f"spiral-paint: {line}", file=sys.stderr)


def told(kept: Record, last: Event) -> int:
    """Print the figures and how the painting ended; return the exit code."""
    from robot_bridge import events
    from robot_bridge.out_folder import written
    from robot_bridge.progress import report

    with told_if_possible():
        report(kept.figures)
        if isinstance(last, events.Finished):
            print(f"{kept.folder}: {', '.join(written(kept.folder))}")
    if isinstance(last, events.Finished):
        return 0
    on = way_on(kept.folder)
    if isinstance(last, events.Fault):
        complain(f"{last.reason} Then {on}")
        return 1
    if kept.journal is None:
        raise KeyboardInterrupt
    how = "the brush is lifted" if isinstance(last, events.Cancelled) and last.lifted else "stopped, the arm holds"
    complain(f"interrupted, {how}; {on}")
    return 130


def main() -> int:
    """Run the command; return its exit code."""
    open_outputs()
    args = None
    try:
        with told_if_possible():
            args = tyro.cli(Args, prog="spiral-paint", description=MANUAL)
    except KeyboardInterrupt:
        complain("interrupted before the arm moved")
        return 130
    if args is None:
        return 0  # whoever asked for help has read enough
    with Interrupts().heeded() as interrupts:
        try:
            check(args)
            if args.preview:
                preview(args)
                return 0
            return told(*paint(args, interrupts))
        except InputError as error:
            complain(str(error))
            return 2
        except KeyboardInterrupt:
            complain("interrupted before the arm moved")
            return 130


if __name__ == "__main__":
    sys.exit(main())
