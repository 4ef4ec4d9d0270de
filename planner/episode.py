"""Whole programs of the policy, stroke by stroke: towards targets, or as luck will have it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from planner.actions import Pen, WidthLimits
from planner.environment import Engine, Environment
from planner.foresight import excess
from planner.policy import NOISE, Policy
from planner.rollout import Choice, decode_stroke, no_action, try_strokes
from sim.canvas import Image, paint_batch
from sim.stroke import END, Array

Settle = Callable[[Environment, Array, int], Array]
"""Changes strokes (n, 12) that are about to be painted; also given how many are left, these among them."""


class Luck(NamedTuple):
    """What decides on n dreams."""

    noise: Tensor
    """(n, NOISE) for the policy."""
    chance: Tensor
    """(n, strokes, 2, C) for the sampling of its actions."""

    @classmethod
    def of(cls, seeds: Sequence[int], policy: Policy, strokes: int) -> Luck:
        """Return the luck of each seed: the same alone and among others."""
        generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        noise = torch.stack([torch.randn(NOISE, generator=each) for each in generators])
        size = (strokes, 2, len(policy.components))
        chance = torch.stack([torch.rand(size, generator=each) for each in generators])
        return cls(noise.to(policy.device), chance.to(policy.device))


@torch.no_grad()
def play(
    policy: Policy,
    targets: Image | None,
    canvases: Image,
    strokes: int,
    limits: WidthLimits,
    samples: int = 0,
    temperatures: tuple[float, float] = (1.0, 1.0),
    luck: Luck | None = None,
    engine: Engine = paint_batch,
    settle: Settle | None = None,
) -> Iterator[tuple[Choice, Array]]:
    """Yield stroke by stroke what one rollout each chooses (n,), and the strokes (n, 12) that it paints.

    Args:
        policy: The policy.
        targets: (n, 64, 64), or (n, 64, 64, 3) in colour; None for an unconditional policy.
        canvases: Likewise, to begin on; stay as they are.
        strokes: Strokes a program.
        limits: Widths that the brush can paint.
        samples: Strokes tried at each canvas, of which the best is kept; 0 for the likeliest one, untried.
        temperatures: Of the sampling of the first stroke, and of those after it.
        luck: Of an unconditional policy, with one sample a canvas; None for no noise and PyTorch's random numbers.
        engine: What paints.
        settle: What changes the strokes before they are painted; None for nothing. The policy sees what they become
            and goes on from where they end; that its own action was another is not told it, nor the pen its pressure.
    """
    count, tries, device = len(canvases), max(1, samples), policy.device
    assert targets is not None or tries == 1, "without a target no sample is better than another"
    assert settle is None or not policy.kind.colour, "search knows black strokes only"
    world = Environment(canvases if targets is None else targets, canvases, engine)
    memory = policy.initial_memory(count, None if luck is None else luck.noise)
    before = no_action(count, device, len(policy.components))
    # A copy: a target that is read-only is none of torch's business.
    target = None if targets is None else torch.as_tensor(np.array(targets), device=device)
    for step in range(strokes):
        view = policy.look(torch.as_tensor(world.canvases, device=device), target)
        left = torch.full((count,), strokes - step, device=device)
        advanced = policy.remember(view, before, left, memory)
        drawn = decode_stroke(
            policy,
            view,
            left,
            advanced,
            world.pen,
            limits,
            count * tries,
            greedy=samples == 0,
            temperature=temperatures[min(step, 1)],
            chance=None if luck is None else luck.chance[:, step],
        )
        tried, painted = try_strokes(world, drawn, tries)
        # In colour a later stroke can mend what an earlier one covered.
        weight = 1.0 if policy.kind.colour else excess(strokes - step)
        best = tried.errors(weight).reshape(count, tries).argmin(axis=1) + np.arange(count) * tries
        final = painted[best]
        if settle is None:
            world.take(tried, best)
        else:
            final = settle(world, final, strokes - step)
            engine(world.canvases, final[:, None])
            world.pen = Pen(final[:, END], tried.pen.pressure[best])
        memory = drawn.memory.chosen(torch.as_tensor(best, device=device))
        before = torch.as_tensor(drawn.paint[best], device=device)
        yield drawn.choice.at(best), final


def rollout(*given: Any, **more: Any) -> Array:
    """Return the programs (n, strokes, 12) of one rollout each; arguments as `play`."""
    return np.stack([painted for _, painted in play(*given, **more)], axis=1)
