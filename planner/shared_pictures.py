"""Pictures in memory that processes share, so that another actor costs no other copy of the data sets."""

from __future__ import annotations

import multiprocessing
from ctypes import c_uint8
from typing import Any

import numpy as np

from planner.datasets import Pictures


class SharedPictures:
    """Pictures (n, 64, 64) as `Pictures` has them, in shared memory.

    Only `multiprocessing` can hand one on, to a process that it starts. The memory has no name: the system frees it
    with the last process, however that one ends.
    """

    def __init__(self, pictures: Pictures) -> None:
        """Copy pictures."""
        self.shape = pictures.shape
        self.memory: Any = multiprocessing.RawArray(c_uint8, max(1, pictures.size))
        self.view()[:] = pictures

    def view(self) -> Pictures:
        """Return the pictures themselves."""
        return np.frombuffer(self.memory, np.uint8)[: int(np.prod(self.shape))].reshape(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, which: Any) -> Pictures:
        """Return copies or views of some, as numpy does."""
        return self.view()[which]


def share(sets: dict[str, Any]) -> dict[str, Any]:
    """Move arrays of pictures to shared memory, one after another; those drawn as they are asked for stay."""
    for name in list(sets):
        if isinstance(sets[name], np.ndarray):
            sets[name] = SharedPictures(sets[name])
    return sets
