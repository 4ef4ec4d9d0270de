"""Pictures to learn from: MNIST, Omniglot, Quick, Draw!, KanjiVG and any folder of images, as 64×64 line art."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from planner.actions import CANVAS_PX
from planner.target import MARGIN_PX, Target, digit, drawing, images_in
from sim.errors import InputError

Pictures = NDArray[np.uint8]
"""(n, 64, 64), 255 is white paper."""

MNIST_VALIDATION: Final = 5000
"""The last images of MNIST's training file: tuning happens on them and training never sees them."""
SUBPIXEL_BITS: Final = 4


def digits(images: NDArray[np.uint8]) -> Pictures:
    """Return line art (n, 64, 64) of MNIST images (n, 28, 28), in which 255 is ink."""
    return np.stack([_bytes(digit(255 - image)) for image in images])


def _bytes(target: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.rint(255 * target).astype(np.uint8)


def read_idx(path: Path) -> NDArray[np.uint8]:
    """Return the images (n, rows, columns) of an idx file, gzipped or not."""
    try:
        data = path.read_bytes()
        data = gzip.decompress(data) if path.suffix == ".gz" else data
        if data[:4] != b"\x00\x00\x08\x03":
            raise ValueError("not an idx file of images")
        shape = np.frombuffer(data, ">u4", 3, 4)
        return np.frombuffer(data, np.uint8, offset=16).reshape(tuple(int(side) for side in shape))
    except (OSError, EOFError, ValueError) as error:
        raise InputError(f"{path}: cannot read MNIST images ({error}); get a whole copy of the file") from error


def fit(lines: Sequence[NDArray[np.float64]], width_px: float) -> NDArray[np.uint8]:
    """Return the line art (64, 64) of a drawing fitted into the square.

    Args:
        lines: Polylines (m, 2) of x right and y down, any unit.
        width_px: Width of the lines on the 64-pixel canvas.
    """
    points = np.concatenate(lines)
    low, high = points.min(axis=0), points.max(axis=0)
    room = CANVAS_PX - 2 * MARGIN_PX - width_px
    scale = room / max(1e-9, float((high - low).max()))
    image = np.full((4 * CANVAS_PX, 4 * CANVAS_PX), 255, np.uint8)
    for line in lines:
        placed = ((line - (low + high) / 2) * scale + CANVAS_PX / 2) * 4 - 0.5
        whole = np.rint(placed * (1 << SUBPIXEL_BITS)).astype(np.int32)
        cv2.polylines(image, [whole], False, 0, max(1, round(4 * width_px)), cv2.LINE_AA, SUBPIXEL_BITS)
    return cv2.resize(image, (CANVAS_PX, CANVAS_PX), interpolation=cv2.INTER_AREA).astype(np.uint8)


def omniglot(path: Path) -> Pictures:
    """Return the line art of an Omniglot npz: `bits` holds 105×105 images packed bit by bit, 1 is ink."""
    with np.load(path) as data:
        ink = np.unpackbits(data["bits"], axis=1, count=105 * 105).reshape(-1, 105, 105)
    return np.stack([_bytes(drawing(image)) for image in (255 * (1 - ink)).astype(np.uint8)])


def quickdraw(path: Path) -> Pictures:
    """Return the line art of an npz of Quick, Draw! drawings."""
    with np.load(path) as data:
        points = data["points"].astype(np.float64)
        strokes, drawings = data["stroke_offsets"], data["drawing_offsets"]
    pictures = []
    for index, (first, last) in enumerate(pairwise(drawings)):
        lines = [points[strokes[k] : strokes[k + 1]] for k in range(first, last)]
        pictures.append(fit(lines, line_width_px(index)))
    return np.stack(pictures)


def kanji(path: Path) -> Pictures:
    """Return the line art of an npz of pen movements (dx, dy, pen lifted after the point)."""
    with np.load(path) as data:
        points, offsets = data["points"].astype(np.float64), data["offsets"]
    pictures = []
    for index, (first, last) in enumerate(pairwise(offsets)):
        moves = points[first:last]
        lines = np.split(np.cumsum(moves[:, :2], axis=0), np.nonzero(moves[:, 2])[0] + 1)
        pictures.append(fit([line for line in lines if len(line)], line_width_px(index)))
    return np.stack(pictures)


def line_width_px(index: int) -> float:
    """Return a line width from 2 to 5 pixels of 64, the same for the same drawing every time."""
    return 2.0 + 3.0 * ((index * 0.6180339887) % 1.0)


def folder(path: Path) -> Pictures:
    """Return the targets (n, 64, 64) of all images of a folder, in the order of their names."""
    return np.stack([_bytes(Target.load(file).image) for file in images_in(path)])


def kept(pictures: Pictures) -> Pictures:
    """Return nine of ten pictures; every tenth is left out of training."""
    return pictures[np.arange(len(pictures)) % 10 != 0]


def line_art(data: Path) -> tuple[dict[str, Pictures], dict[str, Pictures]]:
    """Return the pictures found under a data folder, by data set: those to train on and those to validate on.

    MNIST's last 5000 training images and every tenth picture of the other sets are for validation.

    Args:
        data: A folder with any of `mnist/`, `omniglot/` and `sketches/` in it, or one of images.

    Raises:
        InputError: The folder is missing or holds none of them.
    """
    if not data.is_dir():
        raise InputError(
            f"{data}: no such folder; give --data a folder with mnist/train-images-idx3-ubyte.gz, "
            "omniglot/omniglot_background.npz, sketches/*.npz or your own images"
        )
    sets: dict[str, Pictures] = {}
    held: dict[str, Pictures] = {}
    mnist = data / "mnist" / "train-images-idx3-ubyte.gz"
    if mnist.exists():
        pictures = digits(read_idx(mnist))
        sets["mnist"], held["mnist"] = pictures[:-MNIST_VALIDATION], pictures[-MNIST_VALIDATION:]
    for name, file, read in (
        ("quickdraw", "sketches/quickdraw_simplified.npz", quickdraw),
        ("kanji", "sketches/kanjivg_stroke3.npz", kanji),
        ("omniglot", "omniglot/omniglot_background.npz", omniglot),
    ):
        if (data / file).exists():
            pictures = read(data / file)
            sets[name], held[name] = kept(pictures), pictures[::10]
    if not sets:
        pictures = folder(data)
        if len(pictures) < 2:
            raise InputError(f"{data}: holds one image; give two or more, of which one is kept for validation")
        sets[data.name], held[data.name] = kept(pictures), pictures[::10]
    return sets, held
