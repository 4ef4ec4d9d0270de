"""The closed loop: plan, move, look, judge, plan on. It yields events; whoever listens shows, journals or films."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from calibration.calibration import Calibration
from planner.actions import CANVAS_PX
from planner.agent import Agent, Proposal
from planner.target import Target
from robot_bridge import alignment, events, trajectory
from robot_bridge.arms.arm import Arm, ArmFault
from robot_bridge.choice import Judge, chooser, paintable
from robot_bridge.kinematics import Kinematics
from robot_bridge.robots.robot import Robot
from robot_bridge.tracking import deviation, part_until
from robot_bridge.trajectory import Motion, Segment, Speeds
from sim.canvas import blank
from sim.errors import InputError
from sim.stroke import COLUMNS

Array = NDArray[np.float64]
PICTURE_PX: Final = 448
"""Pixels of the rectified view's longer side: about as many as a camera of 640×480 has there, 7 a canvas pixel."""
DARK: Final = 0.15
"""Clean paper is nowhere darker by this than the most of it, of 1 from black to white."""
LEAST_COVERED: Final = 0.001
LEAST_PAINT: Final = 0.3
"""A stroke of which less than this share is seen left no paint."""


@dataclass(frozen=True)
class Settings:
    """How a painting is made."""

    strokes: int
    """Strokes at most."""
    feedback_every: int = 4
    """Strokes between two looks; 0 is open loop: one look, at the end."""
    judge: Judge = "both"
    """What chooses among continuations and decides when to stop."""
    seed: int = 0
    speeds: Speeds = field(default_factory=Speeds)


class Executed(NamedTuple):
    """Strokes that are on the paper already when a painting is resumed."""

    strokes: Array
    """(n, 12) as they were meant."""
    aims: Array
    """(n, 3) each one's `events.StrokeDone.aim`."""
    ahead: Array
    """(m, 12) the rest of the last plan."""


class Painter:
    """Paints one target, or a dream. `paint` is a generator of events; nothing moves while its consumer holds one."""

    def __init__(
        self,
        agent: Agent,
        target: Target | None,
        robot: Robot,
        arm: Arm,
        look: Callable[[], NDArray[np.uint8]],
        calibration: Calibration,
        settings: Settings,
        executed: Executed | None = None,
    ) -> None:
        """Make ready; nothing moves.

        Args:
            agent: The planner.
            target: What to paint; None lets the agent paint what it wants.
            robot: The arm's description.
            arm: The arm, opened.
            look: Returns the camera's frame (H, W, 3), RGB.
            calibration: Where paper, camera and brush are.
            settings: How.
            executed: What is on the paper already, when a painting is resumed; it begins with a look then.
        """
        self.agent = agent
        self.target = target
        self.robot = robot
        self.arm = arm
        self.look = look
        self.settings = settings
        self.kinematics = Kinematics(robot)
        self.calibration = calibration
        """Corrected after each look by where the strokes appear."""
        self.planning = False
        """Whether it only thinks: nothing moves, nobody listens, and an exception does no harm."""
        self.strokes: list[Array] = []
        """Executed strokes (12,), as they were meant."""
        self._begun: int | None = None
        """The stroke under way, from when the brush is on the paper."""
        self._nominal = calibration
        self._aims: list[Calibration] = []
        self._resumed = executed is not None
        if executed is not None:
            self.strokes = list(executed.strokes)
            self._aims = [calibration.moved(aim[:2], float(aim[2])) for aim in executed.aims]
            self.calibration = self._aims[-1] if self._aims else calibration
        self._ahead = executed.ahead if executed is not None else np.zeros((0, len(COLUMNS)))
        image = None if target is None else target.image
        self._choice = chooser(agent, image, paintable(calibration), settings.judge)
        # A camera that does not fit the calibration, or does not see the paper, is told here, before anything moves.
        first_view = calibration.rectify(look(), PICTURE_PX)
        if executed is None:
            _check_free(first_view)
        # Plain flags, no locks: a signal handler that meets a lock which its own thread holds waits for ever.
        self._cancelled = self._stopped = self._paused = False
        self._lift_when_cancelled = True

    def cancel(self, lift: bool = True) -> None:
        """Decelerate and hold as soon as possible, then lift the brush along the paper's normal; from any thread.

        Args:
            lift: False leaves the brush where it came to rest.
        """
        self._lift_when_cancelled = lift
        self._cancelled = True

    def stop(self) -> None:
        """Stop at once and hold, brush where it is; from any thread."""
        self._stopped = self._cancelled = True
        self.arm.stop()

    def pause(self) -> None:
        """Finish the stroke under way, lift the brush and tell `Paused`; from any thread."""
        self._paused = True

    def paint(self) -> Iterator[events.Event]:
        """Paint and tell what happens.

        Raises:
            InputError: The first plan cannot be executed; nothing has moved. A later one ends in a `Fault`.
        """
        try:
            yield from self._loop()
        except ArmFault as fault:
            if self._stopped:
                yield events.Cancelled(lifted=False, cut=self._begun)
            else:
                yield events.Fault(fault.reason, self._begun)

    def _loop(self) -> Iterator[events.Event]:
        canvas = blank(CANVAS_PX)
        if self._resumed:
            canvas = yield from self._go_and_look()
        reason = "all strokes are painted" if len(self.strokes) >= self.settings.strokes else ""
        while not reason and not self._cancelled:
            plan = self._plan(canvas)
            if plan is None or self._cancelled:
                break
            chosen, planned, motion = plan
            if self.strokes and not self._choice.worthwhile(chosen, canvas):
                reason = "more strokes would not better it"
                break
            yield planned
            batch, first = chosen.strokes[: self.settings.feedback_every or None], len(self.strokes)
            yield from self._execute(motion, batch)
            self._ahead = chosen.strokes[len(self.strokes) - first :]
            if self._paused and not self._cancelled:
                yield from self._rise(None, self._is_cancelled)
                self._paused = False
                yield events.Paused()
            canvas = yield from self._go_and_look()
            if len(self.strokes) >= self.settings.strokes:
                reason = "all strokes are painted"
            elif not self.settings.feedback_every and not len(self._ahead):
                reason = "all planned strokes are painted"
        if self._cancelled:
            yield from self._end_cancelled()
        else:
            yield events.Finished(reason)

    def _plan(self, canvas: NDArray[np.float32]) -> tuple[Proposal, events.Planned, Motion] | None:
        """Choose how to go on from a canvas (64, 64) and check the motion as a whole; None when interrupted."""
        started = time.perf_counter()
        settings = self.settings
        left, seed = settings.strokes - len(self.strokes), settings.seed + 1000 * len(self.strokes)
        try:
            try:
                self.planning = True
                proposals = self._choice.proposals(canvas, left, self._ahead, seed)
                chosen = proposals[0]
                motion = self._motion(chosen.strokes, self.robot.look)
            finally:
                self.planning = False
        except KeyboardInterrupt:
            self._cancelled = True
            return None
        except InputError as error:
            if not self.strokes:
                raise
            # The loop has moved the calibration to where the paper appeared, and that is out of reach.
            reason = f"{error}; the arm holds, the brush is lifted. Lay the paper back where it was."
            raise ArmFault(reason) from error
        verdicts = tuple(proposal.verdict for proposal in proposals)
        seconds = time.perf_counter() - started
        length = motion.path_length_m
        return chosen, events.Planned(chosen.strokes, verdicts, length, motion.duration_s, seconds), motion

    def _motion(self, strokes: Array, then: Array | None) -> Motion:
        """Plan from where the arm is; no strokes mean: lift the brush if it is down."""
        return trajectory.plan(
            strokes,
            len(self.strokes),
            self.robot,
            self.kinematics,
            self.calibration,
            self.arm.positions(),
            self.settings.speeds,
            then,
        )

    def _execute(self, motion: Motion, batch: Array) -> Iterator[events.Event]:
        """Execute the strokes of a batch; ends early when cancelled, and after a stroke when paused."""
        first = len(self.strokes)
        started = -1
        tips: list[Array] = []
        segments = [s for s in motion.segments if s.stroke is not None and s.stroke < first + len(batch)]
        for position, segment in enumerate(segments):
            index = segment.stroke
            assert index is not None
            if index != started:
                if self._paused:
                    return
                started = index
                yield events.StrokeStarted(index)
            stroke = batch[index - first]
            if self._cancelled:
                if self._begun == index:
                    yield self._cut(index, stroke)
                return
            if segment.kind == "stroke":
                self._begun = index
            try:
                execution = self.arm.execute(segment, self._is_cancelled)
            except ArmFault:
                if self._begun == index:
                    yield self._cut(index, stroke)
                raise
            yield events.Moved(segment.kind, execution.duration_s)
            if not execution.completed:
                if self._begun == index:
                    yield self._cut(index, stroke)
                return
            if segment.kind == "approach":
                self._begun = index
            if segment.kind == "stroke" and execution.tip is not None:
                tips.append(execution.tip)
            if segment.kind == "stroke" and not _continues(segments, position):
                yield self._done(index, stroke, motion.lengths_m[index - first], tips)
                tips = []

    def _cut(self, index: int, stroke: Array) -> events.StrokeCut:
        tip = self.kinematics.tip_pose(self.arm.positions())[:3, 3]
        return events.StrokeCut(index, part_until(stroke, tip, self.calibration))

    def _done(self, index: int, stroke: Array, length_m: float, tips: list[Array]) -> events.StrokeDone:
        self._begun = None
        self.strokes.append(stroke)
        self._aims.append(self.calibration)
        across = depth = np.zeros(0)
        if tips:
            across, depth = deviation(stroke, np.concatenate(tips), self.calibration)
        (x, y), turn = self.calibration.moved_from(self._nominal)
        return events.StrokeDone(index, stroke, length_m, across, depth, (x, y, turn))

    def _is_cancelled(self) -> bool:
        return self._cancelled

    def _go_and_look(self) -> Generator[events.Event, None, NDArray[np.float32]]:
        """Lift the brush if it is down, go where the camera sees the paper, and look, unless cancelled."""
        yield from self._rise(self.robot.look, self._is_cancelled)
        if self._cancelled:
            return blank(CANVAS_PX)
        return (yield from self._observe())

    def _end_cancelled(self) -> Iterator[events.Event]:
        """Lift the brush after a cancelled motion if asked to."""
        if self._lift_when_cancelled:
            # Only `stop` ends the lifting.
            yield from self._rise(None, lambda: False)
        yield events.Cancelled(lifted=self._lift_when_cancelled, cut=self._begun)

    def _rise(self, then: Array | None, cancelled: Callable[[], bool]) -> Iterator[events.Event]:
        """Lift the brush along the paper's normal if it is down, and go to a posture if there is one."""
        try:
            motion = self._motion(np.zeros((0, len(COLUMNS))), then)
        except InputError as error:
            raise ArmFault(f"{error}; the arm holds where it is.") from error
        for segment in motion.segments:
            if cancelled():
                return
            execution = self.arm.execute(segment, cancelled)
            yield events.Moved(segment.kind, execution.duration_s)
            if not execution.completed:
                return

    def _observe(self) -> Generator[events.Event, None, NDArray[np.float32]]:
        """Look, judge and correct where the paper is; return the canvas (64, 64) as it was seen."""
        started = time.perf_counter()
        picture = self._nominal.rectify(self.look(), PICTURE_PX)
        seen = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
        canvas = cv2.resize(seen, (CANVAS_PX, CANVAS_PX), interpolation=cv2.INTER_AREA)
        yield events.Observed(picture, canvas, time.perf_counter() - started)
        yield events.Scored(self._choice.verdict(canvas))
        if self.strokes:
            yield from self._correct(seen)
        return canvas

    def _correct(self, seen: NDArray[np.float32]) -> Iterator[events.Event]:
        """Estimate from a seen canvas (H, W) where the paper is, and name strokes that left no paint."""
        found, shares = alignment.compare(seen, self._where_they_lie(), self.calibration)
        if found is not None:
            corrected = self.calibration.moved(found.shift_m, found.rotation_rad)
            if self.settings.feedback_every:
                self.calibration = corrected
            yield events.Shifted(*corrected.moved_from(self._nominal))
        missing = tuple(int(index) for index in np.flatnonzero(shares < LEAST_PAINT))
        if missing:
            yield events.Unpainted(missing)

    def _where_they_lie(self) -> Array:
        """Return the executed strokes (n, 12) where they are now believed to lie on the paper."""
        return np.concatenate(
            [
                alignment.relocated(stroke[None], aim, self.calibration)
                for stroke, aim in zip(self.strokes, self._aims, strict=True)
            ]
        )


def _check_free(view: NDArray[np.float32]) -> None:
    """Raise InputError where a rectified view (H, W, 3) does not show clean paper all over."""
    rim = round(0.02 * min(view.shape[:2]))
    inner = cv2.GaussianBlur(view.min(axis=2), (0, 0), 2)[rim:-rim, rim:-rim]
    covered = float(np.mean(inner < np.median(inner) - DARK))
    if covered > LEAST_COVERED or np.median(inner) < 0.5:
        raise InputError(
            f"paper: the camera sees {100 * covered:.1f} % of it covered or painted; lay clean paper, and a smaller or "
            "less tilted one if the arm at rest hides it"
        )


def _continues(segments: list[Segment], position: int) -> bool:
    """Return whether the stroke goes on in a later segment: a cusp is painted in two."""
    return any(
        later.kind == "stroke" and later.stroke == segments[position].stroke for later in segments[position + 1 :]
    )
