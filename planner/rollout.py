"""One stroke of the policy: a jump if it wants one, then the stroke, for a batch of canvases."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from planner.actions import COMPONENTS, END_CELL, FLAG, JUMP, Actions, Pen, WidthLimits, apply, cell
from planner.environment import Environment
from planner.policy import Memory, Policy, View


class Choice(NamedTuple):
    """Strokes as the policy chooses them, with any leading axes, here (n,)."""

    jumped: NDArray[np.bool_]
    """(n,) whether the pen jumps before it paints."""
    jump: Actions
    """(n, C) the jump; of use only where `jumped`."""
    paint: Actions
    """(n, C) the painting action."""

    def map(self, change: Callable[[NDArray[Any]], NDArray[Any]]) -> Choice:
        """Return the choices with the same change made to all three."""
        return Choice(change(self.jumped), change(self.jump), change(self.paint))

    def at(self, index: NDArray[np.int64]) -> Choice:
        """Return the choices at `index`."""
        return self.map(lambda part: part[index])

    def where(self, mask: NDArray[np.bool_], other: Choice) -> Choice:
        """Return these choices where `mask` (n,) holds and the other elsewhere."""
        rows = mask[:, None]
        return Choice(
            np.where(mask, self.jumped, other.jumped),
            np.where(rows, self.jump, other.jump),
            np.where(rows, self.paint, other.paint),
        )


@dataclass
class Stroke:
    """A stroke that the policy chose, or whose probability was asked for, for each of n canvases."""

    jumped: NDArray[np.bool_]
    """(n,) whether the pen jumped before it painted."""
    jump: Actions
    """(n, C) the jump; of use only where `jumped`."""
    paint: Actions
    """(n, C) the painting action."""
    memory: Memory
    """The LSTM's state when the painting action was decoded."""
    log_probability: Tensor
    """(n,) of jump and painting action together."""
    entropy: Tensor
    """(n,) likewise."""

    @property
    def choice(self) -> Choice:
        """What was chosen, without what the policy thought of it."""
        return Choice(self.jumped, self.jump, self.paint)


def no_action(batch: int, device: torch.device | None = None, columns: int = len(COMPONENTS)) -> Tensor:
    """Return the action before the first (n, C), C columns: 5, or 8 in colour; on a device, the CPU unless given."""
    nothing = torch.zeros(batch, columns, dtype=torch.long, device=device)
    nothing[:, FLAG] = -1
    return nothing


def decode_stroke(
    policy: Policy,
    view: View,
    left: Tensor,
    advanced: Memory,
    pen: Pen,
    limits: WidthLimits,
    count: int,
    given: Choice | None = None,
    greedy: bool = False,
    temperature: float = 1.0,
    chance: Tensor | None = None,
) -> Stroke:
    """Decode `count` strokes, a multiple of the m canvases, from an LSTM state that was advanced already.

    Args:
        policy: The policy.
        view: Of the m canvases.
        left: (m,) strokes still to paint.
        advanced: The LSTM's state (m) after the action before.
        pen: The m pens.
        limits: Widths that the brush can paint.
        count: Strokes to decode, n.
        given: Strokes (n,) whose probability is wanted; None to choose.
        greedy: Choose the likeliest (n = m).
        temperature: Of the sampling.
        chance: (n, 2, C) numbers in [0, 1) that decide on the jump and on the painting action; None to draw them.
    """
    device = policy.device
    owner = torch.arange(len(left), device=device).repeat_interleave(count // len(left))
    memory = advanced if count == len(left) else advanced.chosen(owner)
    allowed, anything = limits.allowed(pen.pressure), limits.allowed(np.full(1, np.nan))
    widths = torch.as_tensor(allowed, device=device)[owner]
    free = torch.as_tensor(anything, device=device).expand(count, -1, -1)
    start = torch.as_tensor(cell(pen.position), device=device)[owner]
    luck = (None, None) if chance is None else (chance[:, 0], chance[:, 1])
    if given is not None:
        return _weigh(policy, view, start, memory, left[owner], widths, free, given, owner)
    may_jump = torch.ones(count, dtype=torch.bool, device=device)
    first = policy.decode(memory.hidden, view, start, may_jump, widths, None, greedy, temperature, luck[0])
    jumps = first.actions[:, FLAG] == JUMP
    if not jumps.any():
        chosen = first.actions.cpu().numpy()
        return Stroke(jumps.cpu().numpy(), chosen, chosen, memory, first.log_probability, first.entropy)
    # Decoded for all, used where the pen jumped: the views' keys are then shared, and copying them costs more.
    after = policy.remember(view._replace(features=view.features[owner]), first.actions, left[owner], memory)
    second = policy.decode(
        after.hidden, view, first.actions[:, END_CELL], ~may_jump, free, None, greedy, temperature, luck[1]
    )
    return Stroke(
        jumps.cpu().numpy(),
        first.actions.cpu().numpy(),
        torch.where(jumps[:, None], second.actions, first.actions).cpu().numpy(),
        after.where(jumps, memory),
        first.log_probability + jumps * second.log_probability,
        first.entropy + jumps * second.entropy,
    )


def _weigh(
    policy: Policy,
    view: View,
    start: Tensor,
    memory: Memory,
    left: Tensor,
    widths: Tensor,
    free: Tensor,
    given: Choice,
    owner: Tensor,
) -> Stroke:
    """Return given strokes (n,) with their probability: of the jump, where there is one, and of the painting action."""
    jumped, jump, paint = (torch.as_tensor(part, device=policy.device) for part in given)
    may_jump = torch.ones_like(jumped)
    likely = entropy = memory.hidden.new_zeros(())
    if given.jumped.any():
        first = policy.decode(memory.hidden, view, start, may_jump, widths, jump, last="end")
        likely, entropy = jumped * first.log_probability, jumped * first.entropy
        after = policy.remember(view._replace(features=view.features[owner]), jump, left, memory)
        memory = after.where(jumped, memory)
        widths, may_jump = torch.where(jumped[:, None, None], free, widths), ~jumped
        start = torch.where(jumped, jump[:, END_CELL], start)
    second = policy.decode(memory.hidden, view, start, may_jump, widths, paint)
    return Stroke(*given, memory, likely + second.log_probability, entropy + second.entropy)


def remembered(policy: Policy, view: View, left: Tensor, advanced: Memory, choice: Choice) -> Memory:
    """Return the LSTM's state (m,) after the m strokes' jumps, from which their painting actions were decoded."""
    if not choice.jumped.any():
        return advanced
    jumped, jump = (torch.as_tensor(part, device=policy.device) for part in choice[:2])
    return policy.remember(view, jump, left, advanced).where(jumped, advanced)


def try_strokes(world: Environment, stroke: Stroke | Choice, samples: int) -> tuple[Environment, NDArray[np.float64]]:
    """Return each canvas after each of its samples, and those samples' strokes (n, 12)."""
    tried = world.tries(samples)
    _, _, landed = apply(stroke.jump, tried.pen)
    tried.pen = merged(stroke.jumped, landed, tried.pen)
    strokes, _, _ = apply(stroke.paint, tried.pen)
    tried.step(stroke.paint)
    return tried, strokes


def merged(mask: NDArray[np.bool_], one: Pen, other: Pen) -> Pen:
    """Return the pens of `one` where `mask` holds and of `other` elsewhere."""
    return Pen(np.where(mask[:, None], one.position, other.position), np.where(mask, one.pressure, other.pressure))
