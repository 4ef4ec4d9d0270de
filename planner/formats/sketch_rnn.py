"""The npz files of sketch-rnn (hardmaru/sketch-rnn-datasets): pickled arrays, read without running their pickles."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path
from typing import IO, Any, Final

import numpy as np
from numpy.typing import NDArray

from planner.collection import Collection
from planner.formats.damage import DAMAGE, unreadable
from planner.formats.sketches import check_points, of_moves
from sim.errors import InputError

PARTS: Final = ("train", "valid")
"""The parts that are read, in this order; `test` is left alone, as in the arrays that `sketches.kanji` reads."""
_ARRAYS: Final = {
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("_codecs", "encode"),
}
"""All that a pickled array of arrays names."""


class _ArraysOnly(pickle.Unpickler):
    """Unpickle arrays and refuse every other name, so that nothing a file says is ever called."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ARRAYS:
            raise pickle.UnpicklingError(f"it holds {module}.{name}, no array")
        return super().find_class(module.replace("numpy.core", "numpy._core"), name)


def kanji(path: Path) -> Collection:
    """Return the characters of kanji.rdp100.npz: pen movements (m, 3) of dx, dy, and 1 where the pen is lifted.

    Raises:
        InputError: The file is damaged, or holds anything but arrays.
    """
    drawings: list[NDArray] = []
    try:
        with zipfile.ZipFile(path) as archive:
            for part in PARTS:
                with archive.open(f"{part}.npy") as file:
                    drawings += list(_objects(file))
    except DAMAGE as error:
        raise unreadable(path, "as sketch-rnn's npz", error) from None
    for index, drawing in enumerate(drawings):
        if not isinstance(drawing, np.ndarray) or not drawing.size:
            raise InputError(f"{path}, drawing {index}: is empty; get a whole copy of the file")
        check_points(path, drawing, 3)
    ends = np.cumsum([0] + [len(drawing) for drawing in drawings])
    return of_moves(path, np.concatenate(drawings).astype(np.float64), ends)


def _objects(file: IO[bytes]) -> NDArray:
    """Return the array of objects of an open npy file."""
    version = np.lib.format.read_magic(file)
    if version != (1, 0):
        raise ValueError(f"npy version {version}")
    _, _, kind = np.lib.format.read_array_header_1_0(file)
    if kind != np.dtype(object):
        raise ValueError("no pickled arrays")
    objects = _ArraysOnly(file, encoding="latin1").load()
    if not isinstance(objects, np.ndarray) or objects.ndim != 1:
        raise ValueError("no list of arrays")
    return objects
