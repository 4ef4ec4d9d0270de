"""What the neighbours of a stroke would earn: each is painted, component by component, the others as they are.

A sampled stroke says little about which of its components was good. Its neighbours' gains say it exactly, and the
policy's gradient over them has no sampling noise: every action's value instead of a sampled one's (Allen et al. 2017,
Mean Actor-Critic, section 3), as far as `REACH`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from planner.actions import (
    CONTROL_CELL,
    END_CELL,
    GRID,
    PRESSURES,
    RADII_PX,
    Pen,
    WidthLimits,
)
from planner.rollout import Choice
from planner.teacher import Choices, gain_of
from sim.canvas import Image

REACH: Final = 3
"""Cells that a neighbour of a location is away at most, in columns and in rows."""
COUNT: Final = (2 * REACH + 1) ** 2
"""Neighbours of a location, itself among them."""
_STEPS: Final = np.arange(-REACH, REACH + 1)
_RADII: Final = np.array(RADII_PX, np.float64)
_PRESSURES: Final = np.array(PRESSURES)

Gains = NDArray[np.float32]
"""By how much the summed squared error [px²] would fall; −inf where the brush cannot paint it or it is off the grid."""
Weighed = dict[str, tuple[NDArray[np.int64], Gains]]
"""By component choices (n, k) and what each would earn."""


class Neighbours(NamedTuple):
    """Gains of the neighbours of strokes, with any leading axes, here (n,)."""

    start: Gains
    """(n, COUNT) where it starts, row by row around the chosen location; of use only where the pen jumps."""
    control: Gains
    """(n, COUNT)"""
    end: Gains
    """(n, COUNT)"""
    size: Gains
    """(n, 6)"""
    pressure: Gains
    """(n, 10)"""

    def map(self, change: Callable[[NDArray[Any]], NDArray[Any]]) -> Neighbours:
        """Return the gains with the same change made to all."""
        return Neighbours(*map(change, self))

    def of_jump(self, choice: Choice) -> Weighed:
        """Return the choices around the jumps of strokes (n,)."""
        return {"end": (around(choice.jump[:, END_CELL]), self.start)}

    def of_paint(self, choice: Choice) -> Weighed:
        """Return the choices around their painting actions."""
        paint, count = choice.paint, len(choice.paint)
        return {
            "end": (around(paint[:, END_CELL]), self.end),
            "control": (around(paint[:, CONTROL_CELL]), self.control),
            "size": (np.tile(np.arange(6), (count, 1)), self.size),
            "pressure": (np.tile(np.arange(10), (count, 1)), self.pressure),
        }


def around(cells: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the locations (n, COUNT) around locations (n,); for those off the grid others stand in."""
    rows = np.clip(cells[:, None] // GRID + np.repeat(_STEPS, len(_STEPS)), 0, GRID - 1)
    columns = np.clip(cells[:, None] % GRID + np.tile(_STEPS, len(_STEPS)), 0, GRID - 1)
    return rows * GRID + columns


@njit(cache=True)
def _weigh(canvases, targets, pressures_before, allowed, choices, radii, pressures, places, sizes, shades):  # type: ignore[no-untyped-def]
    coverage = np.zeros(canvases.shape[1:], np.float32)
    stroke, trial = np.empty(8), np.empty(9, np.int64)
    side = 2 * REACH + 1
    for item in range(len(choices)):
        canvas, target, before, choice = canvases[item], targets[item], pressures_before[item], choices[item]
        may = allowed[choice[0], item]
        trial[:] = choice
        for point in range(1 - choice[0], 3):
            for index in range(side * side):
                column = choice[1 + 2 * point] + index % side - REACH
                row = choice[2 + 2 * point] + index // side - REACH
                if 0 <= column < GRID and 0 <= row < GRID:
                    trial[1 + 2 * point], trial[2 + 2 * point] = column, row
                    gain = gain_of(canvas, target, coverage, trial, before, may, radii, pressures, stroke)
                    places[item, point, index] = gain
            trial[:] = choice
        for size in range(6):
            trial[7] = size
            if may[size, choice[8]]:
                sizes[item, size] = gain_of(canvas, target, coverage, trial, before, may, radii, pressures, stroke)
        trial[:] = choice
        for pressure in range(10):
            trial[8] = pressure
            if may[choice[7], pressure]:
                shades[item, pressure] = gain_of(canvas, target, coverage, trial, before, may, radii, pressures, stroke)


def neighbours(canvases: Image, targets: Image, pen: Pen, choices: Choices, limits: WidthLimits) -> Neighbours:
    """Return what the neighbours of strokes (n,) would earn.

    Args:
        canvases: (n, 64, 64).
        targets: (n, 64, 64).
        pen: The n pens.
        choices: (n, 9) as the teacher has them.
        limits: Widths that the brush can paint.
    """
    count = len(choices)
    allowed = np.stack((limits.allowed(pen.pressure), limits.allowed(np.full(count, np.nan))))
    places, sizes, shades = (np.full((count, *shape), -np.inf, np.float32) for shape in ((3, COUNT), (6,), (10,)))
    _weigh(canvases, targets, pen.pressure, allowed, choices, _RADII, _PRESSURES, places, sizes, shades)
    places[choices[:, 0] == 0, 0, COUNT // 2] = 0  # without a jump it starts where the pen is
    return Neighbours(places[:, 0], places[:, 1], places[:, 2], sizes, shades)
