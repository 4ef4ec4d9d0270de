"""The papers' net: SPIRAL's policy as Ganin et al. 2018 (section 3.2 and appendix) and their public code size it.

Canvas with coordinate channels → 5×5 convolution, to which the action before and the noise add a vector → three 4×4
convolutions of stride 2 → 8 residual blocks → 256 → LSTM 256 → heads. A location head shapes the decoder's state as 4×4
and upsamples it to 32×32. All convolutions have 32 channels.

The order of the components (flag, end, control, size, pressure, red, green, blue) is the public code's. What differs:

- the target of a conditional policy is given as further image channels, which the public code leaves out;
- only an unconditional policy has noise, where the public code always has;
- at an episode's start the action before adds nothing, where the public code takes it as an action of zeros;
- what follows a jump's end is not sampled, and widths that the brush cannot paint are masked (`Policy.decode`).

As in the public code, the policy is not told how many strokes are left.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from planner.actions import CANVAS_PX, GRID, PAINT
from planner.policy import NOISE, PLACES, WIDTH, Kind, Memory, Policy, View, new_critic, planes

CHANNELS: Final = 32
BLOCKS: Final = 8
"""Residual blocks of the encoder, and of each location head."""
EMBEDDING: Final = 16
"""Numbers that a component's choice is embedded in."""


class ResidualBlock(nn.Module):
    """A 3×3 and a 1×1 convolution around a shortcut."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1)
        self.second = nn.Conv2d(CHANNELS, CHANNELS, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return (n, 32, h, w)."""
        result: Tensor = x + self.second(functional.relu(self.first(functional.relu(x))))
        return result


def stack(inputs: int) -> list[nn.Module]:
    """Return a 3×3 convolution of `inputs` channels and the residual blocks."""
    return [nn.Conv2d(inputs, CHANNELS, 3, padding=1), *(ResidualBlock() for _ in range(BLOCKS)), nn.ReLU()]


def encoder() -> nn.Sequential:
    """Return what takes (n, 32, 64, 64) to (n, 256)."""
    strided: list[nn.Module] = []
    for _ in range(3):
        strided += [nn.Conv2d(CHANNELS, CHANNELS, 4, stride=2, padding=1), nn.ReLU()]
    return nn.Sequential(*strided, *stack(CHANNELS), nn.Flatten(), nn.Linear(CHANNELS * 8 * 8, WIDTH))


def location_head() -> nn.Sequential:
    """Return what takes the decoder's state (n, 256) to a logit for each location (n, 1024)."""
    strided: list[nn.Module] = []
    for _ in range(3):
        strided += [nn.ConvTranspose2d(CHANNELS, CHANNELS, 4, stride=2, padding=1), nn.ReLU()]
    first = [nn.Unflatten(1, (WIDTH // 16, 4, 4)), *stack(WIDTH // 16)]
    return nn.Sequential(*first, *strided, nn.Conv2d(CHANNELS, 1, 3, padding=1), nn.Flatten())


def perceptron(*sizes: int) -> nn.Sequential:
    """Return linear layers of these sizes with ReLU between them."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


class PaperPolicy(Policy):
    """The papers' net."""

    def __init__(self, kind: Kind) -> None:
        super().__init__(kind)
        images = (3 if kind.colour else 1) * (2 if kind.conditional else 1)
        inputs = {name: 2 if name in PLACES else size for name, size in self.components.items()}
        self.stem = nn.Conv2d(images + 2, CHANNELS, 5, padding=2)
        self.before = nn.ModuleDict({name: nn.Linear(size, EMBEDDING) for name, size in inputs.items()})
        self.condition = perceptron(EMBEDDING * len(inputs), 64, 32, CHANNELS)
        if not kind.conditional:
            self.noise = perceptron(NOISE, 64, 32, CHANNELS)
        self.encoder = encoder()
        self.lstm = nn.LSTMCell(WIDTH, WIDTH)
        with torch.no_grad():
            self.lstm.bias_ih[WIDTH : 2 * WIDTH] += 1.0  # at first the LSTM forgets little, as Sonnet's does
        self.heads = nn.ModuleDict(
            {name: location_head() if name in PLACES else nn.Linear(WIDTH, size) for name, size in inputs.items()}
        )
        # What the last component was is of no use to any other.
        followed = list(inputs.items())[:-1]
        self.embed = nn.ModuleDict({name: nn.Linear(size, EMBEDDING) for name, size in followed})
        self.mix = nn.ModuleDict({name: perceptron(WIDTH + EMBEDDING, 16, 32, WIDTH) for name, _ in followed})
        self.critic = new_critic()
        steps = torch.linspace(-1, 1, CANVAS_PX)
        rows, columns = torch.meshgrid(steps, steps, indexing="ij")
        self.register_buffer("coordinates", torch.stack((columns, rows))[None], persistent=False)

    def look(self, canvas: Tensor, target: Tensor | None) -> View:
        """Return the view: features (n, 32, 64, 64), no keys and no image (n, 0)."""
        coordinates: Tensor = self.coordinates  # type: ignore[assignment]
        images = [planes(canvas)] if target is None else [planes(canvas), planes(target)]
        image = torch.cat((*images, coordinates.expand(len(canvas), -1, -1, -1)), dim=1)
        features = self.stem(image.contiguous(memory_format=torch.channels_last))
        nothing = features.new_zeros(len(canvas), 0)
        return View(features, nothing, nothing)

    def remember(self, view: View, before: Tensor, left: Tensor, memory: Memory) -> Memory:
        """Advance the LSTM by one action; `left` is not looked at."""
        acted = (before[:, :1] >= 0).float()
        painted = acted * (before[:, :1] == PAINT)
        shown = [
            (acted if name in ("flag", "end") else painted) * embed(self._numbers(name, before[:, column].clamp(min=0)))
            for column, (name, embed) in enumerate(self.before.items())
        ]
        vector = self.condition(torch.cat(shown, dim=1))
        if not self.kind.conditional:
            vector = vector + self.noise(memory.noise)
        seen = self.encoder(functional.relu(view.features + vector[:, :, None, None]))
        hidden, cell = self.lstm(seen, (memory.hidden, memory.cell))
        return Memory(hidden, cell, memory.noise)

    def logits(self, name: str, state: Tensor, view: View, stroke: Sequence[Tensor]) -> Tensor:
        """Return the logits (n, size) of a component."""
        found: Tensor = self.heads[name](state)
        return found

    def follow(self, name: str, state: Tensor, view: View, stroke: Sequence[Tensor]) -> Tensor:
        """Return the decoder's state (n, 256) after the last choice of a stroke."""
        embedded = self.embed[name](self._numbers(name, stroke[-1]))
        return functional.relu(state + self.mix[name](torch.cat((state, embedded), dim=1)))

    def _numbers(self, name: str, choice: Tensor) -> Tensor:
        """Return choices (n,) as numbers: rows and columns from −1 to 1 of locations, else one of `size` hot."""
        if name in PLACES:
            return torch.stack((choice // GRID, choice % GRID), dim=1) * (2 / (GRID - 1)) - 1
        return functional.one_hot(choice, self.components[name]).float()
