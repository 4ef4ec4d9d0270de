"""The painting policy: convolutions, residual blocks, an LSTM and autoregressive heads.

After Ganin et al. 2018, section 3.2 and appendix, with a leaner body for two CPU cores: a 4×4 stride-4 stem, and
location heads that are a dot product between the decoder's state and 32 features of each of the 32×32 locations:
local ones from the image plus learned ones, which alone would be a linear head of rank 32.
The canvas's features do not depend on the action before, so that a jump costs no second pass over the image.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from planner.actions import COMPONENTS, GRID, JUMP, PAINT

WIDTH = 256
KEY = 32


class View(NamedTuple):
    """What the policy sees of a batch of canvases and targets."""

    features: Tensor
    """(n, 256)"""
    keys: Tensor
    """(n, 32, 1024) local features of each location."""


class Memory(NamedTuple):
    """The LSTM's state."""

    hidden: Tensor
    """(n, 256)"""
    cell: Tensor
    """(n, 256)"""

    def chosen(self, index: Tensor) -> Memory:
        """Return the states at `index`."""
        return Memory(self.hidden[index], self.cell[index])


@dataclass
class Decoded:
    """Actions and how likely they were."""

    actions: Tensor
    """(n, 5) indices; masked components are 0."""
    log_probability: Tensor
    """(n,) of the components that are not masked."""
    entropy: Tensor
    """(n,) sum of the entropies of the components that are not masked."""


class ResidualBlock(nn.Module):
    """Two 3×3 convolutions around a shortcut."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Return (n, channels, h, w)."""
        result: Tensor = x + self.second(functional.relu(self.first(functional.relu(x))))
        return result


class Policy(nn.Module):
    """π(action | canvas, target, action before, strokes left)."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(4, 32, 4, stride=4)
        self.local = nn.Conv2d(32, 32, 3, padding=1)
        self.down = nn.Conv2d(32, 64, 4, stride=2, padding=1)
        self.blocks = nn.Sequential(ResidualBlock(64), ResidualBlock(64))
        self.flat = nn.Linear(64 * 8 * 8, WIDTH)
        self.up = nn.Conv2d(64, 32, 1)
        self.keys = nn.Conv2d(32, 4 * KEY, 1)
        self.before = nn.ModuleDict({name: nn.Embedding(size, WIDTH) for name, size in COMPONENTS.items()})
        self.left = nn.Linear(2, WIDTH)
        self.lstm = nn.LSTMCell(WIDTH, WIDTH)
        self.heads = nn.ModuleDict({name: nn.Linear(WIDTH, COMPONENTS[name]) for name in ("flag", "size", "pressure")})
        self.queries = nn.ModuleDict({name: nn.Linear(WIDTH, KEY) for name in ("end", "control")})
        self.places = nn.Parameter(0.1 * torch.randn(KEY, GRID * GRID))
        self.embed = nn.ModuleDict({name: nn.Embedding(size, 128) for name, size in COMPONENTS.items()})
        self.mix = nn.ModuleDict(
            {name: nn.Sequential(nn.Linear(WIDTH + 128, 128), nn.ReLU(), nn.Linear(128, WIDTH)) for name in COMPONENTS}
        )
        steps = (torch.arange(64) + 0.5) / 32 - 1
        rows, columns = torch.meshgrid(steps, steps, indexing="ij")
        self.register_buffer("coordinates", torch.stack((columns, rows))[None], persistent=False)

    def look(self, canvas: Tensor, target: Tensor) -> View:
        """Return the view of canvases and targets, each (n, 64, 64) in [0, 1]."""
        coordinates = self.coordinates.expand(len(canvas), -1, -1, -1)  # type: ignore[operator]
        # Ink counts, not paper: with white as 0 an empty neighbourhood gives an empty feature.
        image = torch.cat((1 - canvas[:, None], 1 - target[:, None], coordinates), dim=1)
        local = functional.relu(self.stem(image))
        local = functional.relu(self.local(local)) + local
        deep = functional.relu(self.blocks(self.down(local)))
        features = functional.relu(self.flat(deep.flatten(1)))
        near = functional.relu(local + functional.interpolate(self.up(deep), scale_factor=2.0))
        keys = functional.pixel_shuffle(self.keys(near), 2).flatten(2) + self.places
        return View(features, keys)

    def initial_memory(self, batch: int) -> Memory:
        """Return the LSTM's state at the start of an episode."""
        zeros = self.flat.weight.new_zeros(batch, WIDTH)
        return Memory(zeros, zeros)

    def remember(self, view: View, before: Tensor, left: Tensor, memory: Memory) -> Memory:
        """Advance the LSTM by one action.

        Args:
            view: Of the canvas at hand.
            before: (n, 5) the action before; −1 in the flag's column at the start of an episode.
            left: (n,) strokes still to paint.
            memory: The state so far.
        """
        acted = (before[:, :1] >= 0).float()
        painted = acted * (before[:, :1] == PAINT)
        past = torch.zeros_like(view.features)
        for column, (name, table) in enumerate(self.before.items()):
            shown = acted if name in ("flag", "end") else painted
            past = past + shown * table(before[:, column].clamp(min=0))
        left = left.float()[:, None]
        past = past + self.left(torch.cat((left / 20, 1 / left.clamp(min=1)), dim=1))
        hidden, cell = self.lstm(view.features + past, (memory.hidden, memory.cell))
        return Memory(hidden, cell)

    def decode(
        self,
        state: Tensor,
        keys: Tensor,
        may_jump: Tensor,
        allowed: Tensor,
        given: Tensor | None = None,
        greedy: bool = False,
        temperature: float = 1.0,
    ) -> Decoded:
        """Decode compound actions, component by component.

        Args:
            state: (n, 256) the LSTM's output.
            keys: (n, 32, 1024), or (m, 32, 1024) with n a multiple of m: n/m actions for each view.
            may_jump: (n,) whether a jump is allowed: not twice in a row.
            allowed: (n, 6, 10) pairs of size and pressure that the brush can paint from here.
            given: (n, 5) actions whose probability is wanted; None to choose them.
            greedy: Choose the likeliest instead of sampling.
            temperature: Of the sampling; below 1 prefers the likelier.
        """
        count = len(state)
        chosen: list[Tensor] = []
        total = state.new_zeros(count)
        entropy = state.new_zeros(count)
        paints = state.new_ones(count)
        for column, name in enumerate(COMPONENTS):
            if name in self.queries:
                query = self.queries[name](state).view(len(keys), -1, KEY)
                logits = (query @ keys).view(count, GRID * GRID)
            else:
                logits = self.heads[name](state)
            if name == "flag":
                forbidden = torch.zeros_like(logits)
                forbidden[:, JUMP] = torch.where(may_jump, 0.0, -1e9)
                logits = logits + forbidden
            elif name == "size":
                logits = logits.masked_fill(~allowed.any(dim=2), -1e9)
            elif name == "pressure":
                logits = logits.masked_fill(~allowed[torch.arange(count), chosen[-1]], -1e9)
            log_p = functional.log_softmax(logits, dim=1)
            if given is not None:
                choice = given[:, column]
            elif greedy:
                choice = log_p.argmax(dim=1)
            else:
                choice = sample(log_p / temperature)
            used = paints if name in ("control", "size", "pressure") else torch.ones_like(paints)
            if given is None and column > 1:
                choice = choice * used.long()
            total = total + used * log_p.gather(1, choice[:, None])[:, 0]
            entropy = entropy - used * (log_p.exp() * log_p.clamp(min=-50)).sum(dim=1)
            if name == "flag":
                paints = (choice == PAINT).float()
            chosen.append(choice)
            if column < len(COMPONENTS) - 1:
                state = state + self.mix[name](torch.cat((state, self.embed[name](choice)), dim=1))
        return Decoded(torch.stack(chosen, dim=1), total, entropy)


def sample(log_p: Tensor) -> Tensor:
    """Return one index a row (n,), drawn by inverting the cumulative distribution."""
    cumulative = log_p.detach().exp().cumsum(dim=1)
    drawn = torch.rand(len(log_p), 1) * cumulative[:, -1:]
    return torch.searchsorted(cumulative, drawn, right=True)[:, 0].clamp(max=log_p.shape[1] - 1)
