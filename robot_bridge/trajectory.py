"""From strokes to timed joint positions that any arm can execute."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from calibration.calibration import Calibration
from robot_bridge import limits
from robot_bridge.kinematics import Kinematics, UnreachableError
from robot_bridge.path import Piece, line, stroke_ends, stroke_pieces
from robot_bridge.profile import Limits, Profile
from robot_bridge.robots.robot import Robot
from robot_bridge.timing import Samples, joined_up, joint_curve, rest, straight, timed
from sim.errors import InputError
from sim.stroke import COLOUR, COLUMNS, PRESSURE_END, PRESSURE_START, SIZE

Array = NDArray[np.float64]
SegmentKind = Literal["travel", "approach", "stroke", "retract", "dip"]

JOIN_DISTANCE_M: Final = 0.0005
TRAVEL_SPACING_M: Final = 0.02
DOT_S: Final = 0.05
"""How long the brush rests on the paper for a stroke without length [s]."""


@dataclass(frozen=True, eq=False)
class Segment:
    """One piece of motion of one kind. It starts and ends at rest."""

    kind: SegmentKind
    times: Array
    """(m,) from 0, even ticks of `timing.RATE_HZ` [s]."""
    positions: Array
    """(m, dof) [rad]."""
    velocities: Array
    """(m, dof) [rad/s]."""
    accelerations: Array
    """(m, dof) [rad/s^2]."""
    stroke: int | None = None
    """Index in the whole program of the stroke that it paints or leads to, None for the way to another posture."""

    @property
    def duration_s(self) -> float:
        """Duration [s]."""
        return float(self.times[-1])


@dataclass(frozen=True)
class Motion:
    """The segments of some strokes in their order."""

    segments: tuple[Segment, ...]
    lengths_m: tuple[float, ...] = ()
    """Length of the tip's path over the paper, one a stroke [m]."""

    @property
    def duration_s(self) -> float:
        """Duration of all segments [s]."""
        return sum(segment.duration_s for segment in self.segments)

    @property
    def path_length_m(self) -> float:
        """Length of all strokes, travel left out [m]."""
        return sum(self.lengths_m)


@dataclass(frozen=True)
class Speeds:
    """How fast the tip moves, and how high it travels.

    Raises:
        InputError: a value is not positive or far too large for an arm.
    """

    stroke_m_s: float = 0.1
    travel_m_s: float = 0.5
    approach_m_s: float = 0.1
    clearance_m: float = 0.02
    """Height of the tip over the canvas plane on its way between strokes [m]."""
    acceleration_m_s2: float = 3.0
    jerk_m_s3: float = 100.0

    def __post_init__(self) -> None:
        largest = {"clearance_m": 0.3, "acceleration_m_s2": 20.0, "jerk_m_s3": 10_000.0}
        for name in self.__dataclass_fields__:
            value, limit = getattr(self, name), largest.get(name, 2.0)
            if not (np.isfinite(value) and 0 < value <= limit):
                raise InputError(f"{name}: is {value:g}, must be over 0 and at most {limit:g} (metres and seconds)")


def plan(
    strokes: ArrayLike,
    first: int,
    robot: Robot,
    kinematics: Kinematics,
    calibration: Calibration,
    start: ArrayLike,
    speeds: Speeds | None = None,
    then: ArrayLike | None = None,
) -> Motion:
    """Plan strokes one after the other, from where the arm is; everything is checked before it returns.

    Strokes of one colour of which one ends where the next starts are painted without lifting the brush. A brush that
    starts on the paper is lifted first, and it is lifted at the end, so no strokes at all mean: lift, and go to `then`.

    Args:
        strokes: (n, 12) strokes, columns as in `sim.stroke.COLUMNS`.
        first: index of the first of them in the whole program.
        start: (dof,) where the arm is, at rest [rad].
        speeds: speeds of the tip; the default ones if None. Where a joint's limit asks for it, the arm is slower.
        then: (dof,) where the arm goes at the end, None to stay above the last stroke [rad].

    Raises:
        UnreachableError: a stroke is out of reach, too wide or too narrow for the brush, or breaks a limit.
        InputError: the canvas lies below the table, or the strokes are no (n, 12) finite numbers.
    """
    strokes = np.asarray(strokes, dtype=np.float64)
    if strokes.ndim != 2 or strokes.shape[1] != len(COLUMNS) or not np.isfinite(strokes).all():
        raise InputError(f"strokes: must be finite numbers of shape (n, {len(COLUMNS)}), are {strokes.shape}")
    if len(strokes):  # a brush can be lifted from any canvas
        limits.check_canvas(calibration)
    _check_widths(strokes, first, calibration)
    planner = _Planner(robot, kinematics, calibration, speeds or Speeds(), np.asarray(start, dtype=np.float64))
    planner.lift()
    starts, ends = stroke_ends(strokes, calibration)
    for index, stroke in enumerate(strokes):
        try:
            joined = index > 0 and _meet(strokes[index - 1], ends[index - 1], stroke, starts[index])
            leaves = index + 1 == len(strokes) or not _meet(stroke, ends[index], strokes[index + 1], starts[index + 1])
            planner.paint(first + index, stroke, starts[index], ends[index], joined, leaves)
        except UnreachableError as error:
            raise UnreachableError(f"stroke {first + index + 1}: {error.reason}") from None
    if then is not None:
        planner.travel_joints(np.asarray(then, dtype=np.float64), None)
    motion = Motion(tuple(planner.segments), tuple(planner.lengths_m))
    limits.check(motion, robot, kinematics, calibration, planner.speeds.clearance_m)
    return motion


def _check_widths(strokes: Array, first: int, calibration: Calibration) -> None:
    brush = calibration.brush
    widths = strokes[:, SIZE, None] * strokes[:, [PRESSURE_START, PRESSURE_END]] * calibration.longer_side_m
    wrong = (widths < brush.min_width_m * (1 - 1e-6)) | (widths > brush.max_width_m * (1 + 1e-6))
    if wrong.any():
        index, end = np.argwhere(wrong)[0]
        raise UnreachableError(
            f"stroke {first + index + 1}: is {widths[index, end] * 1e3:.2f} mm wide, the brush {brush.name} paints "
            f"{brush.min_width_m * 1e3:g} to {brush.max_width_m * 1e3:g} mm; choose another brush or canvas size"
        )


def _meet(stroke: Array, end: Array, following: Array, start: Array) -> bool:
    near = np.linalg.norm(end[:2] - start[:2]) <= JOIN_DISTANCE_M
    return bool(near and np.array_equal(stroke[COLOUR], following[COLOUR]))


@dataclass
class _Planner:
    """Appends segments from where the last one ended."""

    robot: Robot
    kinematics: Kinematics
    calibration: Calibration
    speeds: Speeds
    q: Array
    segments: list[Segment] = field(default_factory=list)
    lengths_m: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._middle = np.array([*(np.array(self.calibration.canvas_size_m) / 2), 0.0])
        try:
            self._posture = self.kinematics.posture(
                self.calibration.canvas_to_base(self._middle[None])[0], self.calibration.normal
            )
        except UnreachableError as error:
            raise UnreachableError(f"canvas: its middle is out of reach, {error.reason}") from None

    def lift(self) -> None:
        """Retract a brush that starts on or near the paper."""
        clearance = self.speeds.clearance_m
        tip = self._tip()
        if tip[2] < 0.9 * clearance and limits.near_paper(tip[None], self.calibration).any():
            above = self.calibration.canvas_to_base([[tip[0], tip[1], clearance]])
            target = self.kinematics.follow(above, self.calibration.normal, self.q)[0]
            self._append_joint_line("retract", target, None, self.speeds.approach_m_s)

    def paint(self, index: int, stroke: Array, start: Array, end: Array, joined: bool, leaves: bool) -> None:
        """Append one stroke with the way to it, and the retract after it if the brush leaves the paper."""
        if joined:
            self._append_joint_line("approach", self._joints(start[None])[0], index, self.speeds.stroke_m_s)
        else:
            above = np.array([*start[:2], self.speeds.clearance_m])
            self._travel(above, index)
            self._append_pieces("approach", (line(above, start),), index, self.speeds.approach_m_s)
        pieces = stroke_pieces(stroke, self.calibration)
        self._append_pieces("stroke", pieces, index, self.speeds.stroke_m_s)
        self.lengths_m.append(sum((piece.length_m for piece in pieces), 0.0))
        if leaves:
            above = np.array([*end[:2], self.speeds.clearance_m])
            self._append_pieces("retract", (line(end, above),), index, self.speeds.approach_m_s)

    def travel_joints(self, target: Array, stroke: int | None) -> None:
        """Append the straight way between two configurations, or one over the canvas's middle if that is too low."""
        for height in (0.0, 0.1, 0.2):
            way = [self.q, target]
            if height:
                way.insert(1, self._joints(self._middle[None] + (0, 0, self.speeds.clearance_m + height))[0])
            legs = pairwise(way)
            if all(limits.clear(a, b, self.kinematics, self.calibration, self.speeds.clearance_m) for a, b in legs):
                for configuration in way[1:]:
                    self._append_joint_line("travel", configuration, stroke, self.speeds.travel_m_s)
                return
        raise UnreachableError("no way there keeps the brush clear of board and table; start from another posture")

    def _travel(self, above: Array, stroke: int) -> None:
        """Append the way to a point at clearance height: straight over the paper after another stroke."""
        if self.segments and self.segments[-1].kind == "retract" and self.segments[-1].stroke is not None:
            if np.linalg.norm(above - self._tip()) > 1e-6:
                way = (line(self._tip(), above, TRAVEL_SPACING_M),)
                self._append_pieces("travel", way, stroke, self.speeds.travel_m_s)
        else:
            self.travel_joints(self._joints(above[None])[0], stroke)

    def _tip(self) -> Array:
        tip: Array = self.calibration.base_to_canvas(self.kinematics.tip_pose(self.q)[None, :3, 3])[0]
        return tip

    def _joints(self, points: Array, guess: Array | None = None) -> Array:
        """Return the joints (m, dof) for points (m, 3) of the canvas frame."""
        points = self.calibration.canvas_to_base(points)
        return self.kinematics.follow(points, self.calibration.normal, self._posture, guess)

    def _append_pieces(self, kind: SegmentKind, pieces: tuple[Piece, ...], stroke: int, speed: float) -> None:
        """Append a segment along pieces of path, or a rest if there are none."""
        parts = []
        for piece in pieces:
            curve = joint_curve(piece.lengths, self._joints(piece.points, self.q))
            profile = Profile(piece.length_m, self._limits(speed), piece.bend)
            parts.append(timed(curve, profile, self.robot))
            self.q = parts[-1].positions[-1]
        self._append(kind, joined_up(parts) if parts else rest(self.q, DOT_S), stroke)

    def _append_joint_line(self, kind: SegmentKind, target: Array, stroke: int | None, speed: float) -> None:
        """Append a segment straight in joint space; none if the arm is there already."""
        change = target - self.q
        if np.abs(change).max() < 1e-7:
            return
        part = np.linspace(0, 1, 9)[:, None]
        tips = self.kinematics.tips(self.q + part * change)[0]
        # The line's parameter runs from 0 to 1: the tip moves this many metres per unit where it is fastest.
        reach = max(float(np.linalg.norm(np.diff(tips, axis=0), axis=1).max()) * 8, 1e-3)
        size = np.abs(change) + 1e-12
        tip = self._limits(speed)
        within = Limits(
            min(tip.speed / reach, 0.95 * float((self.robot.velocity / size).min())),
            min(tip.acceleration / reach, 0.95 * float((self.robot.acceleration / size).min())),
            min(tip.jerk / reach, 0.95 * float((self.robot.jerk / size).min())),
        )
        self._append(kind, timed(straight(self.q, target), Profile(1.0, within), self.robot), stroke)

    def _append(self, kind: SegmentKind, samples: Samples, stroke: int | None) -> None:
        self.segments.append(Segment(kind, *samples, stroke))
        self.q = samples.positions[-1]

    def _limits(self, speed: float) -> Limits:
        return Limits(speed, self.speeds.acceleration_m_s2, self.speeds.jerk_m_s3)
