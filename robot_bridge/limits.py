"""What a motion must never do, checked as a whole before anything moves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from calibration.calibration import Calibration
from robot_bridge.kinematics import Kinematics, UnreachableError
from robot_bridge.robots.robot import Robot
from sim.errors import InputError

if TYPE_CHECKING:
    from robot_bridge.trajectory import Motion, Segment

Array = NDArray[np.float64]

BRUSH_MARGIN_M: Final = 0.02
"""How far beyond the paper, on every side, the brush may come down, and travel keeps its height. The board reaches
further, so that the brush never comes to its edge."""
LARGEST_TILT_DEG: Final = 0.5
"""Largest angle between the brush and the canvas normal while it paints."""
LOWEST_JOINT_M: Final = 0.03
"""Height over the table under which no joint may come."""
CHECK_EVERY: Final = 4
"""Tip and joints are looked at in every so many ticks: the tip at 0.1 m/s every 1.7 mm."""


def check_canvas(calibration: Calibration) -> None:
    """Raise InputError where paper, or a brush pressed its deepest on it, reaches below the table, or paper faces down.

    The table is z = 0 of `base_link`.
    """
    width, height = calibration.canvas_size_m
    corners = np.array([[0, 0, 0], [width, 0, 0], [width, height, 0], [0, height, 0]])
    lowest = float(calibration.canvas_to_base(corners)[:, 2].min())
    if lowest < 0:
        raise InputError(f"canvas: a corner of the paper lies {-lowest * 1e3:.1f} mm below the table; raise the canvas")
    if calibration.normal[2] < 0:
        raise InputError("canvas: the paper faces the table; turn it over")
    deepest = lowest - calibration.brush.max_depth_m * float(calibration.normal[2])
    if deepest < 0:
        raise InputError(
            f"canvas: pressed at a corner of the paper, the brush would be {-deepest * 1e3:.1f} mm below the table; "
            "raise the canvas"
        )


def near_paper(tips: Array, calibration: Calibration) -> NDArray[np.bool_]:
    """Return which points (m, 3) of the canvas frame lie over or under the paper or its margin."""
    size = np.array(calibration.canvas_size_m)
    return np.asarray(((tips[:, :2] > -BRUSH_MARGIN_M) & (tips[:, :2] < size + BRUSH_MARGIN_M)).all(1))


def clear(start: Array, end: Array, kinematics: Kinematics, calibration: Calibration, clearance_m: float) -> bool:
    """Return whether the straight way between two configurations keeps tip and joints high enough, as `check` does."""
    way = start + np.linspace(0, 1, 21)[:, None] * (end - start)
    return _travel_fault(way, kinematics, calibration, clearance_m) is None


def check(
    motion: Motion, robot: Robot, kinematics: Kinematics, calibration: Calibration, clearance_m: float | None = None
) -> None:
    """Check a whole motion before it starts.

    Args:
        clearance_m: height of travel [m]; a travel over the paper may sag to half of it. By default it only has to
            stay off the paper.

    Raises:
        UnreachableError: it breaks a limit of position, velocity or acceleration, jumps, does not start and end each
            segment at rest, tilts the brush, presses it too deep or comes down beside the paper; or the tip or a joint
            comes too low. Links between the joints are not looked at. The line names the stroke.
    """
    before: Array | None = None
    for segment in motion.segments:
        fault = (
            _joint_fault(segment, robot)
            or (_jump(before, segment.positions[0]) if before is not None else None)
            or _tip_fault(segment, kinematics, calibration, clearance_m or 0.0)
        )
        if fault:
            what = "the way" if segment.stroke is None else f"stroke {segment.stroke + 1}"
            raise UnreachableError(f"{what}: {fault} ({segment.kind})")
        before = segment.positions[-1]


def _jump(before: Array, after: Array) -> str | None:
    jump = float(np.abs(after - before).max())
    return f"starts {jump:.2g} rad from where the segment before ended; plan it anew" if jump > 1e-6 else None


def _joint_fault(segment: Segment, robot: Robot) -> str | None:
    tables = (segment.positions, segment.velocities, segment.accelerations)
    if not all(np.isfinite(table).all() for table in tables):
        return "holds nan or inf; plan it anew"
    if np.abs(np.concatenate([segment.velocities[[0, -1]], segment.accelerations[[0, -1]]])).max() > 1e-9:
        return "does not start and end at rest; plan it anew"
    for table, lower, upper, unit in (
        (segment.positions, robot.lower, robot.upper, "rad"),
        (segment.velocities, -robot.velocity, robot.velocity, "rad/s"),
        (segment.accelerations, -robot.acceleration, robot.acceleration, "rad/s²"),
    ):
        excess = np.maximum(lower - table, table - upper).max(0)
        joint = int(excess.argmax())
        if excess[joint] > 1e-6:
            return (
                f"{robot.joint_names[joint]} would be {excess[joint]:.3g} {unit} over its limit; move the "
                "canvas nearer or go slower"
            )
    return None


def _tip_fault(segment: Segment, kinematics: Kinematics, calibration: Calibration, clearance_m: float) -> str | None:
    ticks = np.unique(np.append(np.arange(0, len(segment.times), CHECK_EVERY), len(segment.times) - 1))
    if segment.kind == "travel":
        return _travel_fault(segment.positions[ticks], kinematics, calibration, clearance_m)
    tips, axes = kinematics.tips(segment.positions[ticks])
    on_canvas = calibration.base_to_canvas(tips)
    deepest, lowest = calibration.brush.max_depth_m, 0.0
    if segment.kind == "retract":
        # A brush that was stopped too deep may still be lifted.
        deepest, lowest = max(deepest, -on_canvas[0, 2]), min(lowest, tips[0, 2])
    too_deep = float(-on_canvas[:, 2].min()) - deepest
    if too_deep > 1e-5:
        return f"the brush would be pressed {too_deep * 1e3:.2f} mm too deep; calibrate the canvas again"
    if not near_paper(on_canvas, calibration).all():
        return f"the brush would come down over {BRUSH_MARGIN_M * 1e3:g} mm beside the paper; keep to the canvas"
    if tips[:, 2].min() < lowest:
        return f"the tip would be {-tips[:, 2].min() * 1e3:.2f} mm below the table; raise the canvas"
    if segment.kind in ("approach", "stroke"):
        tilt = float(np.rad2deg(np.arccos(np.clip(-axes @ calibration.normal, -1, 1))).max())
        if tilt > LARGEST_TILT_DEG:
            return f"the brush would be tilted by {tilt:.2f} degrees; move the canvas nearer"
    return _low_joint(segment.positions[ticks], kinematics)


def _travel_fault(way: Array, kinematics: Kinematics, calibration: Calibration, clearance_m: float) -> str | None:
    tips = kinematics.tips(way)[0]
    on_canvas = calibration.base_to_canvas(tips)
    height = float(np.min(on_canvas[:, 2], where=near_paper(on_canvas, calibration), initial=np.inf))
    if height < clearance_m / 2:
        return f"the tip would be only {height * 1e3:.1f} mm over the paper"
    if tips[:, 2].min() < 0:
        return f"the tip would be {-tips[:, 2].min() * 1e3:.1f} mm below the table"
    return _low_joint(way, kinematics)


def _low_joint(way: Array, kinematics: Kinematics) -> str | None:
    lowest = min(kinematics.lowest_joint_m(q) for q in way)
    if lowest < LOWEST_JOINT_M:
        return f"a joint would be only {lowest * 1e3:.0f} mm over the table; move the canvas"
    return None
