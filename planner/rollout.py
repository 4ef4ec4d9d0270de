"""One stroke of the policy: a jump if it wants one, then the stroke, for a batch of canvases."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from planner.actions import COMPONENTS, END_CELL, FLAG, JUMP, Actions, Pen, WidthLimits, apply, cell
from planner.environment import Environment
from planner.policy import Decoded, Memory, Policy, View


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
    """A stroke that the policy chose for each of n canvases."""

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

    @property
    def choice(self) -> Choice:
        """What was chosen, without what the policy thought of it."""
        return Choice(self.jumped, self.jump, self.paint)


def no_action(batch: int, device: torch.device | None = None, columns: int = len(COMPONENTS)) -> Tensor:
    """Return the action before the first (n, C), C columns: 5, or 8 in colour; on a device, the CPU unless given."""
    nothing = torch.zeros(batch, columns, dtype=torch.long, device=device)
    nothing[:, FLAG] = -1
    return nothing


@dataclass
class Weighed:
    """What the policy thinks of given strokes (n,)."""

    memory: Memory
    """The LSTM's state when the painting action was decoded."""
    jumped: Tensor
    """(n,) whether the pen jumped first."""
    jump: Decoded | None
    """The jumps, flag and end, of use only where `jumped`; None where none did."""
    paint: Decoded
    """The painting actions."""

    @property
    def log_probability(self) -> Tensor:
        """(n,) of jump and painting action together."""
        paint = self.paint.log_probability
        return paint if self.jump is None else self.jumped * self.jump.log_probability + paint

    @property
    def entropy(self) -> Tensor:
        """(n,) likewise."""
        paint = self.paint.entropy
        return paint if self.jump is None else self.jumped * self.jump.entropy + paint


class Ready(NamedTuple):
    """What n strokes are decoded from, a multiple of the m canvases."""

    owner: Tensor
    """(n,) whose canvas it is."""
    memory: Memory
    """(n) the LSTM's state after the action before."""
    left: Tensor
    """(n,) strokes still to paint."""
    start: Tensor
    """(n,) the locations of the pens."""
    widths: Tensor
    """(n, 6, 10) pairs of size and pressure that the brush can paint from here."""
    free: Tensor
    """(n, 6, 10) likewise, after a jump."""
    may_jump: Tensor
    """(n,) all true."""

    @classmethod
    def of(cls, left: Tensor, advanced: Memory, pen: Pen, limits: WidthLimits, count: int) -> Ready:
        """Return it for `count` strokes; the other arguments as `decode_stroke`."""
        device = left.device
        owner = torch.arange(len(left), device=device).repeat_interleave(count // len(left))
        allowed, anything = limits.allowed(pen.pressure), limits.allowed(np.full(1, np.nan))
        return cls(
            owner,
            advanced if count == len(left) else advanced.chosen(owner),
            left[owner],
            torch.as_tensor(cell(pen.position), device=device)[owner],
            torch.as_tensor(allowed, device=device)[owner],
            torch.as_tensor(anything, device=device).expand(count, -1, -1),
            torch.ones(count, dtype=torch.bool, device=device),
        )

    def decode(self, policy: Policy, view: View, given: Tensor | None = None, **more: Any) -> Decoded:
        """Return what is decoded from here; arguments as `Policy.decode`."""
        return policy.decode(self.memory.hidden, view, self.start, self.may_jump, self.widths, given, **more)

    def jumped(self, policy: Policy, view: View, jumped: Tensor, jump: Tensor) -> Ready:
        """Return what the painting actions are decoded from, after the jumps (n, C) of those that jumped (n,)."""
        # For all, used where the pen jumped: the views' keys are then shared, and copying them costs more.
        after = policy.remember(view._replace(features=view.features[self.owner]), jump, self.left, self.memory)
        return self._replace(
            memory=after.where(jumped, self.memory),
            start=torch.where(jumped, jump[:, END_CELL], self.start),
            widths=torch.where(jumped[:, None, None], self.free, self.widths),
            may_jump=~jumped,
        )


def decode_stroke(
    policy: Policy,
    view: View,
    left: Tensor,
    advanced: Memory,
    pen: Pen,
    limits: WidthLimits,
    count: int,
    greedy: bool = False,
    temperature: float = 1.0,
    chance: Tensor | None = None,
) -> Stroke:
    """Choose `count` strokes, a multiple of the m canvases, from an LSTM state that was advanced already.

    Args:
        policy: The policy.
        view: Of the m canvases.
        left: (m,) strokes still to paint.
        advanced: The LSTM's state (m) after the action before.
        pen: The m pens.
        limits: Widths that the brush can paint.
        count: Strokes to decode, n.
        greedy: Choose the likeliest (n = m).
        temperature: Of the sampling.
        chance: (n, 2, C) numbers in [0, 1) that decide on the jump and on the painting action; None to draw them.
    """
    if chance is None:
        # Greedily nothing is left to chance: the generator stays as it is, for a run that goes on from a checkpoint.
        size = (count, 2, len(policy.components))
        chance = (torch.zeros if greedy else torch.rand)(size, device=policy.device)
    ready = Ready.of(left, advanced, pen, limits, count)
    # Flag and end are all of a jump. Where the pen stays, the second decoding chooses the same two again.
    first = ready.decode(policy, view, None, greedy=greedy, temperature=temperature, chance=chance[:, 0], last="end")
    jumped = first.actions[:, FLAG] == JUMP
    jump = functional.pad(first.actions, (0, len(policy.components) - first.actions.shape[1]))
    after = ready.jumped(policy, view, jumped, jump)
    luck = torch.where(jumped[:, None], chance[:, 1], chance[:, 0])
    paint = after.decode(policy, view, None, greedy=greedy, temperature=temperature, chance=luck)
    return Stroke(
        jumped.cpu().numpy(),
        jump.cpu().numpy(),
        paint.actions.cpu().numpy(),
        after.memory,
        jumped * first.log_probability + paint.log_probability,
    )


def weigh_stroke(
    policy: Policy,
    view: View,
    left: Tensor,
    advanced: Memory,
    pen: Pen,
    limits: WidthLimits,
    given: Choice,
) -> Weighed:
    """Return what the policy thinks of given strokes (n,); the other arguments as `decode_stroke`."""
    ready = Ready.of(left, advanced, pen, limits, len(given.jumped))
    jumped, jump, paint = (torch.as_tensor(part, device=policy.device) for part in given)
    first = None
    if given.jumped.any():
        first = ready.decode(policy, view, jump, last="end")
        ready = ready.jumped(policy, view, jumped, jump)
    return Weighed(ready.memory, jumped, first, ready.decode(policy, view, paint))


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
