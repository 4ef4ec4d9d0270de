"""MyPaint's own paint engine with its `classic/dry_brush`, for comparing with the papers: libmypaint through ctypes.

How a stroke becomes motions of the brush is that of SPIRAL's public paint environment
(github.com/deepmind/spiral, spiral/environments/libmypaint.py): 50 motions of 0.1 s along the Bézier, pressure linear,
and after a jump one motion in place first, so that the brush starts with the pressure of the stroke's start. Unlike
there each episode has a brush of its own: the brush's random dabs then follow from `grain` alone.

Needs the Debian packages `libmypaint-1.5-1` and `mypaint-brushes`; nothing is compiled. Images are those of
`sim.canvas`, in steps of 1/255.
"""

from __future__ import annotations

import colorsys
import ctypes
import functools
import zlib
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sim import canvas, stroke
from sim.canvas import LUMA, Image
from sim.errors import InputError

LIBRARY: Final = "libmypaint-1.5.so.1"
BRUSH_FILE: Final = Path("/usr/share/mypaint-data/1.0/brushes/classic/dry_brush.myb")
PACKAGES: Final = "libmypaint-1.5-1 mypaint-brushes"
MOTIONS: Final = 50
"""Motions of the brush a stroke."""
MOTION_S: Final = 0.1
"""Time that the brush takes for a motion [s]; it follows its point with a delay."""
GRAINS: Final = 100
"""Brushes with different random dabs, of which `paint_batch` takes one for each stroke."""
TILE_PX: Final = 64
OPAQUE: Final = 1 << 15
"""1 in the fixed-point numbers of libmypaint's surfaces."""


class _TileRequest(ctypes.Structure):
    """MyPaintTileRequest of mypaint-tiled-surface.h."""

    _fields_ = (
        ("tx", ctypes.c_int),
        ("ty", ctypes.c_int),
        ("readonly", ctypes.c_int),
        ("buffer", ctypes.POINTER(ctypes.c_uint16)),
        ("context", ctypes.c_void_p),
        ("thread_id", ctypes.c_int),
        ("mipmap_level", ctypes.c_int),
    )


_POINTER, _INT, _FLOAT, _DOUBLE = ctypes.c_void_p, ctypes.c_int, ctypes.c_float, ctypes.c_double
_SIGNATURES: Final = {
    "mypaint_brush_new": (_POINTER, ()),
    "mypaint_brush_unref": (None, (_POINTER,)),
    "mypaint_brush_from_string": (_INT, (_POINTER, ctypes.c_char_p)),
    "mypaint_brush_reset": (None, (_POINTER,)),
    "mypaint_brush_new_stroke": (None, (_POINTER,)),
    "mypaint_brush_set_base_value": (None, (_POINTER, _INT, _FLOAT)),
    "mypaint_brush_setting_from_cname": (_INT, (ctypes.c_char_p,)),
    "mypaint_brush_stroke_to": (_INT, (_POINTER, _POINTER, *(_FLOAT,) * 5, _DOUBLE)),
    "mypaint_fixed_tiled_surface_new": (_POINTER, (_INT, _INT)),
    "mypaint_fixed_tiled_surface_interface": (_POINTER, (_POINTER,)),
    "mypaint_surface_unref": (None, (_POINTER,)),
    "mypaint_surface_begin_atomic": (None, (_POINTER,)),
    "mypaint_surface_end_atomic": (None, (_POINTER, _POINTER)),
    "mypaint_tile_request_init": (None, (ctypes.POINTER(_TileRequest), _INT, _INT, _INT, _INT)),
    "mypaint_tiled_surface_tile_request_start": (None, (_POINTER, ctypes.POINTER(_TileRequest))),
    "mypaint_tiled_surface_tile_request_end": (None, (_POINTER, ctypes.POINTER(_TileRequest))),
}


@functools.cache
def _library() -> ctypes.CDLL:
    """Load libmypaint and declare what is used of it.

    Raises:
        InputError: it is not installed.
    """
    try:
        library = ctypes.CDLL(LIBRARY)
    except OSError:
        raise InputError(f"mypaint engine: {LIBRARY} is missing; apt-get install {PACKAGES}") from None
    for name, (result, arguments) in _SIGNATURES.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


@functools.cache
def _brush_text() -> bytes:
    """Return the brush's file.

    Raises:
        InputError: it is not installed.
    """
    try:
        return BRUSH_FILE.read_bytes()
    except OSError:
        raise InputError(f"mypaint engine: {BRUSH_FILE} is missing; apt-get install {PACKAGES}") from None


class Sheet:
    """A sheet of paper with a brush at its top left.

    Raises:
        InputError: libmypaint or its brushes are not installed.
    """

    def __init__(self, height_px: int = 64, width_px: int = 64, grain: int = 0) -> None:
        """Take white paper and a new brush.

        Args:
            height_px: Height [px].
            width_px: Width [px]. Program coordinates are fractions of the longer side.
            grain: Which of the brush's random dabs, as in `restart`.
        """
        self._brush = self._surface = None
        self._brush_text = _brush_text()
        self._library = _library()
        self.height_px, self.width_px = height_px, width_px
        self._side_px = max(height_px, width_px)
        new = self._library.mypaint_fixed_tiled_surface_new(width_px, height_px)
        self._surface = self._library.mypaint_fixed_tiled_surface_interface(new)
        self._tiles = [
            (row, column, self._tile(row, column))
            for row in range(-(-height_px // TILE_PX))
            for column in range(-(-width_px // TILE_PX))
        ]
        settings = ("radius_logarithmic", "color_h", "color_s", "color_v")
        self._settings = [self._library.mypaint_brush_setting_from_cname(name.encode()) for name in settings]
        self.restart(grain)

    def _tile(self, row: int, column: int) -> NDArray[np.uint16]:
        """Return a tile's pixels (64, 64, 4), a view of libmypaint's own memory: premultiplied RGBA, 1 is `OPAQUE`."""
        request = _TileRequest()
        self._library.mypaint_tile_request_init(request, 0, column, row, 0)
        self._library.mypaint_tiled_surface_tile_request_start(self._surface, request)
        pixels = np.ctypeslib.as_array(request.buffer, (TILE_PX, TILE_PX, 4))
        self._library.mypaint_tiled_surface_tile_request_end(self._surface, request)
        return pixels

    def __del__(self) -> None:
        if self._brush is not None:
            self._library.mypaint_brush_unref(self._brush)
        if self._surface is not None:
            self._library.mypaint_surface_unref(self._surface)

    def restart(self, grain: int = 0) -> None:
        """Begin an episode: white paper, a new brush at the top left.

        Args:
            grain: Which of the brush's random dabs: how many random numbers the brush has drawn before. Equal grains
                and strokes give equal pictures.
        """
        for _, _, pixels in self._tiles:
            pixels[:] = OPAQUE
        self.take_brush(grain)

    def take_brush(self, grain: int = 0) -> None:
        """Take a new brush at the top left, with `grain` as in `restart`, and leave the paper as it is."""
        if self._brush is not None:
            self._library.mypaint_brush_unref(self._brush)
        self._brush = self._library.mypaint_brush_new()
        self._library.mypaint_brush_from_string(self._brush, self._brush_text)
        for _ in range(grain + 1):  # a brush draws one random number when it is put down anew
            self.jump(0.0, 0.0)

    def jump(self, u: float, v: float) -> None:
        """Lift the brush and put it to (u, v) without paint."""
        self._library.mypaint_brush_reset(self._brush)
        self._library.mypaint_brush_new_stroke(self._brush)
        self._move(u * self._side_px, v * self._side_px, 0.0)
        self._lifted = True

    def paint(self, row: NDArray[np.float64]) -> None:
        """Paint one stroke (12,) from where the brush is, which is where the stroke starts.

        The radius is `size`/2 of the longer side at every pressure: this brush paints more softly with less of it.
        """
        values = (np.log(row[stroke.SIZE] * self._side_px / 2), *colorsys.rgb_to_hsv(*row[stroke.COLOUR]))
        for setting, value in zip(self._settings, values, strict=True):
            self._library.mypaint_brush_set_base_value(self._brush, setting, value)
        t = np.linspace(0.0, 1.0, MOTIONS + 1)
        points = stroke.points_along(row[None], t)[0] * self._side_px
        pressures = (1 - t) * row[stroke.PRESSURE_START] + t * row[stroke.PRESSURE_END]
        motions = np.column_stack((points, pressures)).tolist()
        self._library.mypaint_surface_begin_atomic(self._surface)
        for x, y, pressure in motions[0 if self._lifted else 1 :]:
            self._move(x, y, pressure)
        self._library.mypaint_surface_end_atomic(self._surface, None)
        self._lifted = False

    def _move(self, x_px: float, y_px: float, pressure: float) -> None:
        self._library.mypaint_brush_stroke_to(self._brush, self._surface, x_px, y_px, pressure, 0.0, 0.0, MOTION_S)

    def image(self) -> Image:
        """Return the picture (H, W, 3) in [0, 1], in steps of 1/255."""
        picture = np.empty((self.height_px, self.width_px, 3), np.float32)
        for row, column, pixels in self._tiles:
            part = picture[row * TILE_PX : (row + 1) * TILE_PX, column * TILE_PX : (column + 1) * TILE_PX]
            colour = pixels[: part.shape[0], : part.shape[1], :3].astype(np.uint32)  # opaque: alpha stays 1
            part[:] = (255 * colour + OPAQUE // 2) // OPAQUE / np.float32(255)
        return picture

    def put(self, image: Image) -> None:
        """Replace the paper by a picture (H, W) or (H, W, 3)."""
        colour = image[..., None] if image.ndim == 2 else image
        for row, column, pixels in self._tiles:
            part = colour[row * TILE_PX : (row + 1) * TILE_PX, column * TILE_PX : (column + 1) * TILE_PX]
            pixels[: part.shape[0], : part.shape[1], :3] = np.rint(part * np.float32(OPAQUE))


def continues(before: NDArray[np.float64], after: NDArray[np.float64]) -> bool:
    """Return whether a stroke (12,) goes on where and with the pressure with which the one before it ended."""
    same_place = np.array_equal(before[stroke.END], after[stroke.START])
    return bool(same_place and before[stroke.PRESSURE_END] == after[stroke.PRESSURE_START])


def paint(image: Image, strokes: NDArray[np.float64], grain: int = 0) -> None:
    """Paint strokes in order on an image, in place, with a new brush.

    The brush stays down from a stroke to one that continues it, and jumps to the start of every other.

    Args:
        image: (H, W) grey or (H, W, 3) RGB float32; a grey one takes the colour's luma.
        strokes: (n, 12) float64, columns as in `sim.stroke.COLUMNS`.
        grain: Which of the brush's random dabs.

    Raises:
        InputError: libmypaint or its brushes are not installed.
    """
    sheet = Sheet(image.shape[0], image.shape[1], grain)
    sheet.put(image)
    before = None
    for row in np.array(strokes, np.float64):
        if image.ndim == 2:
            row[stroke.COLOUR] = row[stroke.COLOUR] @ LUMA
        if before is None or not continues(before, row):
            sheet.jump(*row[stroke.START])
        sheet.paint(row)
        before = row
    picture = sheet.image()
    image[:] = picture[..., 0] if image.ndim == 2 else picture


def grain_of(row: NDArray[np.float64]) -> int:
    """Return which of `GRAINS` brushes paints a stroke (12,): the same on every machine, as good as random else."""
    return zlib.crc32(np.ascontiguousarray(row, "<f8").tobytes()) % GRAINS


def paint_batch(images: Image, strokes: NDArray[np.float64]) -> None:
    """Paint strokes in order on a batch of images, in place, each stroke with a brush of its own.

    What an image becomes follows from it and its strokes alone, whether they are painted in one call or in several:
    the random dabs of a stroke are those of `grain_of`, and the brush is put down anew at the start of each.
    `paint` keeps one brush for all strokes, down from a stroke to one that continues it.

    Args:
        images: (B, H, W) grey or (B, H, W, 3) RGB float32, in steps of 1/255; grey ones take the colour's luma.
        strokes: (B, n, 12) float64, n strokes for each image. Those without any size leave no paint.

    Raises:
        InputError: libmypaint or its brushes are not installed.
    """
    sheet = Sheet(*images.shape[1:3])
    for image, rows in zip(images, strokes, strict=True):
        for row in np.array(rows, np.float64):
            if row[stroke.SIZE] == 0:
                continue
            if image.ndim == 2:
                row[stroke.COLOUR] = row[stroke.COLOUR] @ LUMA
            sheet.put(image)
            sheet.take_brush(grain_of(row))
            sheet.jump(*row[stroke.START])
            sheet.paint(row)
            picture = sheet.image()
            image[:] = picture[..., 0] if image.ndim == 2 else picture


def render(
    strokes: NDArray[np.float64], resolution_px: int = 64, aspect: float = 1.0, channels: int = 1, grain: int = 0
) -> Image:
    """Return the picture that the strokes (n, 12) paint on white paper; sizes as in `sim.canvas.blank`."""
    image = canvas.blank(resolution_px, aspect, channels)
    paint(image, strokes, grain)
    return image
