"""Omniglot: the zips of PNGs of brendenlake/omniglot, or the same images packed in an npz."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from planner.collection import Collection, Indices, Pictures
from planner.formats.arrays import read_npz
from planner.formats.files import Files
from planner.target import fitted
from sim.errors import InputError

IMAGE_PX: Final = 105
PACKED: Final = (IMAGE_PX * IMAGE_PX + 7) // 8
EVALUATION_ALPHABETS: Final = (
    "Aurek-Besh",
    "Ge_ez",
    "Glagolitic",
    "Gurmukhi",
    "Manipuri",
    "Old_Church_Slavonic_(Cyrillic)",
    "Oriya",
    "Sylheti",
    "Tengwar",
    "Tibetan",
)
"""Ten of the twenty alphabets of the evaluation set, on which figures are measured; never trained on."""


def read_packed(path: Path) -> NDArray[np.uint8]:
    """Return the array `bits` (n, 1379) of an npz: 105×105 images packed by `numpy.packbits`, 1 is ink.

    Raises:
        InputError: The file is damaged, or the array is another.
    """
    (bits,) = read_npz(path, ("bits",))
    if bits.dtype != np.uint8 or bits.ndim != 2 or bits.shape[1] != PACKED or not len(bits):
        raise InputError(f"{path}: bits is {bits.dtype} {bits.shape}, not uint8 (n, {PACKED}); get a whole copy of it")
    return bits


def read_images(path: Path, alphabets: tuple[str, ...] | None = None) -> NDArray[np.uint8]:
    """Return the images of a zip or a folder of PNGs (ALPHABET/characterNN/NNNN_NN.png) as `read_packed` does.

    They are sorted by alphabet, character and drawer. Every image is read, so damage is found.

    Args:
        path: For example images_background.zip.
        alphabets: Those wanted; None for all.

    Raises:
        InputError: A file is damaged, or is no 105×105 image.
    """
    files = Files.find(path, (".png",))
    wanted = [k for k, name in enumerate(files.names) if alphabets is None or set(alphabets) & set(name.split("/"))]
    if not wanted:
        raise InputError(f"{path}: holds none of the alphabets {', '.join(alphabets or ())}; get a whole copy of it")
    bits = np.empty((len(wanted), PACKED), np.uint8)
    for row, index in enumerate(wanted):
        content = np.frombuffer(files.read(index), np.uint8)
        image = cv2.imdecode(content, cv2.IMREAD_GRAYSCALE) if len(content) else None
        if image is None or image.shape != (IMAGE_PX, IMAGE_PX):
            raise InputError(f"{files.place(index)}: is no 105×105 PNG; get a whole copy of {path.name}")
        bits[row] = np.packbits(image < 128)
    return bits


def collection(path: Path, alphabets: tuple[str, ...] | None = None) -> Collection:
    """Return the characters of an npz, a zip or a folder.

    Raises:
        InputError: As `read_packed` and `read_images`.
    """
    bits = read_packed(path) if path.suffix == ".npz" else read_images(path, alphabets)
    return Collection(len(bits), partial(_draw, bits), partial(_place, path))


def _draw(bits: NDArray[np.uint8], which: Indices) -> Pictures:
    inks = np.unpackbits(bits[which], axis=1, count=IMAGE_PX * IMAGE_PX).reshape(-1, IMAGE_PX, IMAGE_PX)
    pictures = [np.rint(255 * fitted(ink)) for ink in inks.astype(np.float32)]
    return np.array(pictures, np.uint8)


def _place(path: Path, index: int) -> str:
    return f"{path}, image {index}"
