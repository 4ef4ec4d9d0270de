"""What every choice of a stroke's components would earn.

Of a stroke that the policy chose, strokes that differ in one component are painted, too: other starts, ends and control
points, near and far, all sizes, all pressures, and without the jump. What the policy may expect to earn is then known
without sampling: Mean Actor-Critic (Allen et al. 2017, section 3) with true values instead of a critic's.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from planner.actions import ANY_WIDTH, GRID, PRESSURES, RADII_PX
from planner.environment import Environment
from planner.foresight import untried_excess
from planner.teacher import RADII, SHARES, Choices, allowed_from, gain_of, pressures_of

NEAR: Final = 2
"""Cells around the chosen place in which every one is tried."""
COARSE: Final = np.arange(0, GRID, 3)
"""Rows and columns of the grid on which others are tried everywhere; what lies between them is interpolated."""
FAR: Final = len(COARSE)
EVERYWHERE: Final = (COARSE[:, None] * GRID + COARSE).ravel()
"""The locations on that grid, row by row."""
STEPS: Final = np.arange(-NEAR, NEAR + 1)
WORST: Final = 1e4
"""Largest loss that is written down [px²]."""


class Losses(NamedTuple):
    """What a choice loses against the best of its component, with any leading axes, here (n,).

    Summed squared error [px²], ink where none belongs weighing more, as in `planner.foresight`.
    """

    flag: NDArray[np.float16]
    """(n, 2) painting from where the pen is, or jumping first: to the start that was chosen, and where the pen stayed,
    to where it is. So for a pen that stays only the lift is weighed."""
    start: NDArray[np.float16]
    """(n, 1024) of the jump's end; 0 where the pen did not jump."""
    end: NDArray[np.float16]
    """(n, 1024)"""
    control: NDArray[np.float16]
    """(n, 1024)"""
    size: NDArray[np.float16]
    """(n, 6) with the best pressure of each."""
    pressure: NDArray[np.float16]
    """(n, 10) with the size that was chosen."""


def _between() -> NDArray[np.float32]:
    """Return weights (32, FAR) that interpolate linearly between the coarse rows; beyond the last it stays."""
    return np.stack([np.interp(np.arange(GRID), COARSE, row) for row in np.eye(FAR)], axis=1).astype(np.float32)


BETWEEN: Final = _between()


@njit(cache=True)
def _follow(choice, trial):  # type: ignore[no-untyped-def]
    """Let a control point follow start and end as they move, so that the bend keeps its shape in the chord's frame."""
    along_x, along_y = choice[5] - choice[1], choice[6] - choice[2]
    now_x, now_y = trial[5] - trial[1], trial[6] - trial[2]
    length = along_x * along_x + along_y * along_y
    x, y = choice[3] - (choice[1] + choice[5]) / 2, choice[4] - (choice[2] + choice[6]) / 2
    if length > 0:
        forward, aside = (x * along_x + y * along_y) / length, (y * along_x - x * along_y) / length
        x, y = forward * now_x - aside * now_y, forward * now_y + aside * now_x
    trial[3] = min(GRID - 1, max(0, int(np.rint(x + (trial[1] + trial[5]) / 2))))
    trial[4] = min(GRID - 1, max(0, int(np.rint(y + (trial[2] + trial[6]) / 2))))


@njit(cache=True)
def _gains(  # type: ignore[no-untyped-def]
    canvases,
    targets,
    pens,
    pressures_before,
    allowed,
    choices,
    cells,
    radii,
    pressures,
    excess,
    flags,
    places,
    widths,
):
    coverage = np.zeros(canvases.shape[1:], np.float32)
    stroke, trial = np.empty(8), np.empty(9, np.int64)
    for item in range(len(choices)):
        canvas, target, before, choice = canvases[item], targets[item], pressures_before[item], choices[item]
        for jumps in range(2):
            trial[:] = choice
            trial[0] = jumps
            if not jumps and choice[0]:
                trial[1], trial[2] = pens[item, 0], pens[item, 1]
                _follow(choice, trial)
            may = allowed[jumps, item]
            flags[item, jumps] = gain_of(canvas, target, coverage, trial, before, may, radii, pressures, stroke, excess)
        may = allowed[choice[0], item]
        for which in range(3):  # start, end, control
            column = (1, 5, 3)[which]
            if which == 0 and not choice[0]:
                continue
            for index in range(cells.shape[2]):
                trial[:] = choice
                cell = cells[item, which, index]
                trial[column], trial[column + 1] = cell % GRID, cell // GRID
                if which < 2:
                    _follow(choice, trial)
                gain = gain_of(canvas, target, coverage, trial, before, may, radii, pressures, stroke, excess)
                places[item, which, index] = gain
        for pair in range(widths.shape[1]):
            trial[:] = choice
            trial[7], trial[8] = pair // len(pressures), pair % len(pressures)
            widths[item, pair] = gain_of(canvas, target, coverage, trial, before, may, radii, pressures, stroke, excess)


def losses(world: Environment, choices: Choices, left: int) -> Losses:
    """Return what each choice would lose against the best of its component, the others being as they were chosen.

    A control point follows where start or end move.

    Args:
        world: n canvases, targets and pens before the strokes.
        choices: (n, 9) the strokes as the teacher has them.
        left: Strokes still to paint, these among them.
    """
    count, far = len(choices), FAR * FAR
    columns, rows = choices[:, [1, 5, 3], None], choices[:, [2, 6, 4], None]
    columns = np.clip(columns + np.tile(STEPS, len(STEPS)), 0, GRID - 1)
    rows = np.clip(rows + np.repeat(STEPS, len(STEPS)), 0, GRID - 1)
    near = rows * GRID + columns
    cells = np.concatenate((np.broadcast_to(EVERYWHERE, (count, 3, far)), near), axis=2)
    flags, widths = np.zeros((count, 2), np.float32), np.zeros((count, len(RADII_PX) * len(PRESSURES)), np.float32)
    places = np.zeros(cells.shape, np.float32)
    pens = np.rint(world.pen.position * GRID).astype(np.int64)
    allowed, weight = allowed_from(world.pen, ANY_WIDTH), untried_excess(left)
    given = (world.canvases, world.targets, pens, pressures_of(world.pen), allowed, choices, cells)
    _gains(*given, RADII, SHARES, weight, flags, places, widths)
    maps = (BETWEEN @ places[..., :far].reshape(count, 3, FAR, FAR) @ BETWEEN.T).reshape(count, 3, GRID * GRID)
    np.put_along_axis(maps, near, places[..., far:], axis=2)
    start, end, control = maps.transpose(1, 0, 2)
    pairs = widths.reshape(count, len(RADII_PX), len(PRESSURES))
    chosen = pairs[np.arange(count), choices[:, 7]]
    return Losses(*map(_lost, (flags, start, end, control, pairs.max(axis=2), chosen)))


def _lost(gains: NDArray[np.float32]) -> NDArray[np.float16]:
    return np.minimum(gains.max(axis=1, keepdims=True) - gains, WORST).astype(np.float16)
