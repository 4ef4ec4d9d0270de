"""The closed loop: plan, move, look, judge, plan on. It yields events; whoever listens shows, journals or films."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from typing import Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from calibration.calibration import Calibration
from planner.actions import CANVAS_PX, WidthLimits
from planner.agent import Agent, Proposal, Verdict
from planner.target import Target
from robot_bridge import alignment, events, trajectory
from robot_bridge.arms.arm import Arm, ArmFault
from robot_bridge.kinematics import Kinematics
from robot_bridge.robots.robot import Robot
from robot_bridge.tracking import deviation
from robot_bridge.trajectory import Motion, Segment, Speeds
from sim.canvas import blank, render
from sim.stroke import COLUMNS

Array = NDArray[np.float64]
Judge = Literal["error", "discriminator", "both"]

PICTURE_PX: Final = 512
"""Pixels of the rectified view's longer side."""
CONTINUATIONS: Final = 3
"""Ways to go on that the agent proposes at each look."""
LEAST_PAINT: Final = 0.3
"""A stroke of which less than this share is seen left no paint."""
WORTHWHILE: Final = 0.01
"""A plan is worth painting if it promises to lower what the judge counts by this share of blank paper's."""


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


class Painter:
    """Paints one target. `paint` is a generator of events; nothing moves while its consumer holds one."""

    def __init__(
        self,
        agent: Agent,
        target: Target,
        robot: Robot,
        arm: Arm,
        look: Callable[[], NDArray[np.uint8]],
        calibration: Calibration,
        settings: Settings,
        executed: Array | None = None,
    ) -> None:
        """Make ready; nothing moves.

        Args:
            agent: The planner.
            target: What to paint.
            robot: The arm's description.
            arm: The arm, opened.
            look: Returns the camera's frame (H, W, 3), RGB.
            calibration: Where paper, camera and brush are.
            settings: How.
            executed: (n, 12) strokes that are on the paper already, when a painting is resumed.
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
        self._nominal = calibration
        side = calibration.longer_side_m
        self.limits = WidthLimits(calibration.brush.min_width_m / side, calibration.brush.max_width_m / side)
        self.strokes: list[Array] = [] if executed is None else list(executed)
        """Executed strokes (12,), as they were meant."""
        self._resumed = len(self.strokes)
        self._aims: list[Calibration] = [calibration] * self._resumed
        self._cancelled = threading.Event()

    def cancel(self) -> None:
        """Decelerate, hold and lift the brush along the paper's normal, as soon as possible; from any thread."""
        self._cancelled.set()

    def stop(self) -> None:
        """Stop at once and hold, brush where it is; from any thread."""
        self._cancelled.set()
        self.arm.stop()

    def paint(self) -> Iterator[events.Event]:
        """Paint and tell what happens.

        Raises:
            InputError: The program cannot be executed; nothing has moved since the last event.
        """
        try:
            yield from self._loop()
        except ArmFault as fault:
            if self._cancelled.is_set():
                yield events.Cancelled(lifted=False)
            else:
                yield events.Fault(fault.reason)

    def _loop(self) -> Iterator[events.Event]:
        canvas = blank(CANVAS_PX)
        if self._resumed:
            yield from self._go_and_look()
            canvas = yield from self._observe()
        reason = "all strokes are painted"
        while len(self.strokes) < self.settings.strokes:
            chosen, planned, motion = self._plan(canvas)
            if self.strokes and not self._worthwhile(chosen, self.agent.judge(canvas, self.target.image)):
                reason = "more strokes would not better it"
                break
            yield planned
            batch = chosen.strokes[: self.settings.feedback_every or None]
            yield from self._execute(motion, batch)
            if self._cancelled.is_set():
                yield from self._lift()
                return
            canvas = yield from self._observe()
        yield events.Finished(reason)

    def _plan(self, canvas: NDArray[np.float32]) -> tuple[Proposal, events.Planned, Motion]:
        """Choose how to go on from a canvas (64, 64) and check the motion as a whole."""
        started = time.perf_counter()
        settings = self.settings
        left = settings.strokes - len(self.strokes)
        seed = settings.seed + 1000 * len(self.strokes)
        image = self.target.image
        proposals = self.agent.propose(image, canvas, left, seed, self.limits, CONTINUATIONS)
        proposals.sort(key=lambda proposal: self._cost(proposal.verdict))
        chosen = proposals[0]
        motion = trajectory.plan(
            chosen.strokes,
            len(self.strokes),
            self.robot,
            self.kinematics,
            self.calibration,
            self.arm.positions(),
            settings.speeds,
            self.robot.look,
        )
        verdicts = tuple(proposal.verdict for proposal in proposals)
        seconds = time.perf_counter() - started
        length = motion.path_length_m
        return chosen, events.Planned(chosen.strokes, verdicts, length, motion.duration_s, seconds), motion

    def _cost(self, verdict: Verdict) -> float:
        """Return what the judge counts: 1 for blank paper, less for better canvases."""
        image = self.target.image
        error = verdict.error / self.agent.judge(blank(CANVAS_PX), image).error
        if self.agent.discriminator is None or self.settings.judge == "error":
            return error
        best = self.agent.judge(image, image).score
        doubt = 1 - min(1.0, verdict.score / best)
        return doubt if self.settings.judge == "discriminator" else (error + doubt) / 2

    def _worthwhile(self, proposal: Proposal, now: Verdict) -> bool:
        return self._cost(now) - self._cost(proposal.verdict) > WORTHWHILE

    def _execute(self, motion: Motion, batch: Array) -> Iterator[events.Event]:
        """Execute the strokes of a batch, then clear the camera's view; stops early when cancelled."""
        first = len(self.strokes)
        started = -1
        tips: list[Array] = []
        segments = [s for s in motion.segments if s.stroke is not None and s.stroke < first + len(batch)]
        for position, segment in enumerate(segments):
            index = segment.stroke
            assert index is not None
            if index != started:
                started = index
                yield events.StrokeStarted(index)
            execution = self.arm.execute(segment, self._cancelled.is_set)
            yield events.Moved(segment.kind, execution.duration_s)
            if not execution.completed:
                return
            if segment.kind == "stroke" and execution.tip is not None:
                tips.append(execution.tip)
            if segment.kind == "stroke" and not _continues(segments, position):
                stroke = batch[index - first]
                yield self._done(index, stroke, motion.lengths_m[index - first], tips)
                tips = []
        yield from self._go_and_look()

    def _done(self, index: int, stroke: Array, length_m: float, tips: list[Array]) -> events.StrokeDone:
        self.strokes.append(stroke)
        self._aims.append(self.calibration)
        if not tips:
            return events.StrokeDone(index, stroke, length_m, np.zeros(0), np.zeros(0))
        return events.StrokeDone(index, stroke, length_m, *deviation(stroke, np.concatenate(tips), self.calibration))

    def _go_and_look(self) -> Iterator[events.Event]:
        """Lift the brush if it is down and go where the camera sees the paper."""
        yield from self._rise(self.robot.look)

    def _lift(self) -> Iterator[events.Event]:
        """Lift the brush after a cancelled motion."""
        self._cancelled.clear()  # a further cancel also ends the lifting
        yield from self._rise(None)
        yield events.Cancelled(lifted=not self._cancelled.is_set())

    def _rise(self, then: Array | None) -> Iterator[events.Event]:
        motion = trajectory.plan(
            np.zeros((0, len(COLUMNS))),
            len(self.strokes),
            self.robot,
            self.kinematics,
            self.calibration,
            self.arm.positions(),
            self.settings.speeds,
            then,
        )
        for segment in motion.segments:
            execution = self.arm.execute(segment, self._cancelled.is_set)
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
        yield events.Scored(self.agent.judge(canvas, self.target.image))
        if self.strokes and self.settings.feedback_every:
            yield from self._correct(seen)
        return canvas

    def _correct(self, seen: NDArray[np.float32]) -> Iterator[events.Event]:
        """Estimate from a seen canvas (H, W) where the paper is, and name strokes that left no paint."""
        found = alignment.estimate(seen, self._expected(), self.calibration.canvas_size_m)
        if found is not None:
            self.calibration = self.calibration.moved(found.shift_m, found.rotation_rad)
            yield events.Shifted(*self.calibration.moved_from(self._nominal))
        shares = alignment.painted_shares(seen, self._where_they_lie())
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

    def _expected(self) -> NDArray[np.float32]:
        """Return the picture (H, W) that the camera should see if the calibration were right."""
        return render(self._where_they_lie(), PICTURE_PX)


def _continues(segments: list[Segment], position: int) -> bool:
    """Return whether the stroke goes on in a later segment: a cusp is painted in two."""
    return any(
        later.kind == "stroke" and later.stroke == segments[position].stroke for later in segments[position + 1 :]
    )
