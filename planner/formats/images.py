"""Folders of image files."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from planner.collection import Collection, Indices, Pictures
from planner.target import Target, images_in


def collection(folder: Path) -> Collection:
    """Return all images of a folder as targets, in the order of their names.

    Raises:
        InputError: There is no such folder, or no image in it; on drawing, an image is damaged or has nothing on it.
    """
    files = images_in(folder)
    return Collection(len(files), partial(_draw, files), lambda index: str(files[index]))


def _draw(files: list[Path], which: Indices) -> Pictures:
    return np.array([np.rint(255 * Target.load(files[k]).image) for k in which], np.uint8)
