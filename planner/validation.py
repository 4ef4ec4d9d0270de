"""How a policy does on pictures held out from training: mean errors, and a sheet of samples."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np

from planner import datasets
from planner.acting import OTHERS_STROKES, STROKES, Acting, Actor
from planner.actions import ANY_WIDTH
from planner.collection import shades
from planner.device import seeded
from planner.environment import ENGINES
from planner.episode import rollout
from planner.learner import paint_again
from planner.training_state import State
from sim import whole_file
from sim.canvas import Image

SHEET: Final = 16
"""Pictures in a row of a sample sheet."""
ROWS: Final = 4
"""Rows of an unconditional policy's sheet."""
JUDGED: Final = {"mnist": 512}
"""Pictures a data set whose error is measured; of the others `OTHERS_JUDGED`."""
OTHERS_JUDGED: Final = 64


def validate(state: State, held: dict[str, datasets.Source], folder: Path) -> dict[str, float]:
    """Write a sheet of samples; return the mean squared errors by data set, of one greedy rollout each.

    A conditional policy paints the pictures held out; its sheet has two rows a data set, the pictures above. An
    unconditional one paints by itself and has no errors.
    """
    errors: dict[str, float] = {}
    engine = ENGINES[state.engine]
    if state.average.kind.conditional:
        rows = []
        for name, pictures in held.items():
            targets = shades(pictures[: JUDGED.get(name, OTHERS_JUDGED)])
            strokes = STROKES.get(name, OTHERS_STROKES)
            painted = np.ones_like(targets)
            engine(painted, rollout(state.average, targets, painted, strokes, ANY_WIDTH, engine=engine))
            errors[name] = float(np.mean((painted - targets) ** 2))
            rows += [strip(targets), strip(painted)]
    else:
        with seeded(0, state.average.device):
            actor = Actor(state.average, held, Acting(batch=SHEET * ROWS, engine=state.engine), 0)
            ends = paint_again(actor.act(), engine).ends
        rows = [strip(ends[SHEET * row : SHEET * (row + 1)]) for row in range(ROWS)]
    whole_file.write_image(folder / f"sheet-{state.update:06d}.png", np.concatenate(rows))
    return errors


def strip(pictures: Image) -> Image:
    """Return up to 16 pictures (n, 64, 64) side by side (64, 1024), white where there are fewer; likewise in colour."""
    row = np.ones((64, SHEET * 64, *pictures.shape[3:]), np.float32)
    some = pictures[:SHEET]
    row[:, : 64 * len(some)] = np.concatenate(list(some), axis=1)
    return row
