"""Replay of final canvases: what the discriminator learns from beside the newest paintings."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sim.canvas import Image


class Replay:
    """The last so many final canvases with their targets (Ganin et al. 2018, section 3.3).

    A discriminator that sees only the newest canvases chases the policy in circles.
    """

    def __init__(self, capacity: int, colour: bool = False) -> None:
        """Hold up to `capacity` pairs, grey or in colour."""
        self.capacity = capacity
        shape = (0, 64, 64, 3) if colour else (0, 64, 64)
        self.canvases: Image = np.empty(shape, np.float32)
        self.targets: Image = np.empty(shape, np.float32)

    def add(self, canvases: Image, targets: Image) -> None:
        """Remember canvases with their targets, each (n, 64, 64) or (n, 64, 64, 3); the oldest are forgotten."""
        self.canvases = np.concatenate((self.canvases, canvases))[-self.capacity :]
        self.targets = np.concatenate((self.targets, targets))[-self.capacity :]

    def draw(self, count: int, rng: np.random.Generator) -> tuple[Image, Image]:
        """Return `count` canvases and their targets, drawn with replacement."""
        index: NDArray[np.int64] = rng.integers(0, len(self.canvases), count)
        return self.canvases[index], self.targets[index]

    def state(self) -> dict[str, Any]:
        """Return the contents, for a checkpoint."""
        return {"canvases": torch.from_numpy(self.canvases), "targets": torch.from_numpy(self.targets)}

    def restore(self, state: dict[str, Any]) -> None:
        """Take over the contents that `state` returned."""
        self.canvases, self.targets = state["canvases"].numpy(), state["targets"].numpy()
