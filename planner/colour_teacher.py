"""The teacher in colour: the search of `teacher.py`, in which each stroke tried has the colour that suits it best."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from planner.actions import CANVAS_PX, COLOURS, GRID, LEVELS, Actions, Pen, WidthLimits
from planner.teacher import (
    CANONICAL,
    CELL_PX,
    JUMP_COST,
    RADII,
    SHARES,
    Choices,
    actions_of,
    allowed_from,
    mutate,
    pressures_of,
    propose,
)
from sim.canvas import Image, cover_stroke

Levels = NDArray[np.int64]
"""(n, 3) levels of red, green and blue, 0 to 19."""


class Lesson(NamedTuple):
    """The best strokes found for n canvases."""

    choices: Choices
    """(n, 9)"""
    levels: Levels
    """(n, 3)"""
    gains: NDArray[np.float64]
    """(n,) by how much each lowers the mean squared error over pixels and colours, less a small cost of jumping."""


@njit(cache=True, fastmath=True)
def _gain(canvas, target, coverage, choice, pressure_before, allowed, radii, pressures, stroke, levels):  # type: ignore[no-untyped-def]
    """Write the best colour of a choice into `levels` (3,); return by how much the summed squared error then falls.

    Under the coverage c a canvas b becomes b + c·(x − b). Its squared error to the target t is least where
    x = Σ c·(t − b + c·b) / Σ c², the mean of the target where the stroke covers all. −1e9 if it cannot be painted.
    """
    if not allowed[choice[7], choice[8]]:
        return -1e9
    stroke[0:6] = choice[1:7] * CELL_PX
    stroke[7] = radii[choice[7]] * pressures[choice[8]]
    ramps = choice[0] == 0 and pressure_before >= 0
    stroke[6] = radii[choice[7]] * pressure_before if ramps else stroke[7]
    top, bottom, left, right = cover_stroke(coverage, stroke)
    gain, squares = 0.0, 1e-9
    for row in range(top, bottom):
        for column in range(left, right):
            squares += coverage[row, column] ** 2
    for channel in range(3):
        wanted = 0.0
        for row in range(top, bottom):
            for column in range(left, right):
                cover, before = coverage[row, column], canvas[row, column, channel]
                wanted += cover * (target[row, column, channel] - before + cover * before)
        levels[channel] = min(LEVELS - 1, max(0, int(np.rint(wanted / squares * (LEVELS - 1)))))
        paint = levels[channel] / (LEVELS - 1)
        for row in range(top, bottom):
            for column in range(left, right):
                before = canvas[row, column, channel] - target[row, column, channel]
                after = before + coverage[row, column] * (paint - canvas[row, column, channel])
                gain += before * before - after * after
    for row in range(top, bottom):
        for column in range(left, right):
            coverage[row, column] = 0
    return gain * (1 - JUMP_COST) if gain > 0 and choice[0] == 1 else gain


@njit(cache=True)
def _improve(  # type: ignore[no-untyped-def]
    canvases, targets, pens, pressures_before, allowed, started, trials, rng, radii, pressures, canonical
):
    batch, proposals = started.shape[:2]
    coverage = np.zeros(canvases.shape[1:3], np.float32)
    stroke, levels = np.empty(8), np.zeros(3, np.int64)
    best_of, levels_of, gains = np.zeros((batch, 9), np.int64), np.zeros((batch, 3), np.int64), np.full(batch, -1e9)
    best_of[:, 0] = 1
    for item in range(batch):
        canvas, target, best, trial = canvases[item], targets[item], best_of[item], np.zeros(9, np.int64)
        wrong, places, count = np.zeros(GRID * GRID), np.empty(GRID * GRID, np.int64), 0
        for place in range(GRID * GRID):
            row, column = place // GRID * CELL_PX, place % GRID * CELL_PX
            for channel in range(3):
                wrong[place] += (canvas[row, column, channel] - target[row, column, channel]) ** 2
        mean = wrong.mean()
        for place in range(GRID * GRID):
            if wrong[place] > mean:
                places[count] = place
                count += 1
        for attempt in range(proposals + trials):
            if attempt < proposals:
                trial[:] = started[item, attempt]
            elif attempt < proposals + trials // 4 and count:
                propose(trial, pens[item], places, count, canonical, rng)
            else:
                trial[:] = best
                mutate(trial, pens[item], rng)
            may = allowed[trial[0], item]
            gain = _gain(canvas, target, coverage, trial, pressures_before[item], may, radii, pressures, stroke, levels)
            if gain > gains[item]:
                gains[item] = gain
                best[:], levels_of[item] = trial, levels
    return best_of, levels_of, gains


def teach_colour(
    canvases: Image,
    targets: Image,
    pen: Pen,
    started: Choices,
    trials: int,
    rng: np.random.Generator,
    limits: WidthLimits,
) -> Lesson:
    """Search for the next stroke of each canvas as `teacher.teach` does, with its colour.

    Args:
        canvases: (n, 64, 64, 3).
        targets: (n, 64, 64, 3).
        pen: The n pens.
        started: (n, k, 9) choices to begin with, such as the policy's own, whose colours do not matter.
        trials: Strokes tried a canvas, a quarter of them new proposals.
        rng: Of the random changes.
        limits: Widths that the brush can paint.
    """
    allowed = allowed_from(pen, limits)
    pens = np.rint(pen.position * GRID).astype(np.int64)
    choices, levels, gains = _improve(
        canvases, targets, pens, pressures_of(pen), allowed, started, trials, rng, RADII, SHARES, CANONICAL
    )
    return Lesson(choices, levels, gains / (3 * CANVAS_PX * CANVAS_PX))


def coloured_actions(choices: Choices, levels: Levels) -> tuple[NDArray[np.bool_], Actions, Actions]:
    """Return as `teacher.actions_of` which choices jump (n,), their jumps (n, 8) and painting actions (n, 8)."""
    jumped, jumps, paints = actions_of(choices)
    return jumped, np.pad(jumps, ((0, 0), (0, len(COLOURS)))), np.concatenate((paints, levels), axis=1)
