"""The lean net: SPIRAL's policy with a body for two CPU cores.

A 4×4 stride-4 stem, and location heads that are a dot product between the decoder's state and 32 features of each of
the 32×32 locations: local ones from the image plus learned ones, which alone would be a linear head of rank 32.
Where a stroke's control point is, a mixture of Gaussians says in the frame of its chord, in which a bend looks alike
wherever and however large it is, after a glimpse along the chord (Bishop 1994, mixture density networks). The canvas's
features do not depend on the action before, so that a jump costs no second pass over the image.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from planner.actions import CANVAS_PX, GRID, PAINT
from planner.glimpse import glimpses, lattice, turned
from planner.policy import NOISE, PLACES, WIDTH, Kind, Memory, Policy, View, new_critic, planes

KEY: Final = 32
"""Features of a location."""
CELL_PX: Final = CANVAS_PX // GRID
SIDE: Final = 11
"""Points along each side of a glimpse."""
BESIDE: Final = 0.75
"""How far a glimpse along a chord reaches from its middle, in its lengths: beyond both ends."""
BENDS: Final = 4
"""Gaussians in the mixture."""
BLUNTEST: Final = 0.01
"""Least of their precisions [1/cell²]."""
SHORTEST_PX: Final = 8.0
"""Length that shorter chords are looked at as if they had [px]."""


class Chord(NamedTuple):
    """From where n strokes start to where they end; one of no length goes right, a short one is made longer."""

    middle: Tensor
    """(n, 2) x, y [px]."""
    along: Tensor
    """(n, 2) x, y [px]."""


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

    ADDED = (*Policy.ADDED, "bends.", "bent")
    beside: Tensor
    pixels: Tensor
    right: Tensor
    moments: Tensor
    coordinates: Tensor

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
        inputs = (6 if kind.colour else 2) * SIDE**2 + 4 + WIDTH
        self.bends = nn.Sequential(
            *(nn.Linear(inputs, WIDTH), nn.ReLU(), nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, 4 * BENDS))
        )
        self.bent = nn.Parameter(torch.zeros(1))
        cells = torch.cartesian_prod(torch.arange(GRID), torch.arange(GRID)).flip(1).float()
        self.register_buffer("beside", lattice(SIDE, BESIDE), persistent=False)
        self.register_buffer("pixels", cells * CELL_PX, persistent=False)
        self.register_buffer("right", torch.eye(1, 2), persistent=False)
        squares = cells.square().sum(dim=1, keepdim=True) / 2
        self.register_buffer("moments", torch.cat((cells, squares, torch.ones_like(squares)), 1).T, persistent=False)
        steps = (torch.arange(CANVAS_PX) + 0.5) / (CANVAS_PX / 2) - 1
        rows, columns = torch.meshgrid(steps, steps, indexing="ij")
        self.register_buffer("coordinates", torch.stack((columns, rows))[None], persistent=False)
        self.critic = new_critic()
        if not kind.conditional:
            self.noise = nn.Linear(NOISE, WIDTH)

    def look(self, canvas: Tensor, target: Tensor | None) -> View:
        """Return the view: features (n, 256) and keys (n, 32, 1024), a key for each location."""
        coordinates = self.coordinates.expand(len(canvas), -1, -1, -1)
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
        logits = (query @ view.keys).view(len(state), -1)
        if name == "control" and (self.bent != 0 or torch.is_grad_enabled()):
            start, _, end = stroke
            chord = self.chord(start, end)
            logits = logits + self.bent * self.bend(self.seen(state, chord, view), chord)
        return logits

    def follow(self, name: str, state: Tensor, view: View, stroke: Sequence[Tensor]) -> Tensor:
        """Return the decoder's state (n, 256) after the last choice of a stroke."""
        return state + self.mix[name](torch.cat((state, self.embed[name](stroke[-1])), dim=1))

    def chord(self, start: Tensor, end: Tensor) -> Chord:
        """Return the chord between locations (n,)."""
        first, last = self.pixels[start], self.pixels[end]
        along = last - first
        length = along.norm(dim=1, keepdim=True)
        along = torch.where(length > 0, along / length.clamp(min=1), self.right) * length.clamp(min=SHORTEST_PX)
        return Chord((first + last) / 2, along)

    def seen(self, state: Tensor, chord: Chord, view: View) -> Tensor:
        """Return what a control point is chosen by (n, ...): a glimpse along the chord, the chord itself, the state."""
        glimpse = glimpses(view.image, chord.middle, chord.along, self.beside)
        half = CANVAS_PX / 2
        return torch.cat((glimpse, chord.along / half, chord.middle / half - 1, state), dim=1)

    def bend(self, seen: Tensor, chord: Chord) -> Tensor:
        """Return logits (n, 1024) of control points beside chords, of what `seen` returned."""
        forward, aside, sharp, share = self.bends(seen).view(-1, 4, BENDS, 1).unbind(dim=1)
        middle, along = (part[:, None] / CELL_PX for part in chord)
        places = middle + forward * along + aside * turned(chord.along)[:, None] / CELL_PX
        sharp = (1 + sharp).abs() + BLUNTEST
        # ln κ − κ·|x − μ|²/2 is linear in x, |x|²/2 and 1.
        constant = functional.log_softmax(share, dim=1) + sharp.log() - sharp * places.square().sum(2, True) / 2
        return torch.logsumexp(torch.cat((sharp * places, -sharp, constant), dim=2) @ self.moments, dim=1)


def mixer() -> nn.Sequential:
    """Return what mixes a choice into the decoder's state."""
    return nn.Sequential(nn.Linear(WIDTH + 128, 128), nn.ReLU(), nn.Linear(128, WIDTH))
