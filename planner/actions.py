"""SPIRAL's compound action and what it paints.

Sources: Ganin et al. 2018 (SPIRAL), Mellor et al. 2019 (SPIRAL++) and their public paint environment: a 32×32 grid of
locations over a 64×64 canvas, six brush radii, ten pressures, twenty levels of red, green and blue. Components are
decoded in the order of `COMPONENTS`, then `COLOURS`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sim.stroke import COLOUR, COLUMNS, CONTROL, END, PRESSURE_END, PRESSURE_START, SIZE, START, Array

Actions = NDArray[np.int64]

GRID: Final = 32
"""Locations along each side; cell c lies at pixel 64·c/32 of 64, at c/32 in program coordinates."""
CANVAS_PX: Final = 64
RADII_PX: Final = (1, 2, 4, 8, 12, 24)
"""Brush radii in pixels of the 64-pixel canvas; a stroke's `size` is 2·radius/64."""
PRESSURES: Final = tuple(round(0.1 * step, 1) for step in range(1, 11))
LEVELS: Final = 20
"""Levels of red, of green and of blue, from 0 to 1 in equal steps."""

PAINT: Final = 0
JUMP: Final = 1
COMPONENTS: Final = {"flag": 2, "end": GRID * GRID, "control": GRID * GRID, "size": len(RADII_PX), "pressure": 10}
"""Components and their sizes, in decoding order; line art fixes the colour, so red, green and blue are dropped.

A location is row · 32 + column. A jump masks every component but `flag` and `end`.
"""
COLOURS: Final = {"red": LEVELS, "green": LEVELS, "blue": LEVELS}
"""Components that painting in colour has besides, after the others."""
FLAG, END_CELL, CONTROL_CELL, SIZE_INDEX, PRESSURE_INDEX = range(5)
COLOUR_INDICES: Final = slice(5, 8)


@dataclass(frozen=True)
class WidthLimits:
    """Widths that the brush in use can paint on the paper in use, as fractions of the canvas's longer side."""

    narrowest: float = 0.0
    widest: float = 1.0

    def allow(self, width: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return which widths the brush can paint."""
        allowed: NDArray[np.bool_] = (width >= self.narrowest - 1e-9) & (width <= self.widest + 1e-9)
        return allowed

    def allowed(self, pressure_before: Array) -> NDArray[np.bool_]:
        """Return (n, 6, 10): which pairs of size and pressure paint allowed widths from end to end.

        Args:
            pressure_before: (n,) where the ramp starts; NaN where there is none.
        """
        sizes = 2 * np.array(RADII_PX) / CANVAS_PX
        ends = self.allow(np.outer(sizes, PRESSURES))
        starts = np.isnan(pressure_before)[:, None] | self.allow(np.outer(pressure_before, sizes))
        return ends[None] & starts[:, :, None]


ANY_WIDTH: Final = WidthLimits()
"""Of a brush that can paint all widths."""


def location(cells: NDArray[np.int64]) -> Array:
    """Return the program coordinates (n, 2) of grid cells (n,)."""
    return np.stack((cells % GRID, cells // GRID), axis=-1) / GRID


def cell(points: Array) -> NDArray[np.int64]:
    """Return the grid cells (n,) nearest to program coordinates (n, 2)."""
    nearest = np.clip(np.rint(np.asarray(points) * GRID), 0, GRID - 1).astype(np.int64)
    return nearest[..., 1] * GRID + nearest[..., 0]


@dataclass
class Pen:
    """Where the pen is after an action, for a batch of n episodes."""

    position: Array
    """(n, 2) program coordinates."""
    pressure: Array
    """(n,) pressure at the end of the last stroke; NaN at the start and after a jump, where the next does not ramp."""

    @classmethod
    def at_start(cls, batch: int) -> Pen:
        """Return pens at the top left, where an episode starts."""
        return cls(np.zeros((batch, 2)), np.full(batch, np.nan))

    def repeated(self, times: int) -> Pen:
        """Return each pen `times` times in a row."""
        return Pen(np.repeat(self.position, times, axis=0), np.repeat(self.pressure, times))

    def chosen(self, index: NDArray[np.int64]) -> Pen:
        """Return the pens at `index`."""
        return Pen(self.position[index], self.pressure[index])


def apply(actions: Actions, pen: Pen, radii_px: Sequence[float] = RADII_PX) -> tuple[Array, NDArray[np.bool_], Pen]:
    """Return what actions paint.

    Pressure ramps linearly from that of the stroke before, except after a jump. Size and colour do not ramp.

    Args:
        actions: (n, 5) indices, columns in the order of `COMPONENTS`; (n, 8) with those of `COLOURS`.
        pen: The n pens before the action.
        radii_px: The brush's radii to choose from, in pixels of the 64-pixel canvas.

    Returns:
        strokes: (n, 12) strokes, black without colours; those of jumps paint nothing and must not be used.
        painted: (n,) True where the action paints.
        pen: The pens after the action.
    """
    painted = actions[:, FLAG] == PAINT
    end = location(actions[:, END_CELL])
    strokes = np.zeros((len(actions), len(COLUMNS)))
    pressure = np.asarray(PRESSURES)[actions[:, PRESSURE_INDEX]]
    strokes[:, START] = pen.position
    strokes[:, CONTROL] = location(actions[:, CONTROL_CELL])
    strokes[:, END] = end
    strokes[:, SIZE] = 2 * np.asarray(radii_px)[actions[:, SIZE_INDEX]] / CANVAS_PX
    strokes[:, PRESSURE_START] = np.where(np.isnan(pen.pressure), pressure, pen.pressure)
    strokes[:, PRESSURE_END] = pressure
    if actions.shape[1] > len(COMPONENTS):
        strokes[:, COLOUR] = actions[:, COLOUR_INDICES] / (LEVELS - 1)
    return strokes, painted, Pen(end, np.where(painted, pressure, np.nan))


def put_away(strokes: Array, painted: NDArray[np.bool_]) -> Array:
    """Return the strokes (n, 12), those of jumps so far outside the paper that they leave nothing on it."""
    kept = painted[:, None]
    return np.where(kept, strokes, np.where(np.arange(len(COLUMNS)) < SIZE, -1.0, 0.0))
