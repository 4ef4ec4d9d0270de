"""What a painting needs before an arm is asked to move: target, planner, arm, paper in reach, a folder to write to."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from robot_bridge.arguments import Args, model_of
from sim.errors import InputError

if TYPE_CHECKING:
    from calibration.calibration import Calibration
    from planner.agent import Agent
    from planner.target import Target
    from robot_bridge.robots.robot import Robot

LINES_ACROSS: Final = 20
"""Narrowest lines that must fit side by side on the paper."""


def load(args: Args) -> tuple[Target | None, Agent, Robot]:
    """Return target, none for a dream, planner and arm; every name is checked before the slow parts are loaded."""
    import numpy as np

    from planner import checkpoint
    from planner.target import Target
    from robot_bridge.interrupts import quiet
    from robot_bridge.robots.robot import Robot
    from sim.brush import BRUSHES

    if args.brush not in BRUSHES:
        raise InputError(f"--brush {args.brush}: unknown; choose one of {', '.join(BRUSHES)}")
    brush = BRUSHES[args.brush]
    if args.canvas_size < LINES_ACROSS * brush.min_width_m:
        raise InputError(
            f"--canvas-size {args.canvas_size:g}: too small for {args.brush}, whose narrowest line is "
            f"{1000 * brush.min_width_m:g} mm; give {LINES_ACROSS * brush.min_width_m:g} or more, or another --brush"
        )
    robot = Robot.load(args.robot, brush)
    if args.canvas_centre is not None:
        robot = replace(robot, canvas_centre_m=np.array(args.canvas_centre, dtype=np.float64))
    target = None
    if args.target is not None:
        with quiet():
            target = Target.load(args.target)
    check_reach(args, robot)
    if model_of(args) != "none":
        checkpoint.find(model_of(args))
    import torch

    from planner.agent import Agent

    torch.set_num_threads(1)  # on two busy cores two threads are slower than one
    agent = Agent.load(model_of(args))
    if target is None and not agent.unconditional:
        raise InputError(
            f"--dream {args.dream}: this model reproduces pictures; give it one, or name a model such as digits"
        )
    if target is not None and agent.unconditional:
        raise InputError(
            f"--model {args.model}: paints what it wants, not a picture; give --dream {args.model} and none"
        )
    return target, agent, robot


def nominal_calibration(args: Args, robot: Robot) -> Calibration:
    """Return where the paper lies by default, without a camera."""
    from datetime import UTC, datetime
    from math import radians

    from calibration.calibration import Calibration
    from sim.brush import BRUSHES

    size = (args.canvas_size, args.canvas_size)
    pose = robot.canvas_pose(size, radians(args.canvas_tilt))
    return Calibration(robot.name, datetime.now(UTC).date().isoformat(), pose, size, BRUSHES[args.brush])


def check_reach(args: Args, robot: Robot) -> None:
    """Refuse paper that lies under the table or out of the arm's reach."""
    import numpy as np

    from robot_bridge import limits
    from robot_bridge.kinematics import Kinematics, UnreachableError

    calibration = nominal_calibration(args, robot)
    limits.check_canvas(calibration)
    kinematics = Kinematics(robot)
    for u, v in ((0.5, 0.5), (0, 0), (1, 0), (0, 1), (1, 1)):
        xy = calibration.program_to_canvas(np.array([[u, v]], float))
        place = calibration.canvas_to_base(np.column_stack((xy, [0.0])))[0]
        try:
            kinematics.posture(place, calibration.normal)
        except UnreachableError as error:
            raise InputError(
                f"canvas of {args.canvas_size:g} m: {robot.name} cannot reach {np.round(place, 3).tolist()} m on it; "
                "give a smaller --canvas-size or another --canvas-centre"
            ) from error


def out_folder(args: Args, target: Target | None) -> Path:
    """Return the folder for a new painting."""
    name = f"{Path(model_of(args)).stem}-{args.seed}" if target is None else target.name
    return args.out or Path("out") / f"{name}-{time.strftime('%Y%m%d-%H%M%S')}"
