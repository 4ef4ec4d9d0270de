"""Recorded paintings: what the camera saw of a painting, step by step, for the discriminator to learn from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from planner.actions import CANVAS_PX
from sim.errors import InputError


@dataclass(frozen=True)
class Recordings:
    """Pairs of what was seen and what was to be painted."""

    canvases: NDArray[np.float32]
    """(n, 64, 64) canvases as the camera saw them, 1 is white paper."""
    targets: NDArray[np.float32]
    """(n, 64, 64) the targets of those paintings."""


def grey(path: Path) -> NDArray[np.float32]:
    """Return an image file as a 64×64 grey picture in [0, 1]."""
    image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    if image is None:
        raise InputError(f"{path}: cannot read this image; remove the recording or record it again")
    return cv2.resize(image, (CANVAS_PX, CANVAS_PX), interpolation=cv2.INTER_AREA).astype(np.float32) / np.float32(255)


def read(folder: Path) -> Recordings:
    """Return all recordings below a folder: out folders of `spiral-paint` with `target.png` and `seen/*.png`.

    Raises:
        InputError: There is none.
    """
    canvases, targets = [], []
    for target in sorted(folder.glob("**/target.png")):
        for seen in sorted((target.parent / "seen").glob("*.png")):
            canvases.append(grey(seen))
            targets.append(grey(target))
    if not canvases:
        raise InputError(f"{folder}: no recorded painting below it (target.png and seen/*.png); paint one first")
    return Recordings(np.stack(canvases), np.stack(targets))
