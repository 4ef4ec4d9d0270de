"""The lean net: SPIRAL's policy with a body for two CPU cores.

A 4×4 stride-4 stem, and location heads that are a dot product between the decoder's state and 32 features of each of
the 32×32 locations: local ones from the image plus learned ones, which alone would be a linear head of rank 32.
To these come logits of the row and of the column, which aim at a single location anywhere. What is at the pen and at
each location chosen goes back into the state. The canvas's features do not depend on the action before, so that a jump
costs no second pass over the image.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from planner.actions import CANVAS_PX, END_CELL, GRID, PAINT
from planner.policy import NOISE, PLACES, WIDTH, Kind, Memory, Policy, View, new_critic, planes

KEY: Final = 32
"""Features of a location."""
PEN: Final = "pen"
"""Where the pen is: looked at as the locations chosen are."""


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


class LeanPolicy(Policy):
    """The lean net."""

    ADDED = (*Policy.ADDED, "axes.", "seen.")

    def __init__(self, kind: Kind) -> None:
        super().__init__(kind)
        self.stem = nn.Conv2d(8 if kind.colour else 4, 32, 4, stride=4)
        self.local = nn.Conv2d(32, 32, 3, padding=1)
        self.down = nn.Conv2d(32, 64, 4, stride=2, padding=1)
        self.blocks = nn.Sequential(ResidualBlock(64), ResidualBlock(64))
        self.flat = nn.Linear(64 * 8 * 8, WIDTH)
        self.up = nn.Conv2d(64, 32, 1)
        self.keys = nn.Conv2d(32, 4 * KEY, 1)
        self.before = nn.ModuleDict({name: nn.Embedding(size, WIDTH) for name, size in self.components.items()})
        self.left = nn.Linear(2, WIDTH)
        self.lstm = nn.LSTMCell(WIDTH, WIDTH)
        others = [name for name in self.components if name not in PLACES]
        self.heads = nn.ModuleDict({name: nn.Linear(WIDTH, self.components[name]) for name in others})
        self.queries = nn.ModuleDict({name: nn.Linear(WIDTH, KEY) for name in PLACES})
        self.places = nn.Parameter(0.1 * torch.randn(KEY, GRID * GRID))
        self.embed = nn.ModuleDict({name: nn.Embedding(size, 128) for name, size in self.components.items()})
        self.mix = nn.ModuleDict({name: mixer() for name in self.components})
        self.axes = nn.ModuleDict({name: silent(nn.Linear(WIDTH, 2 * GRID)) for name in PLACES})
        self.seen = nn.ModuleDict({name: looker() for name in (PEN, *PLACES)})
        steps = (torch.arange(CANVAS_PX) + 0.5) / (CANVAS_PX / 2) - 1
        rows, columns = torch.meshgrid(steps, steps, indexing="ij")
        self.register_buffer("coordinates", torch.stack((columns, rows))[None], persistent=False)
        # Last, so that the optimiser states of nets without them can be taken over.
        self.critic = new_critic()
        if not kind.conditional:
            self.noise = nn.Linear(NOISE, WIDTH)

    def look(self, canvas: Tensor, target: Tensor | None) -> View:
        """Return the view: features (n, 256) and keys (n, 32, 1024), a key for each location."""
        coordinates = self.coordinates.expand(len(canvas), -1, -1, -1)  # type: ignore[operator]
        # Ink counts, not paper: with white as 0 an empty neighbourhood gives an empty feature.
        ink = 1 - planes(canvas)
        wanted = torch.zeros_like(ink) if target is None else 1 - planes(target)
        image = torch.cat((ink, wanted, coordinates), dim=1)
        local = functional.relu(self.stem(image.contiguous(memory_format=torch.channels_last)))
        local = functional.relu(self.local(local)) + local
        deep = functional.relu(self.blocks(self.down(local)))
        features = functional.relu(self.flat(deep.flatten(1)))
        near = functional.relu(local + functional.interpolate(self.up(deep), scale_factor=2.0))
        keys = functional.pixel_shuffle(self.keys(near), 2).flatten(2) + self.places
        return View(features, keys)

    def remember(self, view: View, before: Tensor, left: Tensor, memory: Memory) -> Memory:
        """Advance the LSTM by one action."""
        acted = (before[:, :1] >= 0).float()
        painted = acted * (before[:, :1] == PAINT)
        looked_up = [table(choice) for table, choice in zip(self.before.values(), before.clamp(min=0).T, strict=True)]
        flag, end, *others = looked_up
        past = acted * (flag + end) + painted * sum(others)
        past = past + self.at(PEN, before[:, END_CELL], view.keys)
        left = left.float()[:, None]
        past = past + self.left(torch.cat((left / 20, 1 / left.clamp(min=1)), dim=1))
        if not self.kind.conditional:
            past = past + self.noise(memory.noise)
        hidden, cell = self.lstm(view.features + past, (memory.hidden, memory.cell))
        return Memory(hidden, cell, memory.noise)

    def logits(self, name: str, state: Tensor, keys: Tensor) -> Tensor:
        """Return the logits (n, size) of a component."""
        if name in PLACES:
            query = self.queries[name](state).view(len(keys), -1, KEY)
            rows, columns = self.axes[name](state).view(-1, 2, GRID).unbind(dim=1)
            lines = rows[:, :, None] + columns[:, None, :]
            return (query @ keys).view(len(state), GRID * GRID) + lines.flatten(1)
        found: Tensor = self.heads[name](state)
        return found

    def follow(self, name: str, state: Tensor, choice: Tensor, keys: Tensor) -> Tensor:
        """Return the decoder's state (n, 256) after a choice (n,)."""
        state = state + self.mix[name](torch.cat((state, self.embed[name](choice)), dim=1))
        return state + self.at(name, choice, keys) if name in PLACES else state

    def at(self, name: str, cells: Tensor, keys: Tensor) -> Tensor:
        """Return what locations (n,) bring to the state (n, 256), given the keys of n views or of n/m each."""
        index = cells.view(len(keys), 1, -1).expand(-1, KEY, -1)
        there: Tensor = self.seen[name](keys.gather(2, index).transpose(1, 2).reshape(len(cells), KEY))
        return there


def silent(layer: nn.Linear) -> nn.Linear:
    """Return a layer that adds nothing until it has learned."""
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def looker() -> nn.Sequential:
    """Return what brings a location's features into the state, silent at first."""
    return nn.Sequential(nn.Linear(KEY, 64), nn.ReLU(), silent(nn.Linear(64, WIDTH)))


def mixer() -> nn.Sequential:
    """Return what mixes a choice into the decoder's state."""
    return nn.Sequential(nn.Linear(WIDTH + 128, 128), nn.ReLU(), nn.Linear(128, WIDTH))
