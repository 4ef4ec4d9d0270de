"""What every arm can do, and the tolerances within which it promises to do it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Final, Protocol, Self

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from robot_bridge.trajectory import Segment

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Tolerances:
    """How far an arm may be off before it holds and reports a fault."""

    start_rad: float = 0.01
    """Of each joint from a segment's first position: a motion never begins with a jump [rad]."""
    path_rad: float = 0.05
    """Of each joint from its planned position at any time [rad]."""
    goal_rad: float = 0.005
    """Of each joint from the segment's last position at its end; the next segment starts there [rad]."""
    time_factor: float = 1.1
    time_extra_s: float = 0.5
    """A segment of planned duration T must end within time_factor * T + time_extra_s."""

    def time_limit_s(self, planned_s: float) -> float:
        """Return the time by which a segment of the planned duration must have ended [s]."""
        return self.time_factor * planned_s + self.time_extra_s


TOLERANCES: Final = Tolerances()


class ArmFault(Exception):
    """The arm holds where it is because it could not do what was asked; the message says what to do."""

    def __init__(self, reason: str, joint: str | None = None, error_rad: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.joint = joint
        """The joint that is off, when one is."""
        self.error_rad = error_rad
        """By how much it is off [rad]."""

    @classmethod
    def off(cls, what: str, joints: tuple[str, ...], errors: Array, allowed_rad: float, then: str) -> ArmFault:
        """Return the fault of the joint that is furthest off.

        Args:
            what: what was violated, for example "path".
            joints: names of the joints.
            errors: (dof,) actual less planned positions [rad].
            allowed_rad: the tolerance [rad].
            then: what the user should do.
        """
        worst = int(np.abs(errors).argmax())
        error = float(errors[worst])
        return cls(
            f"{what}: joint {joints[worst]} is {error:+.4f} rad off, {allowed_rad:g} rad are allowed; the arm holds. "
            f"{then}",
            joints[worst],
            error,
        )


@dataclass(frozen=True, eq=False)
class Execution:
    """What became of one segment."""

    completed: bool
    """False when it was cancelled on the way."""
    fraction: float
    """How much of the segment's duration was executed, 0 to 1."""
    duration_s: float
    """Time that it took, by the arm's clock [s]."""
    tip: Array | None = None
    """(m, 3) measured positions of the tip in `base_link` [m], for arms that can measure them."""
    planned_tip: Array | None = None
    """(m, 3) where the tip should have been at the same times [m]."""


class Arm(Protocol):
    """An arm that executes segments. Opened as a context manager; closing it leaves the arm holding."""

    @property
    def name(self) -> str:
        """The robot's name."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def positions(self) -> Array:
        """Return the measured joint positions (dof,) [rad]."""

    def execute(self, segment: Segment, cancelled: Callable[[], bool]) -> Execution:
        """Execute one segment and return when it ended.

        Args:
            segment: from rest to rest, beginning where the arm is.
            cancelled: asked at every tick; once true the arm decelerates along the path and holds.

        Raises:
            ArmFault: a tolerance of `TOLERANCES` was violated; the arm holds where it is. When the start state was
                wrong, nothing has moved.
        """

    def stop(self) -> None:
        """Stop at once and hold; may be called at any time, from any thread, any number of times.

        Until `release` every motion is refused with an `ArmFault`, so that a stop between two segments is not lost.
        """

    def release(self) -> None:
        """Allow motion again after a stop; nothing moves by itself."""
