"""Strokes as search moves them: points and radii in pixels, and what painting one in black would earn.

Strokes change continuously here, not on the policy's grid, and all have one colour: coverages then multiply and their
order does not matter.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from planner.actions import CANVAS_PX, WidthLimits
from planner.foresight import squared
from sim.canvas import cover_stroke
from sim.stroke import COLOUR, COLUMNS, CONTROL, END, PRESSURE_END, PRESSURE_START, SIZE, START, Array

Curves = NDArray[np.float64]
"""(n, 8) start, control and end x, y and the radius at start and end, in pixels of the 64-pixel canvas."""

BLACK: Final = np.float32(0.0)
PLAIN: Final = np.float32(1.0)
"""Weight of ink where none belongs, once all strokes are placed."""
NARROWEST_PX: Final = 0.5
"""Narrowest width that search paints: half a pixel; thinner lines are fainter, not finer."""
WIDEST_PX: Final = 16.0
"""Widest width that search proposes for line art."""


@njit(cache=True)
def keep_inside(curve, narrowest, widest):  # type: ignore[no-untyped-def]
    """Move the points of a curve onto the canvas, and its radii between those that the brush can paint."""
    for column in range(6):
        curve[column] = min(CANVAS_PX, max(0.0, curve[column]))
    for column in range(6, 8):
        curve[column] = min(widest, max(narrowest, curve[column]))


@njit(cache=True)
def propose(curve, places, count, narrowest, widest, rng):  # type: ignore[no-untyped-def]
    """Fill `curve` with a stroke between two places that want ink."""
    a, b = rng.integers(0, count), rng.integers(0, count)
    for axis in range(2):
        start, end = places[a, axis], places[b, axis]
        curve[axis], curve[4 + axis] = start, end
        curve[2 + axis] = (start + end) / 2 + 8 * rng.standard_normal()
    curve[6] = curve[7] = min(widest, max(narrowest, 1.0 + 3.0 * rng.random()))
    keep_inside(curve, narrowest, widest)


@njit(cache=True)
def mutate(curve, spread, narrowest, widest, rng):  # type: ignore[no-untyped-def]
    """Change one property of a stroke by about `spread` pixels."""
    kind = rng.integers(0, 10)
    scale = spread * np.exp(0.7 * rng.standard_normal())
    if kind < 7:
        moves = (1, 2, 4, 1, 4, 2, 7)[kind]  # bits: start, control, end
        x, y = scale * rng.standard_normal(), scale * rng.standard_normal()
        for point in range(3):
            if moves >> point & 1:
                # the middle of the curve moves half as far as its control point
                factor = 2.0 if point == 1 and moves == 2 else 1.0
                curve[2 * point] += factor * x
                curve[2 * point + 1] += factor * y
    elif kind == 7:
        change = 0.4 * scale * rng.standard_normal()
        curve[6] += change
        curve[7] += change
    else:
        curve[kind - 2] += 0.5 * scale * rng.standard_normal()
    keep_inside(curve, narrowest, widest)


@njit(cache=True, fastmath=True)
def missing(canvas, target, places):  # type: ignore[no-untyped-def]
    """Fill `places` with pixels that want ink and return their number."""
    count = 0
    height, width = canvas.shape
    for row in range(height):
        for column in range(width):
            if canvas[row, column] - target[row, column] > 0.35:
                places[count, 0], places[count, 1] = column + 0.5, row + 0.5
                count += 1
    return count


@njit(cache=True, fastmath=True)
def earned(canvas, target, coverage, curve, weight=PLAIN):  # type: ignore[no-untyped-def]
    """Return by how much a stroke lowers the summed squared error of `canvas`; leaves `coverage` clear.

    Where the canvas is darker than the target the error counts `weight` times, as `planner.foresight` says.
    """
    top, bottom, left, right = cover_stroke(coverage, curve)
    gain = np.float32(0)
    for row in range(top, bottom):
        paper, wanted, cover = canvas[row], target[row], coverage[row]
        for column in range(left, right):
            before = paper[column] - wanted[column]
            after = before + cover[column] * (BLACK - paper[column])
            gain += squared(before, weight) - squared(after, weight)
            cover[column] = 0
    return gain


@njit(cache=True, fastmath=True)
def darken(canvas, coverage, curve):  # type: ignore[no-untyped-def]
    """Paint a stroke on `canvas`; leaves `coverage` clear."""
    top, bottom, left, right = cover_stroke(coverage, curve)
    for row in range(top, bottom):
        for column in range(left, right):
            canvas[row, column] += coverage[row, column] * (BLACK - canvas[row, column])
            coverage[row, column] = 0


def to_curves(strokes: Array) -> Curves:
    """Return strokes (n, 12) as curves (n, 8)."""
    curves = np.empty((len(strokes), 8))
    curves[:, :6] = strokes[:, :6] * CANVAS_PX
    curves[:, 6] = strokes[:, SIZE] * strokes[:, PRESSURE_START] * CANVAS_PX / 2
    curves[:, 7] = strokes[:, SIZE] * strokes[:, PRESSURE_END] * CANVAS_PX / 2
    return curves


def to_strokes(curves: Curves) -> Array:
    """Return curves (n, 8) as black strokes (n, 12); the larger radius is pressure 1."""
    strokes = np.zeros((len(curves), len(COLUMNS)))
    widest = curves[:, 6:8].max(axis=1)
    for part, columns in ((START, slice(0, 2)), (CONTROL, slice(2, 4)), (END, slice(4, 6))):
        strokes[:, part] = curves[:, columns] / CANVAS_PX
    strokes[:, SIZE] = 2 * widest / CANVAS_PX
    strokes[:, PRESSURE_START], strokes[:, PRESSURE_END] = curves[:, 6] / widest, curves[:, 7] / widest
    strokes[:, COLOUR] = 0.0
    return strokes


def radii(limits: WidthLimits) -> tuple[float, float]:
    """Return the narrowest and widest radius [px] that search may use."""
    narrowest = max(NARROWEST_PX, limits.narrowest * CANVAS_PX) / 2
    return narrowest, max(narrowest, min(WIDEST_PX, limits.widest * CANVAS_PX) / 2)
