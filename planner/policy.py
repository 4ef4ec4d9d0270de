"""What every painting policy shares: its kind, its view and memory, and the decoding of compound actions.

After Ganin et al. 2018, section 3.2 and appendix: an LSTM over what is seen, and heads that choose the components of an
action one after another, each knowing those before it. The nets are in `lean_policy.py` and `paper_policy.py`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from planner.actions import COLOURS, COMPONENTS, END_CELL, FLAG, JUMP, PAINT

WIDTH: Final = 256
"""Numbers in the LSTM's state."""
NOISE: Final = 10
"""Numbers of noise an episode, standard normal, as in SPIRAL's unconditional agent."""
FORBIDDEN: Final = -1e9
"""Logit of a choice that is masked; its probability is 0."""
PLACES: Final = ("end", "control")
"""Components that are locations."""


@dataclass(frozen=True)
class Kind:
    """Which policy: what a checkpoint stores of it."""

    net: Literal["lean", "paper"] = "lean"
    """The lean net, or the papers' own."""
    conditional: bool = True
    """Whether it reproduces a target; else it paints by itself, and noise decides what."""
    colour: bool = False
    """Whether canvases and strokes have colours."""


class View(NamedTuple):
    """What the policy sees of a batch of canvases and targets; the shapes are the net's own."""

    features: Tensor
    """(n, ...) what `remember` needs."""
    keys: Tensor
    """(n, ...) what the location heads need."""
    image: Tensor
    """(n, ...) what glimpses are taken of."""


class Memory(NamedTuple):
    """The LSTM's state, and the noise of the episode."""

    hidden: Tensor
    """(n, 256)"""
    cell: Tensor
    """(n, 256)"""
    noise: Tensor
    """(n, NOISE) the same all episode; a conditional policy takes no notice of it."""

    def chosen(self, index: Tensor) -> Memory:
        """Return the states at `index`."""
        return Memory(self.hidden[index], self.cell[index], self.noise[index])

    def on(self, device: torch.device) -> Memory:
        """Return the states on a device."""
        return Memory(*(part.to(device) for part in self))

    def where(self, mask: Tensor, other: Memory) -> Memory:
        """Return these states where `mask` (n,) holds and the other elsewhere."""
        return Memory(*(torch.where(mask[:, None], one, two) for one, two in zip(self, other, strict=True)))


@dataclass
class Decoded:
    """Actions, and how likely the policy held them to be; what is asked is computed."""

    actions: Tensor
    """(n, C) indices; masked components are 0."""
    log_p: list[Tensor]
    """C log-probabilities (n, size) of all choices of a component."""

    @property
    def log_probability(self) -> Tensor:
        """(n,) sum over the components that are not masked."""
        chosen = zip(self.log_p, self.actions.T, strict=True)
        likely = torch.stack([each.gather(1, choice[:, None])[:, 0] for each, choice in chosen], dim=1)
        return (self.used * likely).sum(dim=1)

    @property
    def entropy(self) -> Tensor:
        """(n,) sum of the entropies of the components that are not masked."""
        return -(self.used * torch.stack([(each.exp() * each).sum(dim=1) for each in self.log_p], dim=1)).sum(dim=1)

    @property
    def used(self) -> Tensor:
        """(n, C) 1 where a component is not masked, else 0: a jump has its flag and its end."""
        always = torch.arange(len(self.log_p), device=self.actions.device) <= END_CELL
        return (always | (self.actions[:, FLAG, None] == PAINT)).long()


class Policy(nn.Module, ABC):
    """π(action | canvas, target or noise, action before, strokes left)."""

    ADDED: ClassVar[tuple[str, ...]] = ("critic.",)
    """Parts that earlier checkpoints may lack; as they begin they change nothing."""

    def __init__(self, kind: Kind) -> None:
        super().__init__()
        self.kind = kind
        """What it is."""
        self.components = COMPONENTS | (COLOURS if kind.colour else {})
        """Components of an action and their sizes, in decoding order."""
        self.critic: nn.Linear
        """Set by each net, after its other parts."""
        self.jump: Tensor
        self.register_buffer("jump", torch.arange(self.components["flag"]) == JUMP, persistent=False)

    @property
    def device(self) -> torch.device:
        """Where it computes: every tensor that it is given is made there."""
        return self.critic.weight.device

    @abstractmethod
    def look(self, canvas: Tensor, target: Tensor | None) -> View:
        """Return the view of canvases and targets.

        Args:
            canvas: (n, 64, 64) in [0, 1]; (n, 64, 64, 3) in colour.
            target: Likewise; None for an unconditional policy.
        """

    @abstractmethod
    def remember(self, view: View, before: Tensor, left: Tensor, memory: Memory) -> Memory:
        """Advance the LSTM by one action.

        Args:
            view: Of the canvas at hand.
            before: (n, C) the action before; −1 in the flag's column at the start of an episode.
            left: (n,) strokes still to paint.
            memory: The state so far.
        """

    @abstractmethod
    def logits(self, name: str, state: Tensor, view: View, stroke: Sequence[Tensor]) -> Tensor:
        """Return the logits (n, size) of a component in a state (n, 256) of the decoder.

        Args:
            name: Which.
            state: Of the decoder.
            view: As `decode` has it.
            stroke: Where the stroke starts and what was chosen of it so far, each (n,).
        """

    @abstractmethod
    def follow(self, name: str, state: Tensor, view: View, stroke: Sequence[Tensor]) -> Tensor:
        """Return the decoder's state (n, 256) after a component was chosen, the last of `stroke`; see `logits`."""

    def initial_memory(self, batch: int, noise: Tensor | None = None) -> Memory:
        """Return the LSTM's state at the start of an episode with noise (n, NOISE); None gives zeros."""
        zeros = self.critic.weight.new_zeros(batch, WIDTH)
        return Memory(zeros, zeros, zeros[:, :NOISE] if noise is None else noise)

    def value(self, hidden: Tensor) -> Tensor:
        """Return the critic's estimates (n,) of the rewards to come, of the LSTM's outputs (n, 256)."""
        estimate: Tensor = self.critic(hidden)[:, 0]
        return estimate

    def completed(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return a state dict of before all parts were there, with this net's own added."""
        return {name: tensor for name, tensor in self.state_dict().items() if name.startswith(self.ADDED)} | state

    def decode(
        self,
        state: Tensor,
        view: View,
        start: Tensor,
        may_jump: Tensor,
        allowed: Tensor,
        given: Tensor | None = None,
        greedy: bool = False,
        temperature: float = 1.0,
        chance: Tensor | None = None,
        last: str | None = None,
    ) -> Decoded:
        """Decode compound actions, component by component.

        Args:
            state: (n, 256) the LSTM's output.
            view: Of n canvases, or of m with n a multiple of m: n/m actions for each.
            start: (n,) the location at which the pen is.
            may_jump: (n,) whether a jump is allowed: not twice in a row.
            allowed: (n, 6, 10) pairs of size and pressure that the brush can paint from here.
            given: (n, C) actions whose probability is wanted; None to choose them.
            greedy: Choose the likeliest instead of sampling.
            temperature: Of the sampling; below 1 prefers the likelier.
            chance: (n, C) numbers in [0, 1) that decide; None to draw them. With them what is chosen for a canvas does
                not depend on those beside it.
            last: Component after which to stop; None to go on to the end.
        """
        chosen: list[Tensor] = []
        log_ps: list[Tensor] = []
        for column, name in enumerate(self.components):
            logits = self.logits(name, state, view, [start, *chosen])
            if name == "flag":
                logits = logits.masked_fill(self.jump & ~may_jump[:, None], FORBIDDEN)
            elif name == "size":
                logits = logits.masked_fill(~allowed.any(dim=2), FORBIDDEN)
            elif name == "pressure":
                pairs = allowed.gather(1, chosen[-1][:, None, None].expand(-1, 1, allowed.shape[2]))
                logits = logits.masked_fill(~pairs[:, 0], FORBIDDEN)
            log_p = functional.log_softmax(logits, dim=1)
            if given is not None:
                choice = given[:, column]
            elif greedy:
                choice = log_p.argmax(dim=1)
            else:
                likelier = log_p if temperature == 1 else functional.log_softmax(log_p / temperature, dim=1)
                choice = sample(likelier, None if chance is None else chance[:, column])
            if given is None and column > END_CELL:
                choice = choice * (chosen[FLAG] == PAINT)
            chosen.append(choice)
            log_ps.append(log_p)
            if name == last:
                break
            if column < len(self.components) - 1:
                state = self.follow(name, state, view, [start, *chosen])
        return Decoded(torch.stack(chosen, dim=1), log_ps)


def sample(log_p: Tensor, chance: Tensor | None = None) -> Tensor:
    """Return one index a row (n,), drawn by inverting the cumulative distribution, at `chance` (n,) if it is given."""
    cumulative = log_p.detach().exp().cumsum(dim=1)
    if chance is None:
        chance = torch.rand(len(log_p), device=log_p.device)
    drawn = chance[:, None] * cumulative[:, -1:]
    return torch.searchsorted(cumulative, drawn, right=True)[:, 0].clamp(max=log_p.shape[1] - 1)


def new_critic() -> nn.Linear:
    """Return a value head that estimates 0 until it has learned."""
    head = nn.Linear(WIDTH, 1)
    nn.init.zeros_(head.weight)
    nn.init.zeros_(head.bias)
    return head


def planes(images: Tensor) -> Tensor:
    """Return images (n, h, w) or (n, h, w, 3) as (n, 1 or 3, h, w)."""
    return images[:, None] if images.dim() == 3 else images.permute(0, 3, 1, 2)


def build(kind: Kind) -> Policy:
    """Return a policy with fresh weights.

    Raises:
        ValueError: There is no such net.
    """
    from planner.lean_policy import LeanPolicy
    from planner.paper_policy import PaperPolicy

    nets: dict[str, Callable[[Kind], Policy]] = {"lean": LeanPolicy, "paper": PaperPolicy}
    if kind.net not in nets:
        raise ValueError(f"no such net: {kind.net}")
    policy = nets[kind.net](kind)
    # Convolutions with the channels last are a tenth to a fifth faster on a CPU.
    policy.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return policy
