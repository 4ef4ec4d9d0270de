"""Image files: folders and zips of them, and CelebA as it is published."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from planner.collection import Collection, Indices, Pictures
from planner.formats.damage import unreadable
from planner.formats.files import Files
from planner.target import SIDE_PX, SUFFIXES, Target, decoded, images_in
from sim.errors import InputError

CELEBA_PARTS: Final = ("train", "validation", "test")
"""What list_eval_partition.txt calls 0, 1 and 2."""
PARTITIONS: Final = ("list_eval_partition.txt", "list_eval_partition.csv")


def line_art(folder: Path) -> Collection:
    """Return all images of a folder as targets (n, 64, 64), in the order of their names.

    Raises:
        InputError: There is no such folder, or no image in it; on drawing, an image is damaged or has nothing on it.
    """
    files = images_in(folder)
    return Collection(len(files), partial(_draw_lines, files), partial(_place, files))


def _draw_lines(files: list[Path], which: Indices) -> Pictures:
    return np.array([np.rint(255 * Target.load(files[k]).image) for k in which], np.uint8)


def _place(files: list[Path], index: int) -> str:
    return str(files[index])


def colour(path: Path) -> Collection:
    """Return all images of a folder, with those below it, or of a zip as RGB squares (n, 64, 64, 3), sorted by name.

    Raises:
        InputError: The zip is damaged, or there is no image; on drawing, an image is damaged or has one colour only.
    """
    return _in_colour(Files.find(path, SUFFIXES))


def _in_colour(files: Files) -> Collection:
    return Collection(len(files.names), partial(_draw_colours, files), files.place)


def _draw_colours(files: Files, which: Indices) -> Pictures:
    return np.array([square(decoded(files.read(int(k)), files.place(int(k)))) for k in which], np.uint8)


def square(values: NDArray[np.float32]) -> Pictures:
    """Return the centre square of a picture (H, W, 3) BGR, resized by area to (64, 64, 3) RGB."""
    height, width = values.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    cut = values[top : top + side, left : left + side, ::-1]
    small = cv2.resize(np.ascontiguousarray(cut), (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA)
    return np.rint(small).astype(np.uint8)


def celeba(path: Path, part: str) -> Collection:
    """Return a part of CelebA's aligned faces: `train`, `validation` or `test`.

    Where the published partition lies beside the images, or in a folder Eval beside theirs, it says which is which;
    else every tenth image is for validation, and so for test.

    Args:
        path: img_align_celeba.zip or the folder img_align_celeba.
        part: One of `CELEBA_PARTS`.

    Raises:
        InputError: As `colour`, or the partition is damaged.
    """
    files = Files.find(path, SUFFIXES)
    whole = _in_colour(files)
    names = [name.rpartition("/")[2] for name in files.names]
    lists = [place / name for place in (path.parent, path.parent.parent / "Eval") for name in PARTITIONS]
    partition = next((file for file in lists if file.is_file()), None)
    if partition is None:
        held = np.arange(len(whole)) % 10 == 0
        return whole.only(np.flatnonzero(held != (part == "train")))
    parts = read_partition(partition)
    unknown = [name for name in names if name not in parts]
    if unknown:
        raise InputError(f"{partition}: does not name {unknown[0]}; get whole copies of the images and of this file")
    wanted = CELEBA_PARTS.index(part)
    return whole.only(np.array([k for k, name in enumerate(names) if parts[name] == wanted], np.int64))


def read_partition(path: Path) -> dict[str, int]:
    """Return the part (0, 1 or 2) of each image, by its name.

    Raises:
        InputError: The file cannot be read, or a line is not a name and a part.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise unreadable(path, "as CelebA's partition", error) from None
    parts: dict[str, int] = {}
    for number, line in enumerate(lines, 1):
        words = re.split(r"[,\s]+", line.strip())
        if number == 1 and words == ["image_id", "partition"]:
            continue
        if len(words) != 2 or words[1] not in ("0", "1", "2"):
            raise InputError(f"{path}, line {number}: is no image and 0, 1 or 2; get a whole copy of the file")
        parts[words[0]] = int(words[1])
    return parts
