"""What happens while a painting is made, in the order in which the painter tells it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from planner.agent import Verdict

Array = NDArray[np.float64]
Grey = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Planned:
    """The strokes to come were chosen and their motion was checked as a whole."""

    strokes: Array
    """(n, 12)"""
    verdicts: tuple[Verdict, ...]
    """On the canvas that each continuation would end in; the chosen one's first."""
    length_m: float
    """Of all the strokes [m]."""
    duration_s: float
    """Of their motion [s]."""
    plan_s: float
    """Time that it took to choose and check [s]."""


@dataclass(frozen=True)
class StrokeStarted:
    """The arm moves towards a stroke."""

    index: int
    """In the whole painting, from 0."""


@dataclass(frozen=True, eq=False)
class StrokeDone:
    """A stroke was executed and the brush is about to go on."""

    index: int
    stroke: Array
    """(12,) as it was meant."""
    length_m: float
    """[m]"""
    cross_track_m: Array
    """(m,) distances of the tip from the stroke's line on the paper at the arm's samples [m]; empty if not measured."""
    depth_error_m: Array
    """(m,) actual less commanded depth [m], likewise."""
    aim: tuple[float, float, float]
    """Where the paper was believed to lie when it was planned: shift along x and y [m] and turn [rad] from the
    calibration's."""


@dataclass(frozen=True, eq=False)
class StrokeCut:
    """A stroke ended before its end, by a cancel, a stop or a fault; it does not count as executed."""

    index: int
    stroke: Array
    """(12,) the part of it that is on the paper."""


@dataclass(frozen=True, eq=False)
class Moved:
    """A piece of motion has ended; on hardware nothing more than the passing of time."""

    kind: str
    duration_s: float
    """By the arm's clock [s]."""


@dataclass(frozen=True, eq=False)
class Observed:
    """The camera looked at the canvas."""

    picture: NDArray[np.float32]
    """(H, W, 3) the rectified view, RGB in [0, 1]."""
    canvas: Grey
    """(64, 64) what the agent sees of it."""
    look_s: float
    """Time that it took [s]."""


@dataclass(frozen=True)
class Scored:
    """The agent's verdict on the canvas as it was seen."""

    verdict: Verdict


@dataclass(frozen=True)
class Shifted:
    """The strokes appear elsewhere than they were meant: the paper lies elsewhere than the calibration says."""

    shift_m: tuple[float, float]
    """Of the paper's middle along its x and y, all estimates together [m]."""
    rotation_rad: float
    """About the paper's normal, likewise [rad]."""


@dataclass(frozen=True)
class Unpainted:
    """Strokes that left no paint."""

    indices: tuple[int, ...]


@dataclass(frozen=True)
class Fault:
    """The arm holds, because it could not do what was asked."""

    reason: str
    cut: int | None = None
    """The stroke that it cut short, whose paint is on the paper in part."""


@dataclass(frozen=True)
class Paused:
    """The stroke is finished and the brush is lifted; the painting goes on when the next event is asked for."""


@dataclass(frozen=True)
class Cancelled:
    """The painting was cancelled; the brush is off the paper unless the arm was stopped."""

    lifted: bool
    cut: int | None = None
    """The stroke that it cut short, whose paint is on the paper in part."""


@dataclass(frozen=True)
class Finished:
    """The painting is done."""

    reason: str


Event = (
    Planned
    | StrokeStarted
    | StrokeDone
    | StrokeCut
    | Moved
    | Observed
    | Scored
    | Shifted
    | Unpainted
    | Fault
    | Paused
    | Cancelled
    | Finished
)
