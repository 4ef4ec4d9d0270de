"""One stroke of the policy: a jump if it wants one, then the stroke, for a batch of canvases."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from planner.actions import COMPONENTS, FLAG, JUMP, Actions, Pen, WidthLimits, apply
from planner.environment import Environment
from planner.policy import Memory, Policy, View

if TYPE_CHECKING:
    from planner.neighbours import Neighbours, Weighed


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

    promise: Tensor | None = None
    """(n,) of the stroke's neighbours, likewise; 0 where none were given."""

    @property
    def choice(self) -> Choice:
        """What was chosen, without what the policy thought of it."""
        return Choice(self.jumped, self.jump, self.paint)


def no_action(batch: int, columns: int = len(COMPONENTS)) -> Tensor:
    """Return the action before the first (n, C), C columns: 5, or 8 in colour."""
    nothing = torch.zeros(batch, columns, dtype=torch.long)
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
    around: Neighbours | None = None,
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
        around: What the neighbours of `given` would earn.
    """
    owner = torch.arange(len(left)).repeat_interleave(count // len(left))
    memory = advanced if count == len(left) else advanced.chosen(owner)
    allowed, anything = limits.allowed(pen.pressure), limits.allowed(np.full(1, np.nan))
    widths, free = torch.from_numpy(allowed)[owner], torch.from_numpy(anything).expand(count, -1, -1)
    luck = (None, None) if chance is None else (chance[:, 0], chance[:, 1])
    if given is not None:
        return _weigh(policy, view, memory, left[owner], widths, free, given, around, owner)
    may_jump = torch.ones(count, dtype=torch.bool)
    first = policy.decode(memory.hidden, view.keys, may_jump, widths, None, greedy, temperature, luck[0])
    jumps = first.actions[:, FLAG] == JUMP
    if not jumps.any():
        chosen = first.actions.numpy()
        return Stroke(jumps.numpy(), chosen, chosen, memory, first.log_probability, first.entropy)
    # Decoded for all, used where the pen jumped: the views' keys are then shared, and copying them costs more.
    after = policy.remember(View(view.features[owner], view.keys), first.actions, left[owner], memory)
    second = policy.decode(after.hidden, view.keys, ~may_jump, free, None, greedy, temperature, luck[1])
    return Stroke(
        jumps.numpy(),
        first.actions.numpy(),
        torch.where(jumps[:, None], second.actions, first.actions).numpy(),
        after.where(jumps, memory),
        first.log_probability + jumps * second.log_probability,
        first.entropy + jumps * second.entropy,
    )


def _weigh(
    policy: Policy,
    view: View,
    memory: Memory,
    left: Tensor,
    widths: Tensor,
    free: Tensor,
    given: Choice,
    around: Neighbours | None,
    owner: Tensor,
) -> Stroke:
    """Return given strokes (n,) with their probability: of the jump, where there is one, and of the painting action."""
    jumped, jump, paint = map(torch.from_numpy, given)
    may_jump = torch.ones(len(jumped), dtype=torch.bool)
    likely = entropy = promise = torch.zeros(())
    if given.jumped.any():
        about = None if around is None else tensors(around.of_jump(given))
        first = policy.decode(memory.hidden, view.keys, may_jump, widths, jump, weighed=about, last="end")
        likely, entropy = jumped * first.log_probability, jumped * first.entropy
        if first.promise is not None:
            promise = jumped * first.promise
        after = policy.remember(View(view.features[owner], view.keys), jump, left, memory)
        memory = after.where(jumped, memory)
        widths, may_jump = torch.where(jumped[:, None, None], free, widths), ~jumped
    about = None if around is None else tensors(around.of_paint(given))
    second = policy.decode(memory.hidden, view.keys, may_jump, widths, paint, weighed=about)
    if second.promise is not None:
        promise = promise + second.promise
    return Stroke(*given, memory, likely + second.log_probability, entropy + second.entropy, promise)


def remembered(policy: Policy, view: View, left: Tensor, advanced: Memory, choice: Choice) -> Memory:
    """Return the LSTM's state (m,) after the m strokes' jumps, from which their painting actions were decoded."""
    if not choice.jumped.any():
        return advanced
    jumped, jump = torch.from_numpy(choice.jumped), torch.from_numpy(choice.jump)
    return policy.remember(view, jump, left, advanced).where(jumped, advanced)


def tensors(weighed: Weighed) -> dict[str, tuple[Tensor, Tensor]]:
    """Return choices and gains by component as the policy takes them."""
    return {name: (torch.from_numpy(choices), torch.from_numpy(gains)) for name, (choices, gains) in weighed.items()}


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
