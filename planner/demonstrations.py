"""Programs of a conditional agent, which an unconditional policy imitates before it paints for the discriminator."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Final

import numpy as np
import torch

from planner.acting import Standing, Trajectory, stacked
from planner.actions import ANY_WIDTH
from planner.collection import Source, shades
from planner.environment import Engine
from planner.episode import play
from planner.policy import Policy
from planner.rollout import Choice
from sim import whole_file
from sim.canvas import paint_batch
from sim.errors import InputError

SAMPLES: Final = 6
"""Strokes tried at each canvas, of which the best is kept."""
TEMPERATURE: Final = 0.8
"""Of the demonstrator's strokes."""
BATCH: Final = 125


class Demonstrations:
    """Programs that paint pictures, as actions."""

    def __init__(self, programs: Choice) -> None:
        """Take programs with the axes (n, strokes)."""
        self.programs = programs

    def __len__(self) -> int:
        return len(self.programs.jumped)

    def trajectory(self, policy: Policy, batch: int, rng: np.random.Generator) -> Trajectory:
        """Return a batch of programs as lessons, of which each is followed."""
        index = rng.integers(0, len(self), batch)
        steps = self.programs.jumped.shape[1]
        lesson = self.programs.map(lambda part: np.moveaxis(part[index], 1, 0))
        lesson = Choice(lesson.jumped, lesson.jump.astype(np.int64), lesson.paint.astype(np.int64))
        paper = np.ones((batch, 64, 64, 3) if policy.kind.colour else (batch, 64, 64), np.float32)
        start = Standing.fresh(policy, np.zeros(paper.shape, np.uint8), paper, steps, rng)
        drawn = lesson.map(lambda part: part[:, :, None][:, :, :0])
        return Trajectory(start, drawn, np.zeros((steps, batch, 0), np.float32), lesson)

    def save(self, path: Path) -> None:
        """Write the programs whole or not at all."""
        import io

        content = io.BytesIO()
        np.savez_compressed(content, **self.programs._asdict())
        whole_file.write(path, content.getvalue())

    @classmethod
    def load(cls, path: Path) -> Demonstrations:
        """Read programs.

        Raises:
            InputError: The file is not one of programs.
        """
        try:
            with np.load(path) as data:
                return cls(Choice(data["jumped"], data["jump"], data["paint"]))
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise InputError(f"{path}: cannot read these demonstrations ({error}); remove the file") from error


@torch.no_grad()
def demonstrate(policy: Policy, pictures: Source, strokes: int, engine: Engine = paint_batch) -> Demonstrations:
    """Return programs that paint pictures, n in grey or colour: of several strokes drawn at each the best is kept."""
    from tqdm import tqdm

    found = []
    for first in tqdm(range(0, len(pictures), BATCH), unit="batch", desc="demonstrations", disable=None):
        targets = shades(pictures[first : first + BATCH])
        paper = np.ones_like(targets)
        played = play(policy, targets, paper, strokes, ANY_WIDTH, SAMPLES, (TEMPERATURE, TEMPERATURE), engine=engine)
        painted = [choice for choice, _ in played]
        found.append(stacked(painted).map(lambda part: np.moveaxis(part, 0, 1)))
    jumped, jump, paint = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return Demonstrations(Choice(jumped, jump.astype(np.int16), paint.astype(np.int16)))
