"""The columns of a stroke: a quadratic Bézier with size, pressure and colour."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

COLUMNS: Final = (
    "start_u",
    "start_v",
    "control_u",
    "control_v",
    "end_u",
    "end_v",
    "size",
    "pressure_start",
    "pressure_end",
    "red",
    "green",
    "blue",
)
"""Names of a stroke's columns, in order.

Points are in program coordinates: fractions of the canvas's longer side, u right, v down, origin top left. `size` is
the full width at pressure 1 as a fraction of that side, pressure lies in (0, 1] and changes linearly with the Bézier
parameter, colour is RGB in [0, 1].
"""

START: Final = slice(0, 2)
CONTROL: Final = slice(2, 4)
END: Final = slice(4, 6)
SIZE: Final = 6
PRESSURE_START: Final = 7
PRESSURE_END: Final = 8
COLOUR: Final = slice(9, 12)


def points_along(strokes: Array, t: Array) -> Array:
    """Return the points of each stroke at the Bézier parameters `t`.

    Args:
        strokes: (n, 12) strokes, columns as in `COLUMNS`.
        t: (m,) parameters in [0, 1].

    Returns:
        (n, m, 2) points (u, v).
    """
    t = np.asarray(t, dtype=np.float64)[None, :, None]
    start, control, end = (strokes[:, None, part] for part in (START, CONTROL, END))
    return (1 - t) ** 2 * start + 2 * t * (1 - t) * control + t**2 * end


def widths_along(strokes: Array, t: Array) -> Array:
    """Return the painted width of each stroke at the Bézier parameters `t`.

    Args:
        strokes: (n, 12) strokes, columns as in `COLUMNS`.
        t: (m,) parameters in [0, 1].

    Returns:
        (n, m) full widths, size times pressure, as fractions of the canvas's longer side.
    """
    t = np.asarray(t, dtype=np.float64)[None, :]
    start, end = strokes[:, PRESSURE_START, None], strokes[:, PRESSURE_END, None]
    return strokes[:, SIZE, None] * ((1 - t) * start + t * end)


def lengths(strokes: Array) -> Array:
    """Return the lengths (n,) of strokes (n, 12), as fractions of the canvas's longer side, to about a thousandth."""
    steps = np.diff(points_along(strokes, np.linspace(0, 1, 33)), axis=1)
    total: Array = np.linalg.norm(steps, axis=2).sum(axis=1)
    return total
