"""Drawings recorded as lines: Quick, Draw! and the pen movements of KanjiVG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from planner.actions import CANVAS_PX
from planner.collection import Collection, Indices, Pictures
from planner.formats.arrays import check_offsets, read_npz
from planner.target import MARGIN_PX
from sim.errors import InputError

SUBPIXEL_BITS: Final = 4
Lines = list[NDArray[np.float64]]
"""Polylines (m, 2) of x right and y down, any unit."""


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
    placed = ((points - (low + high) / 2) * scale + CANVAS_PX / 2) * 4 - 0.5
    whole = np.rint(placed * (1 << SUBPIXEL_BITS)).astype(np.int32)
    ends = np.cumsum([0] + [len(line) for line in lines])
    image = np.full((4 * CANVAS_PX, 4 * CANVAS_PX), 255, np.uint8)
    pieces = [whole[first:last] for first, last in pairwise(ends)]
    cv2.polylines(image, pieces, False, 0, max(1, round(4 * width_px)), cv2.LINE_AA, SUBPIXEL_BITS)
    return cv2.resize(image, (CANVAS_PX, CANVAS_PX), interpolation=cv2.INTER_AREA).astype(np.uint8)


def line_width_px(index: int) -> float:
    """Return a line width from 2 to 5 pixels of 64, the same for the same drawing every time."""
    return 2.0 + 3.0 * ((index * 0.6180339887) % 1.0)


@dataclass(frozen=True)
class Drawings:
    """Drawings as lines, in flat arrays."""

    points: NDArray[np.float64]
    """(p, 2) x right and y down, any unit."""
    strokes: NDArray[np.int64]
    """(s + 1,): stroke k is points[strokes[k]:strokes[k + 1]]."""
    drawings: NDArray[np.int64]
    """(d + 1,): drawing j has the strokes drawings[j] to drawings[j + 1]."""

    def lines(self, index: int) -> Lines:
        """Return the lines of a drawing."""
        ends = self.strokes[self.drawings[index] : self.drawings[index + 1] + 1]
        return [self.points[first:last] for first, last in pairwise(ends)]

    def draw(self, which: Indices) -> Pictures:
        """Return the line art of the drawings at these positions."""
        return np.array([fit(self.lines(int(k)), line_width_px(int(k))) for k in which], np.uint8)


def quickdraw(path: Path) -> Collection:
    """Return the drawings of an npz: `points` (p, 2), `stroke_offsets` into them, `drawing_offsets` into the strokes.

    Raises:
        InputError: The file is damaged, or its offsets do not fit.
    """
    points, strokes, drawings = read_npz(path, ("points", "stroke_offsets", "drawing_offsets"))
    check_points(path, points, 2)
    check_offsets(path, "stroke_offsets", strokes, len(points))
    check_offsets(path, "drawing_offsets", drawings, len(strokes) - 1)
    found = Drawings(points.astype(np.float64), strokes.astype(np.int64), drawings.astype(np.int64))
    return Collection(len(drawings) - 1, found.draw, partial(place, path))


def kanji(path: Path) -> Collection:
    """Return the characters of an npz of pen movements: `points` (p, 3), `offsets` into them.

    A point is dx, dy, and 1 where the pen is lifted after it.

    Raises:
        InputError: The file is damaged, or its offsets do not fit.
    """
    points, offsets = read_npz(path, ("points", "offsets"))
    check_points(path, points, 3)
    check_offsets(path, "offsets", offsets, len(points))
    return of_moves(path, points.astype(np.float64), offsets.astype(np.int64))


def of_moves(path: Path, moves: NDArray[np.float64], offsets: NDArray[np.int64]) -> Collection:
    """Return characters given as pen movements (p, 3), `offsets` (d + 1,) into them."""
    points = np.concatenate([np.cumsum(moves[first:last, :2], axis=0) for first, last in pairwise(offsets)])
    lifted = moves[:, 2] != 0
    lifted[offsets[1:] - 1] = True  # a character ends where the next begins, whether the pen is lifted or not
    strokes = np.concatenate(([0], np.flatnonzero(lifted) + 1))
    found = Drawings(points, strokes, np.searchsorted(strokes, offsets))
    return Collection(len(offsets) - 1, found.draw, partial(place, path))


def check_points(path: Path, points: NDArray, columns: int) -> None:
    """Refuse points that are not finite numbers (p, columns).

    Raises:
        InputError: They are not.
    """
    if points.ndim != 2 or points.shape[1] != columns or not np.issubdtype(points.dtype, np.number):
        raise InputError(f"{path}: points is {points.dtype} {points.shape}, not (p, {columns}); get a whole copy of it")
    if not np.isfinite(points).all():
        raise InputError(f"{path}: points holds values that are no numbers; get a whole copy of it")


def place(path: Path, index: int) -> str:
    """Return the words for where a drawing stands."""
    return f"{path}, drawing {index}"
