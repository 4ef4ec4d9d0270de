"""Arrays of an npz file, without pickled objects."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from planner.formats.damage import DAMAGE, unreadable
from sim.errors import InputError


def read_npz(path: Path, names: tuple[str, ...]) -> list[NDArray]:
    """Return the arrays of these names.

    Raises:
        InputError: The file is missing or damaged, lacks an array, or holds pickled objects.
    """
    try:
        with np.load(path, allow_pickle=False) as data:
            if not isinstance(data, np.lib.npyio.NpzFile):
                raise ValueError("one array, not several")
            missing = [name for name in names if name not in data.files]
            if missing:
                raise ValueError(f"array {missing[0]} is missing; there are: {', '.join(data.files) or 'none'}")
            return [data[name] for name in names]
    except DAMAGE as error:
        raise unreadable(path, "as npz", error) from None


def check_offsets(path: Path, name: str, offsets: NDArray, end: int) -> None:
    """Refuse offsets that do not part `end` rows into pieces of at least one.

    Raises:
        InputError: They do not begin at 0, do not rise, or do not end at `end`.
    """
    whole = offsets.ndim == 1 and offsets.size > 1 and np.issubdtype(offsets.dtype, np.integer)
    if not whole or offsets[0] != 0 or offsets[-1] != end or (np.diff(offsets.astype(np.int64)) < 1).any():
        raise InputError(f"{path}: {name} must rise from 0 to {end}, its number of rows; get a whole copy of the file")
