"""MNIST's idx files: http://yann.lecun.com/exdb/mnist, "File formats for the MNIST database"."""

from __future__ import annotations

import gzip
from functools import partial
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from planner.actions import CANVAS_PX
from planner.collection import Collection, Indices, Pictures
from planner.formats.damage import DAMAGE, unreadable
from planner.target import DIGIT_PX
from sim.errors import InputError

CLASSES: Final = 10
PADDED_PX: Final = 32
AT_ONCE: Final = 512
"""Images that are resized as one: OpenCV takes at most 32767 rows."""


def read_idx(path: Path) -> NDArray[np.uint8]:
    """Return the images (n, rows, columns) of an idx file, 255 is ink; gzipped or not.

    Raises:
        InputError: The file is missing, damaged, cut short, or none of images.
    """
    return _read(path, 3, "images")


def read_labels(path: Path) -> NDArray[np.uint8]:
    """Return the labels (n,) of an idx file, 0 to 9; gzipped or not.

    Raises:
        InputError: The file is missing, damaged, cut short, or none of labels.
    """
    labels = _read(path, 1, "labels")
    if labels.size and labels.max() >= CLASSES:
        raise InputError(f"{path}: holds the label {labels.max()}, digits end at 9; get a whole copy of the file")
    return labels


def labels_of(images: Path) -> Path:
    """Return the file of labels that belongs to a file of images."""
    return images.with_name(images.name.replace("images", "labels").replace("idx3", "idx1"))


def _read(path: Path, dimensions: int, what: str) -> NDArray[np.uint8]:
    try:
        data = path.read_bytes()
        data = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
        if data[:4] != bytes((0, 0, 8, dimensions)):
            raise ValueError(f"not an idx file of {what}")
        start = 4 + 4 * dimensions
        if len(data) < start:
            raise ValueError("it ends within its header")
        shape = tuple(int(side) for side in np.frombuffer(data, ">u4", dimensions, 4))
        if len(data) - start != (promised := int(np.prod(shape, dtype=object))):
            raise ValueError(f"its header promises {promised} bytes of {what}, it holds {len(data) - start}")
        return np.frombuffer(data, np.uint8, offset=start).reshape(shape)
    except DAMAGE as error:
        raise unreadable(path, f"as MNIST {what}", error) from None


def digits(images: NDArray[np.uint8]) -> Pictures:
    """Return line art (n, 64, 64) of MNIST images (n, 28, 28), in which 255 is ink: `planner.target.digit` of each.

    The images are padded with paper, so that many can be resized as one tall image without touching each other.
    """
    pad = (PADDED_PX - DIGIT_PX) // 2
    padded = np.pad(255 - images, ((0, 0), (pad, pad), (pad, pad)), constant_values=255)
    pictures = np.empty((len(images), CANVAS_PX, CANVAS_PX), np.uint8)
    for first in range(0, len(images), AT_ONCE):
        some = padded[first : first + AT_ONCE].reshape(-1, PADDED_PX)
        tall = cv2.resize(some, (CANVAS_PX, len(some) * CANVAS_PX // PADDED_PX), interpolation=cv2.INTER_LINEAR)
        pictures[first : first + AT_ONCE] = tall.reshape(-1, CANVAS_PX, CANVAS_PX)
    return pictures


def collection(path: Path) -> Collection:
    """Return the digits of an idx file of images.

    Raises:
        InputError: As `read_idx`, or the images are not 28×28.
    """
    images = read_idx(path)
    if images.shape[1:] != (DIGIT_PX, DIGIT_PX) or not len(images):
        size = "×".join(str(side) for side in images.shape)
        raise InputError(f"{path}: holds {size} values, MNIST n×28×28; get a whole copy of the file")
    return Collection(len(images), partial(_draw, images), partial(_place, path))


def _draw(images: NDArray[np.uint8], which: Indices) -> Pictures:
    return digits(images[which])


def _place(path: Path, index: int) -> str:
    return f"{path}, image {index}"
