"""Files that are written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sim.errors import InputError


def make_folder(path: Path) -> None:
    """Make a folder, with those above it, unless it is there.

    Raises:
        InputError: it cannot be made or written to.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{path}: cannot make this folder ({error.strerror}); choose another place") from None
    if not os.access(path, os.W_OK):
        raise InputError(f"{path}: this folder cannot be written to; choose another place")


def write_image(path: Path, image: NDArray[np.floating] | NDArray[np.uint8], lasting: bool = True) -> None:
    """Write a picture as a whole file, its format by the path's ending.

    Args:
        path: Where, for example ending in `.png`.
        image: (H, W) grey or (H, W, 3) RGB, floats in [0, 1] or uint8.
        lasting: As in `write`.

    Raises:
        InputError: the file cannot be written.
    """
    import cv2

    levels = image if image.dtype == np.uint8 else np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)
    levels = levels[..., ::-1] if levels.ndim == 3 else levels
    write(path, cv2.imencode(path.suffix, levels)[1].tobytes(), lasting)


def read_image(path: Path) -> NDArray[np.uint8]:
    """Return a picture (H, W, 3) RGB, uint8, as `write_image` wrote it.

    Raises:
        InputError: the file is missing or damaged.
    """
    import cv2

    # OpenCV would print a line of its own about a file that is missing.
    content = path.read_bytes() if path.is_file() else b""
    pixels = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR) if content else None
    if pixels is None:
        raise InputError(f"{path}: is no picture; restore the file or begin anew")
    return np.ascontiguousarray(pixels[..., ::-1], np.uint8)


def write(path: Path, content: str | bytes, lasting: bool = True) -> None:
    """Write a file so that a kill or a full disk leaves the old one, or none, and never half of it.

    Args:
        path: Where; its folder must exist.
        content: The whole content, text as UTF-8.
        lasting: Wait until the disk has it, so that the same holds when the machine itself stops.

    Raises:
        InputError: the file cannot be written.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        try:
            with part.open("wb") as file:
                file.write(content.encode() if isinstance(content, str) else content)
                if lasting:
                    file.flush()
                    os.fsync(file.fileno())
            os.replace(part, path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror}); free space or choose another place") from None
