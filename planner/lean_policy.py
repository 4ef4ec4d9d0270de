"""The lean net: SPIRAL's policy with a body for two CPU cores.

A 4×4 stride-4 stem, and location heads that are a dot product between the decoder's state and 32 features of each of
the 32×32 locations: local ones from the image plus learned ones, which alone would be a linear head of rank 32.
To these come logits of the row and of the column, which aim at a single location anywhere. A glimpse around the pen
goes into the LSTM, one along the chord of the stroke into the state once its end is chosen; where its control point is,
the net also says in the chord's frame, in which a bend looks alike wherever and however large it is. The canvas's
features do not depend on the action before, so that a jump costs no second pass over the image.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from planner.actions import CANVAS_PX, END_CELL, GRID, PAINT
from planner.glimpse import glimpses, lattice
from planner.policy import NOISE, PLACES, WIDTH, Kind, Memory, Policy, View, new_critic, planes

KEY: Final = 32
"""Features of a location."""
CELL_PX: Final = CANVAS_PX // GRID
SIDE: Final = 11
"""Points along each side of a glimpse."""
PEN_PX: Final = 12.0
"""How far a glimpse around the pen reaches [px]."""
BESIDE: Final = 0.75
"""How far a glimpse along a chord reaches from its middle, in its lengths: beyond both ends."""
SHORTEST_PX: Final = 8.0
"""Length that shorter chords are looked at as if they had [px]."""


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

    SHAPE: ClassVar = (
        *("queries.control", "axes.control", "chord.", "bend.", "mix.end", "embed.end", "mix.control", "embed.control"),
        *("heads.size", "mix.size", "embed.size", "heads.pressure"),
    )
    """Parts that choose control point, size and pressure."""
    ADDED = (*Policy.ADDED, "axes.", "pen.", "chord.", "bend.")

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
        channels = 6 if kind.colour else 2
        self.pen, self.chord = looker(channels * SIDE**2), looker(channels * SIDE**2)
        self.bend = silent(nn.Linear(WIDTH, 3))
        self.register_buffer("around", lattice(SIDE, 1.0), persistent=False)
        self.register_buffer("beside", lattice(SIDE, BESIDE), persistent=False)
        cells = pixels(torch.arange(GRID * GRID)).T / CELL_PX
        self.register_buffer("cells", cells, persistent=False)
        self.register_buffer("squares", cells.square().sum(dim=0)[None] / 2, persistent=False)
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
        image = torch.cat((ink, wanted), dim=1)
        placed = torch.cat((image, coordinates), dim=1)
        local = functional.relu(self.stem(placed.contiguous(memory_format=torch.channels_last)))
        local = functional.relu(self.local(local)) + local
        deep = functional.relu(self.blocks(self.down(local)))
        features = functional.relu(self.flat(deep.flatten(1)))
        near = functional.relu(local + functional.interpolate(self.up(deep), scale_factor=2.0))
        keys = functional.pixel_shuffle(self.keys(near), 2).flatten(2) + self.places
        return View(features, keys, image)

    def remember(self, view: View, before: Tensor, left: Tensor, memory: Memory) -> Memory:
        """Advance the LSTM by one action."""
        acted = (before[:, :1] >= 0).float()
        painted = acted * (before[:, :1] == PAINT)
        looked_up = [table(choice) for table, choice in zip(self.before.values(), before.clamp(min=0).T, strict=True)]
        flag, end, *others = looked_up
        past = acted * (flag + end) + painted * sum(others)
        past = past + self.at_pen(before[:, END_CELL].clamp(min=0), view)
        left = left.float()[:, None]
        past = past + self.left(torch.cat((left / 20, 1 / left.clamp(min=1)), dim=1))
        if not self.kind.conditional:
            past = past + self.noise(memory.noise)
        hidden, cell = self.lstm(view.features + past, (memory.hidden, memory.cell))
        return Memory(hidden, cell, memory.noise)

    def logits(self, name: str, state: Tensor, view: View, stroke: Sequence[Tensor]) -> Tensor:
        """Return the logits (n, size) of a component."""
        if name not in PLACES:
            found: Tensor = self.heads[name](state)
            return found
        query = self.queries[name](state).view(len(view.keys), -1, KEY)
        rows, columns = self.axes[name](state).view(-1, 2, GRID).unbind(dim=1)
        logits = (query @ view.keys).view(len(state), -1) + (rows[:, :, None] + columns[:, None, :]).flatten(1)
        return logits + self.bump(state, stroke[0], stroke[-1]) if name == "control" else logits

    def follow(self, name: str, state: Tensor, view: View, stroke: Sequence[Tensor]) -> Tensor:
        """Return the decoder's state (n, 256) after the last choice of a stroke."""
        state = state + self.mix[name](torch.cat((state, self.embed[name](stroke[-1])), dim=1))
        return state + self.along_chord(stroke[0], stroke[-1], view) if name == "end" else state

    def at_pen(self, cells: Tensor, view: View) -> Tensor:
        """Return what a glimpse around the pen (n,) brings to the state (n, 256)."""
        along = PEN_PX * torch.eye(1, 2, device=cells.device).expand(len(cells), -1)
        brought: Tensor = self.pen(glimpses(view.image, pixels(cells), along, self.around))  # type: ignore[arg-type]
        return brought

    def along_chord(self, start: Tensor, end: Tensor, view: View) -> Tensor:
        """Return what a glimpse along the chord between locations (n,) brings to the state (n, 256)."""
        middle, along = chord(start, end)
        brought: Tensor = self.chord(glimpses(view.image, middle, along, self.beside))  # type: ignore[arg-type]
        return brought

    def bump(self, state: Tensor, start: Tensor, end: Tensor) -> Tensor:
        """Return logits (n, 1024) of a Gaussian around a place that is told in the chord's own frame."""
        middle, along = chord(start, end)
        steps = self.bend(state)
        across = torch.stack((-along[:, 1], along[:, 0]), dim=1)
        place = (middle + steps[:, :1] * along + steps[:, 1:2] * across) / CELL_PX
        # −κ/2·|x − μ|² but for a constant.
        logits: Tensor = steps[:, 2:] * (place @ self.cells - self.squares)
        return logits


def pixels(cells: Tensor) -> Tensor:
    """Return locations (n,) as x, y [px] (n, 2)."""
    return torch.stack((cells % GRID, cells // GRID), dim=1) * float(CELL_PX)


def chord(start: Tensor, end: Tensor) -> tuple[Tensor, Tensor]:
    """Return middle and vector [px], each (n, 2), of a chord between locations (n,); one of no length goes right."""
    first, last = pixels(start), pixels(end)
    along = last - first
    length = along.norm(dim=1, keepdim=True)
    right = torch.eye(1, 2, device=along.device)
    along = torch.where(length > 0, along / length.clamp(min=1), right) * length.clamp(min=SHORTEST_PX)
    return (first + last) / 2, along


def silent(layer: nn.Linear) -> nn.Linear:
    """Return a layer that adds nothing until it has learned."""
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def looker(inputs: int) -> nn.Sequential:
    """Return what brings a glimpse into the state, silent at first."""
    return nn.Sequential(nn.Linear(inputs, 128), nn.ReLU(), silent(nn.Linear(128, WIDTH)))


def mixer() -> nn.Sequential:
    """Return what mixes a choice into the decoder's state."""
    return nn.Sequential(nn.Linear(WIDTH + 128, 128), nn.ReLU(), nn.Linear(128, WIDTH))
