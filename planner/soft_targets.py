"""What else the teacher would have accepted: how good a stroke's neighbours are, as targets for its imitation.

A single right answer a component would make of every near tie a coin toss that the policy should foresee. Each
component's target is instead the distribution exp(gain / TEMPERATURE) over its neighbours, the other components as
they are: every one of them is painted, so that the targets have no sampling noise (soft targets: Hinton et al. 2015,
section 2; every action's value instead of a sampled one's: Allen et al. 2017, Mean Actor-Critic, section 3).
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
NEIGHBOURS: Final = (2 * REACH + 1) ** 2
TEMPERATURE: Final = 0.25
"""Differences of gain [px², summed squared error] below which neighbours are about as good."""
_STEPS: Final = np.arange(-REACH, REACH + 1)
_RADII: Final = np.array(RADII_PX, np.float64)
_PRESSURES: Final = np.array(PRESSURES)

Weights = NDArray[np.float32]


class SoftTargets(NamedTuple):
    """Targets of strokes, with any leading axes, here (n,); each distribution sums to 1."""

    start: Weights
    """(n, NEIGHBOURS) where it starts, row by row around the chosen location; of use only where the pen jumps."""
    control: Weights
    """(n, NEIGHBOURS)"""
    end: Weights
    """(n, NEIGHBOURS)"""
    size: Weights
    """(n, 6)"""
    pressure: Weights
    """(n, 10) given the size."""

    def map(self, change: Callable[[NDArray[Any]], NDArray[Any]]) -> SoftTargets:
        """Return the targets with the same change made to all."""
        return SoftTargets(*map(change, self))

    def of_jump(self, choice: Choice) -> dict[str, tuple[NDArray[np.int64], Weights]]:
        """Return what `Policy.decode` takes for the jumps of strokes (n,)."""
        return {"end": (around(choice.jump[:, END_CELL]), self.start)}

    def of_paint(self, choice: Choice) -> dict[str, tuple[NDArray[np.int64], Weights]]:
        """Return what it takes for their painting actions."""
        paint, count = choice.paint, len(choice.paint)
        return {
            "end": (around(paint[:, END_CELL]), self.end),
            "control": (around(paint[:, CONTROL_CELL]), self.control),
            "size": (np.broadcast_to(np.arange(6), (count, 6)), self.size),
            "pressure": (np.broadcast_to(np.arange(10), (count, 10)), self.pressure),
        }


def around(cells: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the locations (n, NEIGHBOURS) around locations (n,); those off the grid stand in for others."""
    rows = np.clip(cells[:, None] // GRID + np.repeat(_STEPS, len(_STEPS)), 0, GRID - 1)
    columns = np.clip(cells[:, None] % GRID + np.tile(_STEPS, len(_STEPS)), 0, GRID - 1)
    return rows * GRID + columns


@njit(cache=True)
def _softmax(weights):  # type: ignore[no-untyped-def]
    """Turn gains into a distribution, in place; gains of −1e9 get nothing."""
    best = weights.max()
    total = 0.0
    for index in range(len(weights)):
        weights[index] = np.exp((weights[index] - best) / TEMPERATURE)
        total += weights[index]
    for index in range(len(weights)):
        weights[index] /= total


@njit(cache=True)
def _weigh(canvases, targets, pressures_before, allowed, choices, radii, pressures, places, sizes, shades):  # type: ignore[no-untyped-def]
    coverage = np.zeros(canvases.shape[1:], np.float32)
    stroke, trial = np.empty(8), np.empty(9, np.int64)
    pairs = np.empty((6, 10))
    for item in range(len(choices)):
        canvas, target, before, choice = canvases[item], targets[item], pressures_before[item], choices[item]
        may = allowed[choice[0], item]
        trial[:] = choice
        for point in range(3):
            found = places[item, point]
            if point == 0 and choice[0] == 0:
                found[:] = 0
                found[NEIGHBOURS // 2] = 1
                continue
            for index in range(NEIGHBOURS):
                column = choice[1 + 2 * point] + index % (2 * REACH + 1) - REACH
                row = choice[2 + 2 * point] + index // (2 * REACH + 1) - REACH
                if not (0 <= column < GRID and 0 <= row < GRID):
                    found[index] = -1e9
                    continue
                trial[1 + 2 * point], trial[2 + 2 * point] = column, row
                found[index] = gain_of(canvas, target, coverage, trial, before, may, radii, pressures, stroke)
            trial[:] = choice
            _softmax(found)
        for size in range(6):
            for pressure in range(10):
                trial[7], trial[8] = size, pressure
                pairs[size, pressure] = gain_of(canvas, target, coverage, trial, before, may, radii, pressures, stroke)
        shades[item] = pairs[choice[7]]
        _softmax(shades[item])
        _softmax(pairs.ravel())
        sizes[item] = pairs.sum(axis=1)


def soft_targets(canvases: Image, targets: Image, pen: Pen, choices: Choices, limits: WidthLimits) -> SoftTargets:
    """Return the targets (n,) of strokes.

    Args:
        canvases: (n, 64, 64).
        targets: (n, 64, 64).
        pen: The n pens.
        choices: (n, 9) as the teacher has them.
        limits: Widths that the brush can paint.
    """
    count = len(choices)
    allowed = np.stack((limits.allowed(pen.pressure), limits.allowed(np.full(count, np.nan))))
    places, sizes, shades = np.empty((count, 3, NEIGHBOURS)), np.empty((count, 6)), np.empty((count, 10))
    _weigh(canvases, targets, pen.pressure, allowed, choices, _RADII, _PRESSURES, places, sizes, shades)
    weights = (places[:, 0], places[:, 1], places[:, 2], sizes, shades)
    return SoftTargets(*(part.astype(np.float32) for part in weights))
