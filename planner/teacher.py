"""The teacher that the policy first imitates: search for the next stroke on SPIRAL's action grid."""

from __future__ import annotations

from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from planner.actions import (
    CANVAS_PX,
    COMPONENTS,
    CONTROL_CELL,
    END_CELL,
    FLAG,
    GRID,
    JUMP,
    PAINT,
    PRESSURE_INDEX,
    PRESSURES,
    RADII_PX,
    SIZE_INDEX,
    Actions,
    Pen,
    WidthLimits,
)
from planner.foresight import squared
from sim.canvas import Image, cover_stroke

Choices = NDArray[np.int64]
"""(n, 9): whether the pen jumps first, then column and row of start, control and end, index of size and of pressure."""

JUMP_COST: Final = 0.02
"""Share of its gain that a stroke loses by starting elsewhere: an arm that need not lift is faster."""
CELL_PX: Final = CANVAS_PX // GRID
RADII: Final = np.array(RADII_PX, np.float64)
SHARES: Final = np.array(PRESSURES)
"""The tables of `planner.actions` as compiled code takes them."""
# The smallest radius that reaches a painted radius: of many equal pairs of size and pressure the policy learns one.
CANONICAL: Final = np.array(
    [(s, p) for s in range(6) for p in range(10) if s == 0 or RADII_PX[s] * PRESSURES[p] > RADII_PX[s - 1] + 1e-9]
)


@njit(cache=True, fastmath=True)
def gain_of(canvas, target, coverage, choice, pressure_before, allowed, radii, pressures, stroke, excess):  # type: ignore[no-untyped-def]
    """Return by how much a choice lowers the summed squared error, with `excess` as in `planner.foresight`.

    It is −1e9 where the brush cannot paint it.
    """
    if not allowed[choice[7], choice[8]]:
        return -1e9
    radius = radii[choice[7]]
    stroke[0:6] = choice[1:7] * CELL_PX
    stroke[7] = radius * pressures[choice[8]]
    ramps = choice[0] == 0 and pressure_before >= 0
    stroke[6] = radius * pressure_before if ramps else stroke[7]
    top, bottom, left, right = cover_stroke(coverage, stroke)
    gain = np.float32(0)
    for row in range(top, bottom):
        for column in range(left, right):
            before = canvas[row, column] - target[row, column]
            after = before - coverage[row, column] * canvas[row, column]
            gain += squared(before, excess) - squared(after, excess)
            coverage[row, column] = 0
    if gain > 0 and choice[0] == 1:
        gain *= np.float32(1 - JUMP_COST)
    return gain


@njit(cache=True)
def propose(choice, pen, ink, count, canonical, rng):  # type: ignore[no-untyped-def]
    """Fill `choice` with a stroke between two places where ink is missing."""
    choice[0] = rng.random() < 0.6
    a, b = ink[rng.integers(0, count)], ink[rng.integers(0, count)]
    choice[1], choice[2] = (a % GRID, a // GRID) if choice[0] else (pen[0], pen[1])
    choice[5], choice[6] = b % GRID, b // GRID
    for axis in range(2):
        middle = (choice[1 + axis] + choice[5 + axis]) / 2
        choice[3 + axis] = min(GRID - 1, max(0, int(np.rint(middle + 4 * rng.standard_normal()))))
    pair = canonical[rng.integers(0, min(30, len(canonical)))]
    choice[7], choice[8] = pair[0], pair[1]


@njit(cache=True)
def mutate(choice, pen, rng):  # type: ignore[no-untyped-def]
    """Change one property of a choice at random."""
    kind = rng.integers(0, 8)
    if kind < 6:
        which = kind // 2
        if which == 0 and choice[0] == 0:
            choice[0] = 1
        for axis in range(2):
            column = 1 + 2 * which + axis
            choice[column] = min(GRID - 1, max(0, choice[column] + rng.integers(-2, 3)))
    elif kind == 6:
        choice[8] = min(9, max(0, choice[8] + rng.integers(-2, 3)))
    elif rng.random() < 0.5:
        choice[7] = min(5, max(0, choice[7] + rng.integers(-1, 2)))
        choice[8] = rng.integers(0, 10)
    elif choice[0] == 1:
        choice[0] = 0
        choice[1], choice[2] = pen[0], pen[1]


@njit(cache=True)
def _improve(  # type: ignore[no-untyped-def]
    canvases, targets, pens, pressures_before, allowed, started, trials, rng, radii, pressures, canonical, excess
):
    batch, proposals = started.shape[:2]
    coverage = np.zeros(canvases.shape[1:], np.float32)
    stroke = np.empty(8)
    best_of = np.zeros((batch, 9), np.int64)
    gains = np.empty(batch)
    for item in range(batch):
        canvas, target, pen, before = canvases[item], targets[item], pens[item], pressures_before[item]
        ink = np.empty(GRID * GRID, np.int64)
        count = 0
        for place in range(GRID * GRID):
            row, column = place // GRID * CELL_PX, place % GRID * CELL_PX
            if canvas[row, column] - target[row, column] > 0.3:
                ink[count] = place
                count += 1
        best, trial = np.zeros(9, np.int64), np.zeros(9, np.int64)
        best[0], best_gain = 1, -1e9
        explore = trials // 4
        for attempt in range(proposals + trials):
            if attempt < proposals:
                trial[:] = started[item, attempt]
            elif attempt < proposals + explore and count:
                propose(trial, pen, ink, count, canonical, rng)
            else:
                trial[:] = best
                mutate(trial, pen, rng)
            may = allowed[trial[0], item]
            gain = gain_of(canvas, target, coverage, trial, before, may, radii, pressures, stroke, excess)
            if gain > best_gain:
                best_gain = gain
                best[:] = trial
        best_of[item] = best
        gains[item] = best_gain
    return best_of, gains


def choices_of(jumped: NDArray[np.bool_], start: NDArray[np.float64], actions: Actions) -> Choices:
    """Return painting actions (n, 5) as choices (n, 9), given where they start (n, 2) in program coordinates."""
    first = np.rint(start * GRID).astype(np.int64)
    control, end = actions[:, CONTROL_CELL], actions[:, END_CELL]
    columns = (first[:, 0], first[:, 1], control % GRID, control // GRID, end % GRID, end // GRID)
    return np.stack((jumped.astype(np.int64), *columns, actions[:, SIZE_INDEX], actions[:, PRESSURE_INDEX]), axis=1)


def actions_of(choices: Choices) -> tuple[NDArray[np.bool_], Actions, Actions]:
    """Return which choices jump (n,), their jumps (n, 5) and their painting actions (n, 5)."""
    jumps = np.zeros((len(choices), len(COMPONENTS)), np.int64)
    paints = jumps.copy()
    jumps[:, FLAG] = JUMP
    jumps[:, END_CELL] = choices[:, 2] * GRID + choices[:, 1]
    paints[:, FLAG] = PAINT
    paints[:, CONTROL_CELL] = choices[:, 4] * GRID + choices[:, 3]
    paints[:, END_CELL] = choices[:, 6] * GRID + choices[:, 5]
    paints[:, SIZE_INDEX], paints[:, PRESSURE_INDEX] = choices[:, 7], choices[:, 8]
    return choices[:, 0] == 1, jumps, paints


def pressures_of(pen: Pen) -> NDArray[np.float64]:
    """Return the pens' pressures (n,), −1 where there is none: code compiled for fast sums takes no notice of NaN."""
    return np.nan_to_num(pen.pressure, nan=-1.0)


def allowed_from(pen: Pen, limits: WidthLimits) -> NDArray[np.bool_]:
    """Return (2, n, 6, 10): which pairs of size and pressure n pens can paint, without a jump and after one."""
    return np.stack((limits.allowed(pen.pressure), limits.allowed(np.full(len(pen.pressure), np.nan))))


def teach(
    canvases: Image,
    targets: Image,
    pen: Pen,
    started: Choices,
    trials: int,
    rng: np.random.Generator,
    limits: WidthLimits,
    excess: float = 1.0,
) -> tuple[Choices, NDArray[np.float64]]:
    """Search for the next stroke of each canvas: proposals, then random changes of the best.

    Args:
        canvases: (n, 64, 64).
        targets: (n, 64, 64).
        pen: The n pens.
        started: (n, k, 9) choices to begin with, such as the policy's own.
        trials: Strokes tried a canvas, a quarter of them new proposals.
        rng: Of the random changes.
        limits: Widths that the brush can paint.
        excess: As in `planner.foresight`.

    Returns:
        choices: (n, 9) the best found.
        gains: (n,) by how much each lowers the mean squared error, less a small cost of jumping.
    """
    allowed = allowed_from(pen, limits)
    pens = np.rint(pen.position * GRID).astype(np.int64)
    best, gains = _improve(
        canvases,
        targets,
        pens,
        pressures_of(pen),
        allowed,
        started,
        trials,
        rng,
        RADII,
        SHARES,
        CANONICAL,
        np.float32(excess),
    )
    return best, gains / (CANVAS_PX * CANVAS_PX)
