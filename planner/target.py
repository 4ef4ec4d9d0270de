"""Targets: what to paint, from any image file to the 64×64 grey picture that the planner sees."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from planner.line_art import line_art
from sim import whole_file
from sim.errors import InputError

Grey = NDArray[np.uint8]
Kind = Literal["exact", "digit", "drawing", "photo"]
"""How a file became a target: `exact` 64×64 grey as it is, `digit` 28×28 padded and resized, `drawing` fitted into the
square, `photo` turned into line art."""

SUFFIXES: Final = (".png", ".jpg", ".jpeg", ".webp")
"""Endings of the image files that a folder is searched for."""
SIDE_PX: Final = 64
MARGIN_PX: Final = 6
"""3/32 of the side, on each side."""
DIGIT_PX: Final = 28
LARGEST_PX: Final = 1024
"""Larger images are reduced to this before anything else."""
FAINTEST_INK: Final = 0.1
THINNEST_PX: Final = 1.2
"""Lines that would be thinner than this in the target are drawn `THICKENED_PX` wide; a brush cannot paint a shadow."""
THICKENED_PX: Final = 2.5


@dataclass(frozen=True, eq=False)
class Target:
    """A picture to paint."""

    name: str
    """The file's name without its ending."""
    kind: Kind
    """How the file became a target."""
    image: NDArray[np.float32]
    """(64, 64) float32, read-only, 1 = white paper, all values multiples of 1/255."""

    @property
    def digest(self) -> str:
        """SHA-256 of the picture's 64×64 bytes, hexadecimal."""
        return digest(self.image)

    @classmethod
    def load(cls, path: str | Path) -> Target:
        """Read any PNG, JPEG or WebP image; transparent pixels are white paper.

        A 64×64 grey file is taken exactly as it is, a 28×28 one is padded to 32×32 and resized bilinearly, other
        drawings are fitted into the square with a margin of 3/32, photos become line art by their luminance. Light
        drawings on dark ground are inverted.

        Raises:
            InputError: the file is missing, empty, unreadable or no image, or there is nothing on it to paint.
        """
        path = Path(path)
        grey, coloured = _read(path)
        kind, image = _to_target(grey, coloured)
        if grey.min() == grey.max() or 1 - image.min() < FAINTEST_INK:
            raise InputError(f"{path}: nothing to paint (even, or without lines); choose a picture with dark lines")
        image.setflags(write=False)
        return cls(path.stem, kind, image)

    def save(self, path: str | Path) -> None:
        """Write a 64×64 grey PNG, from which `load` gives the same picture back.

        Raises:
            InputError: the file cannot be written.
        """
        whole_file.write_image(Path(path), _bytes(self.image))


def digest(image: NDArray[np.float32]) -> str:
    """Return the SHA-256 of a target's (64, 64) bytes, hexadecimal."""
    return hashlib.sha256(_bytes(image).tobytes()).hexdigest()


def images_in(folder: Path) -> list[Path]:
    """Return the image files of a folder, in the order of their names.

    Raises:
        InputError: there is no such folder or no image in it.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; name one that holds PNG, JPEG or WebP images")
    files = sorted(file for file in folder.iterdir() if file.suffix.lower() in SUFFIXES)
    if not files:
        raise InputError(f"{folder}: holds no PNG, JPEG or WebP; name a folder of images")
    return files


def digit(grey: Grey) -> NDArray[np.float32]:
    """Return a 28×28 digit (uint8, 255 = paper) as a target: padded to 32×32, resized bilinearly to 64×64."""
    padded = np.pad(grey, 2, constant_values=255)
    return _from_bytes(cv2.resize(padded, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_LINEAR))


def drawing(grey: Grey) -> NDArray[np.float32]:
    """Return a drawing as a target: its ink's bounding box fitted into the square with a margin of 3/32.

    Args:
        grey: (H, W) uint8, dark ink on light paper of any shade.
    """
    return fitted(_ink(grey))


def fitted(ink: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return ink (H, W), 0 is paper and 1 the darkest line, as a target: its bounding box fitted into the square."""
    inked = ink > 0.25
    if not inked.any():
        return np.ones((SIDE_PX, SIDE_PX), np.float32)
    rows, columns = np.flatnonzero(inked.any(1)), np.flatnonzero(inked.any(0))
    room = SIDE_PX - 2 * MARGIN_PX
    scale = room / max(np.ptp(rows) + 1, np.ptp(columns) + 1)
    framed = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    width = _line_width(ink[framed])
    if width * scale < THINNEST_PX:
        grow = round(THICKENED_PX / scale - width)
        ink = cv2.dilate(ink, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (grow + 1, grow + 1)))
    box = ink[framed]
    height, length = (max(1, round(side * scale)) for side in box.shape)
    kernel = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return _on_paper(cv2.resize(box, (length, height), interpolation=kernel))


def photo(grey: Grey) -> NDArray[np.float32]:
    """Return a photo (H, W) uint8 as a target: the strongest lines of its centre square, with a margin of 3/32."""
    return _on_paper(line_art(grey, SIDE_PX - 2 * MARGIN_PX))


def _read(path: Path) -> tuple[Grey, bool]:
    """Return the image's luminance over white paper, and whether it has colours."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); name an image file") from None
    values = decoded(content, str(path))
    coloured = bool((np.ptp(values, axis=2) > 0).any())
    luminance = values @ np.array([0.114, 0.587, 0.299], np.float32) if coloured else values[..., 0]
    return np.rint(luminance).astype(np.uint8), coloured


def decoded(content: bytes, place: str) -> NDArray[np.float32]:
    """Return the picture in a PNG, JPEG or WebP file, upright and over white paper.

    Args:
        content: The whole file.
        place: Its name, for the error.

    Returns:
        (H, W, 3) blue, green and red from 0 to 255; sides of 1024 px at most.

    Raises:
        InputError: It is empty, cut short or no image.
    """
    if not content:
        raise InputError(f"{place}: is empty; name an image file")
    unreadable = InputError(f"{place}: is no whole PNG, JPEG or WebP image; name another file")
    if not _is_whole(content):
        raise unreadable
    encoded = np.frombuffer(content, np.uint8)
    try:
        pixels: Any = cv2.imdecode(encoded, cv2.IMREAD_UNCHANGED)
        if pixels is not None and (pixels.ndim == 2 or pixels.shape[2] != 4):
            # Unlike IMREAD_UNCHANGED, this turns a photo upright as its EXIF says.
            pixels = cv2.imdecode(encoded, cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
    except cv2.error:
        raise unreadable from None
    if pixels is None or pixels.dtype not in (np.uint8, np.uint16):
        raise unreadable
    largest = max(pixels.shape[:2])
    if largest > LARGEST_PX:
        shape = [max(1, round(side * LARGEST_PX / largest)) for side in pixels.shape[1::-1]]
        pixels = cv2.resize(pixels, shape, interpolation=cv2.INTER_AREA)
    values = pixels.astype(np.float32) * (255 / np.iinfo(pixels.dtype).max)
    if values.shape[2] == 4:
        opacity = values[..., 3:] / 255
        values = opacity * values[..., :3] + (1 - opacity) * 255
    return values


def _is_whole(content: bytes) -> bool:
    """Return False for a file that was cut short: OpenCV would decode its first part and make up the rest."""
    if content.startswith(b"\x89PNG"):
        return b"IEND" in content[-64:]
    if content.startswith(b"\xff\xd8"):
        return b"\xff\xd9" in content
    if content.startswith(b"RIFF"):
        return int.from_bytes(content[4:8], "little") + 8 <= len(content)
    return True


def _to_target(grey: Grey, coloured: bool) -> tuple[Kind, NDArray[np.float32]]:
    if grey.shape == (SIDE_PX, SIDE_PX) and not coloured:
        return "exact", _from_bytes(grey)
    ground = _ground(grey)
    upright = 255 - grey if ground < 128 else grey
    if grey.shape == (DIGIT_PX, DIGIT_PX):
        return "digit", digit(upright)
    if _is_drawing(grey, ground):
        return "drawing", drawing(upright)
    return "photo", photo(grey)


def _ground(grey: Grey) -> float:
    """Return the grey level of the ground: the median of the image's border."""
    return float(np.median(np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])))


def _is_drawing(grey: Grey, ground: float) -> bool:
    """Return whether an image is a drawing: mostly ground, light or quite even, or nothing but two levels.

    Of 486 portraits and 15 photos none has more than 0.7 of its pixels within 20 levels of a ground that is light or
    varies by less than 5 levels, and none a between-class share of the variance (Otsu) over 0.91.
    """
    differences = np.abs(grey - ground)
    even = ground >= 128 or np.median(differences) <= 2
    if even and (differences < 20).mean() > 0.7:
        return True
    threshold, _ = cv2.threshold(grey, 0, 255, cv2.THRESH_OTSU)
    dark = grey <= threshold
    if dark.all():
        return True
    share = float(dark.mean())
    between = share * (1 - share) * (float(grey[~dark].mean()) - float(grey[dark].mean())) ** 2
    return between > 0.95 * float(grey.var())


def _ink(grey: Grey) -> NDArray[np.float32]:
    """Return ink (H, W) float32, 0 on the paper (its noise included) to 1 in the darkest lines."""
    paper = _ground(grey)
    noise = 1.48 * float(np.median(np.abs(grey - paper)))
    paper -= 3 * noise
    below = grey[grey < paper - 20]
    darkest = float(np.quantile(below, 0.05)) if below.size else 0.0
    return np.clip((paper - grey.astype(np.float32)) / max(paper - darkest, 1.0), 0, 1)


def _line_width(ink: NDArray[np.float32]) -> float:
    """Return the mean width of the lines [px of `ink`], from the ridges of the distance to the paper."""
    mask = np.pad((ink > 0.5).astype(np.uint8), 1)
    distance = cv2.distanceTransform(mask, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    ridge = (distance > 0) & (distance >= cv2.dilate(distance, np.ones((3, 3), np.uint8)))
    return float(2 * distance[ridge].mean() - 1) if ridge.any() else 1.0


def _on_paper(ink: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a target with the ink (h, w) in its middle."""
    paper = np.full((SIDE_PX, SIDE_PX), 255, np.uint8)
    top, left = (SIDE_PX - ink.shape[0]) // 2, (SIDE_PX - ink.shape[1]) // 2
    paper[top : top + ink.shape[0], left : left + ink.shape[1]] = _bytes(1 - ink)
    return _from_bytes(paper)


def _bytes(image: NDArray[np.float32]) -> Grey:
    return np.rint(image * 255).astype(np.uint8)


def _from_bytes(grey: Grey) -> NDArray[np.float32]:
    return grey.astype(np.float32) / np.float32(255)
