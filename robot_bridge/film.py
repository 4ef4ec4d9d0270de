"""A film of the arm at work."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

if TYPE_CHECKING:
    from sim.world import World

FPS: Final = 16.0
"""Frames a second when it is shown."""
PERIOD_S: Final = 0.6
"""Time of the arm between two frames [s]: the film is shown FPS · PERIOD_S times as fast as the arm moves."""


class Film:
    """A film in a folder; a context manager. It appears under its name, whole, when it is closed."""

    def __init__(self, folder: Path) -> None:
        self.seconds = 0.0
        """Time spent on it [s]."""
        self._folder = folder
        self._part = folder / ".film-to-come.mp4"
        self._writer: cv2.VideoWriter | None = None

    def frame(self, world: World) -> None:
        """Add a frame."""
        started = time.perf_counter()
        picture = world.film_frame()
        if self._writer is None:
            size = (picture.shape[1], picture.shape[0])
            code = cv2.VideoWriter_fourcc(*"mp4v")  # type: ignore[attr-defined]
            self._writer = cv2.VideoWriter(str(self._part), code, FPS, size)
        self._writer.write(np.ascontiguousarray(picture[..., ::-1]))
        self.seconds += time.perf_counter() - started

    def __enter__(self) -> Film:
        # What a killed sitting left cannot be played.
        self._part.unlink(missing_ok=True)
        return self

    def __exit__(self, *exception: object) -> None:
        """Give the film its name, `painting.mp4` or the next free `painting-2.mp4` when a painting was resumed."""
        if self._writer is None:
            return
        self._writer.release()
        # OpenCV does not say when a disk is full: what cannot be played is not kept.
        playable = cv2.VideoCapture(str(self._part)).read()[0]
        if not playable:
            self._part.unlink(missing_ok=True)
            return
        names = [f"painting{number}.mp4" for number in ("", *(f"-{count}" for count in range(2, 1000)))]
        self._part.rename(next(path for name in names if not (path := self._folder / name).exists()))
