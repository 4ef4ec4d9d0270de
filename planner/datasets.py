"""Pictures to learn from: MNIST, Omniglot, Quick, Draw!, KanjiVG and any folder of images, as 64×64 line art.

Line art is black on white. Digits of 28×28 are padded to 32×32 and resized bilinearly to 64×64; other drawings are
fitted into the square with a margin of 3/32 of its side.
"""

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
from sim.errors import InputError

Pictures = NDArray[np.uint8]
"""(n, 64, 64), 255 is white paper."""

MARGIN: Final = 3 / 32
MNIST_VALIDATION: Final = 5000
"""The last images of MNIST's training file: tuning happens on them and training never sees them."""
SUBPIXEL_BITS: Final = 4


def digits(images: NDArray[np.uint8]) -> Pictures:
    """Return line art (n, 64, 64) of MNIST images (n, 28, 28), in which 255 is ink."""
    padded = np.pad(images, ((0, 0), (2, 2), (2, 2)))
    resized = [cv2.resize(image, (CANVAS_PX, CANVAS_PX), interpolation=cv2.INTER_LINEAR) for image in padded]
    return 255 - np.stack(resized).astype(np.uint8)


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
    room = CANVAS_PX * (1 - 2 * MARGIN) - width_px
    scale = room / max(1e-9, float((high - low).max()))
    image = np.full((4 * CANVAS_PX, 4 * CANVAS_PX), 255, np.uint8)
    for line in lines:
        placed = ((line - (low + high) / 2) * scale + CANVAS_PX / 2) * 4 - 0.5
        whole = np.rint(placed * (1 << SUBPIXEL_BITS)).astype(np.int32)
        cv2.polylines(image, [whole], False, 0, max(1, round(4 * width_px)), cv2.LINE_AA, SUBPIXEL_BITS)
    return cv2.resize(image, (CANVAS_PX, CANVAS_PX), interpolation=cv2.INTER_AREA).astype(np.uint8)


def fit_image(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the line art (64, 64) of a picture of dark lines on white paper, cropped to its ink and fitted."""
    rows, columns = np.nonzero(grey < 192)
    if not len(rows):
        return np.full((CANVAS_PX, CANVAS_PX), 255, np.uint8)
    top, bottom, left, right = rows.min(), rows.max() + 1, columns.min(), columns.max() + 1
    room = CANVAS_PX * (1 - 2 * MARGIN)
    scale = room / max(bottom - top, right - left)
    if scale < 1:  # shrink by area first, which keeps thin lines; the exact placement follows
        grey = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA).astype(np.uint8)
        top, bottom, left, right = (edge * scale for edge in (top, bottom, left, right))
        scale = 1.0
    place = np.array(
        [
            [scale, 0, CANVAS_PX / 2 - scale * (left + right) / 2 + (scale - 1) / 2],
            [0, scale, CANVAS_PX / 2 - scale * (top + bottom) / 2 + (scale - 1) / 2],
        ]
    )
    size = (CANVAS_PX, CANVAS_PX)
    return cv2.warpAffine(grey, place, size, flags=cv2.INTER_LINEAR, borderValue=255).astype(np.uint8)


def omniglot(path: Path) -> Pictures:
    """Return the line art of an Omniglot npz: `bits` holds 105×105 images packed bit by bit, 1 is ink."""
    with np.load(path) as data:
        ink = np.unpackbits(data["bits"], axis=1, count=105 * 105).reshape(-1, 105, 105)
    return np.stack([fit_image(image) for image in (255 * (1 - ink)).astype(np.uint8)])


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
    from planner.target import SUFFIXES, Target

    files = sorted(file for file in path.iterdir() if file.suffix.lower() in SUFFIXES)
    if not files:
        raise InputError(f"{path}: holds no PNG, JPEG or WebP; name a folder of images")
    return np.stack([np.rint(255 * Target.load(file).image).astype(np.uint8) for file in files])


def held_out(pictures: Pictures) -> Pictures:
    """Return every tenth drawing: training on Quick, Draw! and kanji leaves it out."""
    return pictures[::10]


def kept(pictures: Pictures) -> Pictures:
    """Return the nine of ten drawings that training sees."""
    return pictures[np.arange(len(pictures)) % 10 != 0]


def line_art(data: Path) -> dict[str, Pictures]:
    """Return the training pictures found under a data folder, by data set.

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
    mnist = data / "mnist" / "train-images-idx3-ubyte.gz"
    if mnist.exists():
        sets["mnist"] = digits(read_idx(mnist)[:-MNIST_VALIDATION])
    for name, file, read in (
        ("quickdraw", "sketches/quickdraw_simplified.npz", quickdraw),
        ("kanji", "sketches/kanjivg_stroke3.npz", kanji),
    ):
        if (data / file).exists():
            sets[name] = kept(read(data / file))
    background = data / "omniglot" / "omniglot_background.npz"
    if background.exists():
        sets["omniglot"] = omniglot(background)
    return sets or {data.name: folder(data)}


def mnist_validation(data: Path) -> Pictures | None:
    """Return the 5000 training images kept for tuning, or None where the folder has no MNIST."""
    mnist = data / "mnist" / "train-images-idx3-ubyte.gz"
    return digits(read_idx(mnist)[-MNIST_VALIDATION:]) if mnist.exists() else None
