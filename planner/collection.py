"""A set of pictures that are drawn or decoded when they are asked for, so that a large one needs no memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planner.target import SIDE_PX
from sim.canvas import Image
from sim.errors import InputError

Pictures = NDArray[np.uint8]
"""(n, 64, 64), 255 is white paper; or (n, 64, 64, 3) RGB in colour."""
Indices = NDArray[np.int64]
"""(n,) positions in a collection."""


def shades(pictures: Pictures) -> Image:
    """Return pictures as the canvas has them: float32 in [0, 1], 1 is white paper."""
    return pictures.astype(np.float32) / np.float32(255)


@dataclass(frozen=True)
class Collection:
    """Pictures by their position. Other processes can be given one: it holds no open file."""

    count: int
    """Number of pictures."""
    draw: Callable[[Indices], Pictures]
    """Return the pictures at these positions."""
    place: Callable[[int], str]
    """Return the words for where a picture stands: its file, and its number in it."""

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, which: int | slice | Indices) -> Pictures:
        """Return pictures by a slice or by their positions, or the one at a position.

        Raises:
            InputError: A file is damaged, or a picture has one colour only.
        """
        if isinstance(which, int | np.integer):
            return self[np.array([which])][0]
        positions = np.arange(self.count)[which]
        if not len(positions):
            return np.empty((0, SIDE_PX, SIDE_PX), np.uint8)
        pictures = self.draw(positions)
        even = np.flatnonzero((pictures == pictures[:, :1, :1]).reshape(len(pictures), -1).all(axis=1))
        if len(even):
            raise InputError(f"{self.place(int(positions[even[0]]))}: has one colour only; remove it, or mend the file")
        return pictures

    def only(self, which: slice | Indices) -> Collection:
        """Return the part of this collection at these positions, in their order."""
        positions = np.arange(self.count)[which]
        return Collection(len(positions), _Part(self.draw, positions), _Part(self.place, positions))


@dataclass(frozen=True)
class _Part:
    """A function of positions in a whole, as one of positions in a part of it."""

    of_whole: Callable[..., Any]
    positions: Indices

    def __call__(self, which: int | Indices) -> Any:
        return self.of_whole(self.positions[which])


Source = Pictures | Collection
"""Pictures in memory, or drawn as they are asked for: both are indexed alike."""
