"""The way of the brush's tip over the canvas: where it goes, how long that is, and where it bends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from calibration.calibration import Calibration
from sim.brush import BrushProfile
from sim.stroke import CONTROL, END, START, points_along, widths_along

Array = NDArray[np.float64]

KNOT_SPACING_M: Final = 0.012
KNOTS_PER_RADIAN: Final = 6.0
SMALLEST_SPACING_M: Final = 5e-5
SPACING_GROWTH: Final = 0.5
"""Largest growth of the spacing of knots per length of path."""
FEWEST_KNOTS: Final = 5
SHARP_RADIUS_M: Final = 5e-5
"""The tip comes to rest where the path turns more sharply than this: there it turns back rather than round."""
ROUNDING_M: Final = 0.0005
"""Half the range of width [m] over which a bend of the brush's depth curve is rounded."""
_DENSE: Final = np.linspace(0.0, 1.0, 241)


@dataclass(frozen=True)
class Piece:
    """A smooth piece of path in the canvas frame, given by knots. The tip rests at both ends."""

    points: Array
    """(k, 3) knots [m]."""
    lengths: Array
    """(k,) arc length from the piece's start to each knot [m], strictly increasing."""
    bend: tuple[float, float] | None = None
    """Arc length [m] and curvature [1/m] of the sharpest bend between the ends."""

    @property
    def length_m(self) -> float:
        """Length of the piece [m]."""
        return float(self.lengths[-1])


def line(start: ArrayLike, end: ArrayLike, spacing_m: float = KNOT_SPACING_M) -> Piece:
    """Return the straight piece between two different points (3,) of the canvas frame [m]."""
    start, end = np.asarray(start, float), np.asarray(end, float)
    length = float(np.linalg.norm(end - start))
    part = np.linspace(0, 1, max(FEWEST_KNOTS, int(np.ceil(length / spacing_m)) + 1))
    return Piece(start + part[:, None] * (end - start), part * length)


def depth_for_width(brush: BrushProfile, width_m: Array) -> Array:
    """Return the depth [m] that paints a width [m], with the bends of the brush's curve rounded.

    A bend would ask the arm for a jump of its vertical speed. The rounded curve lies at most
    (difference of slope) * ROUNDING_M / 4 off, some hundredths of a millimetre.
    """
    widths, depths = np.array(brush.width_m), np.array(brush.depth_m)
    slopes = np.diff(depths) / np.diff(widths)
    depth = depths[0] + slopes[0] * (width_m - widths[0])
    reach = np.minimum(ROUNDING_M, np.minimum(np.diff(widths)[:-1], np.diff(widths)[1:]) / 2)
    for knot, change, half in zip(widths[1:-1], np.diff(slopes), reach, strict=True):
        beyond = width_m - knot
        depth = depth + change * np.where(
            np.abs(beyond) < half, (beyond + half) ** 2 / (4 * half), np.maximum(beyond, 0)
        )
    return np.clip(depth, depths[0], depths[-1])


def stroke_ends(strokes: Array, calibration: Calibration) -> tuple[Array, Array]:
    """Return where the strokes (n, 12) start and end, (n, 3) and (n, 3) in the canvas frame [m], depth included."""
    points = _curve(strokes, calibration, np.array([0.0, 1.0]))
    return points[:, 0], points[:, 1]


def stroke_pieces(stroke: Array, calibration: Calibration) -> tuple[Piece, ...]:
    """Return the path of one stroke (12,): usually one piece, two where it turns back, none for a dot."""
    t = _DENSE
    turn = _turn(stroke, calibration)
    if turn is not None:
        t = np.insert(t, np.searchsorted(t, turn), turn)
    points = _curve(stroke[None], calibration, t)[0]
    chords = np.diff(points, axis=0)
    steps = np.linalg.norm(chords, axis=1)
    if steps.sum() < 1e-6:
        return ()
    # Points that coincide would leave chords without a direction.
    kept = np.concatenate([[True], steps > 1e-12])
    t, points = t[kept], points[kept]
    chords = np.diff(points, axis=0)
    steps = np.linalg.norm(chords, axis=1)
    directions = chords / steps[:, None]
    angles = np.arccos(np.clip((directions[:-1] * directions[1:]).sum(1), -1, 1))
    if turn is None or turn not in t[1:-1]:
        return (_piece(stroke, calibration, t, steps, angles, None),)
    at = int(np.searchsorted(t, turn))
    curvature = _curvature(stroke, calibration, turn)
    if curvature * SHARP_RADIUS_M < 1:
        return (_piece(stroke, calibration, t, steps, angles, (float(steps[:at].sum()), curvature)),)
    if min(steps[:at].sum(), steps[at:].sum()) < 1e-6:
        return (_piece(stroke, calibration, t, steps, angles, None),)
    return (
        _piece(stroke, calibration, t[: at + 1], steps[:at], angles[: at - 1], None),
        _piece(stroke, calibration, t[at:], steps[at:], angles[at:], None),
    )


def _curve(strokes: Array, calibration: Calibration, t: Array) -> Array:
    """Return the tip's points (n, m, 3) in the canvas frame at the Bézier parameters t (m,)."""
    plane = calibration.program_to_canvas(points_along(strokes, t))
    depth = depth_for_width(calibration.brush, widths_along(strokes, t) * calibration.longer_side_m)
    return np.concatenate([plane, -depth[..., None]], axis=2)


def _turn(stroke: Array, calibration: Calibration) -> float | None:
    """Return the Bézier parameter where the curve is slowest, which is where a parabola bends most."""
    first, second = stroke[CONTROL] - stroke[START], stroke[START] - 2 * stroke[CONTROL] + stroke[END]
    square = float(second @ second)
    if square < 1e-18:
        return None
    t = -float(first @ second) / square
    return t if 1e-6 < t < 1 - 1e-6 else None


def _curvature(stroke: Array, calibration: Calibration, t: float) -> float:
    """Return the curvature [1/m] at a Bézier parameter, by central differences of the path."""
    step = 1e-4 * min(1.0, t * 1e4 / 2, (1 - t) * 1e4 / 2)
    before, here, after = _curve(stroke[None], calibration, np.array([t - step, t, t + step]))[0]
    velocity, acceleration = (after - before) / (2 * step), (after - 2 * here + before) / step**2
    speed = float(np.linalg.norm(velocity))
    return float(np.linalg.norm(np.cross(velocity, acceleration))) / max(speed**3, 1e-30) if speed > 1e-9 else np.inf


def _piece(
    stroke: Array, calibration: Calibration, t: Array, steps: Array, angles: Array, bend: tuple[float, float] | None
) -> Piece:
    """Choose knots, denser where the path bends, and return the piece."""
    places = np.concatenate([[0.0], np.cumsum(steps)])
    curvature = np.zeros(len(places))
    curvature[1:-1] = angles / ((steps[:-1] + steps[1:]) / 2)
    spacing = np.maximum(1 / (1 / KNOT_SPACING_M + KNOTS_PER_RADIAN * curvature), SMALLEST_SPACING_M)
    # An interpolating spline swings where knots far apart follow on close ones: let the spacing grow slowly.
    ramp = SPACING_GROWTH * places
    spacing = np.minimum(spacing, np.minimum.accumulate(spacing - ramp) + ramp)
    spacing = np.minimum(spacing, np.minimum.accumulate((spacing + ramp)[::-1])[::-1] - ramp)
    effort = np.concatenate([[0.0], np.cumsum(steps * (1 / spacing[:-1] + 1 / spacing[1:]) / 2)])
    count = max(FEWEST_KNOTS, int(np.ceil(effort[-1])) + 1)
    knots = np.interp(np.linspace(0, effort[-1], count), effort, t)
    knots[[0, -1]] = t[[0, -1]]
    return Piece(_curve(stroke[None], calibration, knots)[0], np.interp(knots, t, places), bend)
