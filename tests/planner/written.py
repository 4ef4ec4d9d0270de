"""Writers of small data sets, independent of the readers: what the tests of data read."""

from __future__ import annotations

import gzip
import io
import struct
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw

DRAWING = {"word": "hat", "countrycode": "FI", "recognized": True, "key_id": "5", "drawing": [[[0, 255], [9, 0]]]}
FONTS = (cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_COMPLEX, cv2.FONT_HERSHEY_TRIPLEX)


def idx(path: Path, values: np.ndarray) -> None:
    """Write an idx file, gzipped where its name says so."""
    content = struct.pack(f">4B{values.ndim}I", 0, 0, 8, values.ndim, *values.shape) + values.tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


def ink_blots(count: int, side: int, seed: int) -> np.ndarray:
    """Return images (count, side, side) with a rectangle each, 255 is ink."""
    rng = np.random.default_rng(seed)
    images = np.zeros((count, side, side), np.uint8)
    for image in images:
        top, left = rng.integers(0, side // 2, 2)
        height, width = rng.integers(3, side // 2, 2)
        image[top : top + height, left : left + width] = rng.integers(200, 256)
    return images


def png(image: Image.Image, kind: str = "png") -> bytes:
    """Return an image file."""
    file = io.BytesIO()
    image.save(file, kind)
    return file.getvalue()


def face(path: Path, seed: int, size: tuple[int, int] = (178, 218)) -> Image.Image:
    """Write a picture in colour and return it as it is in the file."""
    image = Image.new("RGB", size, (200, 180, 40 * seed % 256))
    ImageDraw.Draw(image).ellipse((30, 40, 140, 200), (90, 10 * seed % 256, 160))
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, quality=95)
    return Image.open(path).convert("RGB")


def cut(path: Path, share: float = 0.6) -> None:
    """Cut a file short."""
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])


def printed_digits(count: int, seed: int, side: int = 28) -> tuple[np.ndarray, np.ndarray]:
    """Return images (count, side, side), 255 is ink, of printed digits, and which they are (count,)."""
    rng = np.random.default_rng(seed)
    labels = (np.arange(count) % 10).astype(np.uint8)
    images = np.zeros((count, side, side), np.uint8)
    for image, label in zip(images, labels, strict=True):
        font, size = FONTS[rng.integers(len(FONTS))], side / 28 * rng.uniform(0.7, 0.85)
        (width, height), _ = cv2.getTextSize(str(label), font, size, 2)
        x, y = (side - width) // 2 + rng.integers(-1, 2), (side + height) // 2 + rng.integers(-1, 2)
        cv2.putText(image, str(label), (int(x), int(y)), font, size, 255, max(1, side // 14), cv2.LINE_AA)
    return images, labels
