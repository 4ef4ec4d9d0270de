"""Control points: what every one of them would earn, and how the part of the lean net that chooses them learns from it.

Of a stroke whose ends, size and pressure are chosen, the strokes with other control points are painted, too. What the
policy may expect to earn is then known without sampling: Mean Actor-Critic (Allen et al. 2017, section 3) with true
values instead of a critic's. In units of the error itself: a first stroke that bends wrongly costs ten times what a
last one does, which advantages in units of a state's own spread hide.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from planner.actions import ANY_WIDTH, END_CELL, FLAG, GRID
from planner.environment import Environment
from planner.lean_policy import LeanPolicy
from planner.policy import View
from planner.rollout import Stroke
from planner.teacher import RADII, SHARES, Choices, allowed_from, gain_of

REACH: Final = 3
"""Cells around the chosen control point in which every one is tried."""
COARSE: Final = 2
"""Steps of the grid [cells] on which others are tried everywhere."""
UNIT_PX2: Final = 10.0
"""Summed squared error [px²] that counts as 1 in the loss."""
ENTROPY_COST: Final = 0.01
REMEMBERED: Final = 40_000
"""Strokes to learn from."""
BATCH: Final = 256
LESSONS: Final = 8
"""Batches learned from for each trajectory."""
_STEPS: Final = np.arange(-REACH, REACH + 1)
_COARSE: Final = np.arange(0, GRID, COARSE)
_EVERYWHERE: Final = (_COARSE[:, None] * GRID + _COARSE).ravel()
COUNT: Final = len(_EVERYWHERE) + len(_STEPS) ** 2
"""Control points tried a stroke."""


class Bends(NamedTuple):
    """Control points of strokes and what they earn, with any leading axes, here (n,)."""

    seen: NDArray[np.float16]
    """(n, ...) what the policy chooses them by: `LeanPolicy.seen`."""
    chord: NDArray[np.int16]
    """(n, 2) the locations of start and end."""
    cells: NDArray[np.int16]
    """(n, COUNT) locations: a coarse grid, then all around the chosen one; a location may be there twice."""
    gains: NDArray[np.float32]
    """(n, COUNT) by how much the summed squared error [px²] would fall, less a small cost of jumping."""


@njit(cache=True)
def _gains(canvases, targets, pressures_before, allowed, choices, cells, radii, pressures, gains):  # type: ignore[no-untyped-def]
    coverage = np.zeros(canvases.shape[1:], np.float32)
    stroke, trial = np.empty(8), np.empty(9, np.int64)
    for item in range(len(choices)):
        trial[:] = choices[item]
        canvas, target, before, may = canvases[item], targets[item], pressures_before[item], allowed[trial[0], item]
        for index in range(cells.shape[1]):
            trial[3], trial[4] = cells[item, index] % GRID, cells[item, index] // GRID
            gain = gain_of(canvas, target, coverage, trial, before, may, radii, pressures, stroke)
            gains[item, index] = gain


@torch.no_grad()
def bends(policy: LeanPolicy, view: View, stroke: Stroke, world: Environment, choices: Choices) -> Bends:
    """Return what other control points of strokes (n,) would earn.

    Args:
        policy: Which chose them.
        view: Of the n canvases.
        stroke: The strokes.
        world: Canvases, targets and pens before them.
        choices: (n, 9) the strokes as the teacher has them.
    """
    count = len(choices)
    rows = np.clip(choices[:, 4, None] + np.repeat(_STEPS, len(_STEPS)), 0, GRID - 1)
    columns = np.clip(choices[:, 3, None] + np.tile(_STEPS, len(_STEPS)), 0, GRID - 1)
    cells = np.concatenate((np.tile(_EVERYWHERE, (count, 1)), rows * GRID + columns), axis=1).astype(np.int16)
    allowed, gains = allowed_from(world.pen, ANY_WIDTH), np.empty((count, COUNT), np.float32)
    _gains(world.canvases, world.targets, world.pen.pressure, allowed, choices, cells, RADII, SHARES, gains)
    chord = np.stack((choices[:, 2] * GRID + choices[:, 1], stroke.paint[:, END_CELL]), axis=1)
    start, paint = (torch.as_tensor(part, device=policy.device) for part in (chord[:, 0], stroke.paint))
    chosen = [start, paint[:, FLAG], paint[:, END_CELL]]
    state = stroke.memory.hidden
    for parts, name in ((2, "flag"), (3, "end")):
        state = policy.follow(name, state, view, chosen[:parts])
    seen = policy.seen(state, policy.chord(chosen[0], chosen[2]), view)
    return Bends(seen.cpu().numpy().astype(np.float16), chord.astype(np.int16), cells, gains)


class Lessons:
    """Strokes remembered, with all their control points."""

    def __init__(self) -> None:
        self.kept: list[Bends] = []

    def add(self, found: Bends) -> None:
        """Remember those of a trajectory, however many they are; the oldest trajectories give way."""
        self.kept.append(found)
        while len(self.kept) > 1 and sum(len(each.gains) for each in self.kept) > REMEMBERED:
            del self.kept[0]

    def draw(self, rng: np.random.Generator) -> Bends:
        """Return some of them at random, (BATCH, ...)."""
        which = rng.integers(0, len(self.kept), 8)
        pool = Bends(*(np.concatenate(parts) for parts in zip(*(self.kept[each] for each in which), strict=True)))
        index = rng.integers(0, len(pool.gains), BATCH)
        return Bends(pool.seen[index], pool.chord[index], pool.cells[index], pool.gains[index])

    def state(self) -> list[Any]:
        """Return all of them, for a checkpoint."""
        return [list(map(torch.from_numpy, found)) for found in self.kept]

    def restore(self, state: list[Any]) -> None:
        """Take over what `state` returned."""
        self.kept = [Bends(*(part.numpy() for part in found)) for found in state]


def bend_loss(policy: LeanPolicy, lesson: Bends) -> tuple[Tensor, dict[str, float]]:
    """Return what the policy may expect to lose against the best control points, and what to log."""
    device = policy.device
    start, end = torch.as_tensor(lesson.chord.astype(np.int64), device=device).unbind(dim=1)
    logits = policy.bend(torch.as_tensor(lesson.seen, device=device).float(), policy.chord(start, end))
    cells = torch.as_tensor(lesson.cells.astype(np.int64), device=device)
    log_p = functional.log_softmax(logits.gather(1, cells), dim=1)
    gains = torch.as_tensor(lesson.gains, device=device)
    lost = gains.max(dim=1, keepdim=True).values - gains
    expected, entropy = (log_p.exp() * lost).sum(dim=1).mean(), -(log_p.exp() * log_p).sum(dim=1).mean()
    greedy = lost.gather(1, log_p.argmax(dim=1, keepdim=True)).mean()
    log = {"lost_px2": float(greedy), "entropy": float(entropy.detach())}
    return expected / UNIT_PX2 - ENTROPY_COST * entropy, log
