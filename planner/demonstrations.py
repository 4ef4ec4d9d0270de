"""Programs of a conditional agent, which an unconditional policy imitates before it paints for the discriminator."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Final

import numpy as np
import torch

from planner.acting import ANY_WIDTH, Standing, Trajectory, stacked
from planner.actions import COMPONENTS, Pen
from planner.datasets import Source
from planner.environment import Environment
from planner.policy import NOISE, Policy
from planner.rollout import Choice, decode_stroke, no_action, try_strokes
from sim import whole_file
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
        noise = torch.from_numpy(rng.standard_normal((batch, NOISE)).astype(np.float32))
        nothing = np.zeros((batch, 64, 64), np.uint8)
        start = Standing(
            nothing,
            np.ones((batch, 64, 64), np.float32),
            Pen.at_start(batch),
            policy.initial_memory(batch, noise),
            no_action(batch),
            steps,
        )
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
def demonstrate(policy: Policy, pictures: Source, strokes: int) -> Demonstrations:
    """Return programs that paint pictures (n, 64, 64): of several strokes drawn at each canvas the best is kept."""
    from tqdm import tqdm

    found = []
    for first in tqdm(range(0, len(pictures), BATCH), unit="batch", desc="demonstrations", disable=None):
        targets = pictures[first : first + BATCH].astype(np.float32) / np.float32(255)
        count = len(targets)
        world, target = Environment(targets), torch.from_numpy(targets)
        memory, before = policy.initial_memory(count), no_action(count)
        painted = []
        for step in range(strokes):
            view = policy.look(torch.from_numpy(world.canvases), target)
            left = torch.full((count,), strokes - step)
            advanced = policy.remember(view, before, left, memory)
            drawn = decode_stroke(
                policy, view, left, advanced, world.pen, ANY_WIDTH, count * SAMPLES, temperature=TEMPERATURE
            )
            tried, _ = try_strokes(world, drawn, SAMPLES)
            best = tried.errors().reshape(count, SAMPLES).argmin(axis=1) + np.arange(count) * SAMPLES
            world.take(tried, best)
            painted.append(drawn.choice.at(best))
            memory, before = drawn.memory.chosen(torch.from_numpy(best)), torch.from_numpy(painted[-1].paint)
        found.append(stacked(painted).map(lambda part: np.moveaxis(part, 0, 1)))
    jumped, jump, paint = (np.concatenate(parts) for parts in zip(*found, strict=True))
    assert jump.shape[2] == len(COMPONENTS)
    return Demonstrations(Choice(jumped, jump.astype(np.int16), paint.astype(np.int16)))
