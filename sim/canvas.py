"""The solid paint engine: opaque strokes whose width follows the pressure, compiled with numba.

Coverage of a pixel is clamp(r + 0.5 − d, 0, 1): r the brush's radius and d the distance from the pixel's centre to the
stroke's centre line, both in pixels of the canvas at hand, at the point of the stroke where r − d is largest. Pixel i's
centre lies at i + 0.5. A stroke is flattened into tapered capsules (discs whose radius changes linearly along a
segment); within a stroke coverage is the largest of them, and strokes are composited in order, colour over.

Images are float32, (H, W) grey or (H, W, 3) RGB, 0 black to 1 white paper.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

Image = NDArray[np.float32]

FLATNESS_PX: Final = 0.08
"""Largest distance between a curve and its flattened segments [px]."""

HALF = np.float32(0.5)
ZERO = np.float32(0.0)
ONE = np.float32(1.0)
STEEPEST = np.float32(0.995)
LUMA = (np.float32(0.299), np.float32(0.587), np.float32(0.114))


@njit(cache=True, fastmath=True, error_model="numpy")
def cover_segment(coverage, x0, y0, r0, x1, y1, r1):  # type: ignore[no-untyped-def]
    """Raise `coverage` (H, W) in place to that of one tapered capsule.

    With a the position along the segment and h the distance from its line, r(a') − d(a') is concave in a' and largest
    at a' = a + h·s/√(1 − s²), s the radius' slope; clamping a' to the segment keeps the maximum.

    Args:
        coverage: (H, W) float32 in [0, 1].
        x0: Start, x [px]; y0 likewise.
        y0: Start, y [px].
        r0: Radius at the start [px].
        x1: End, x [px].
        y1: End, y [px].
        r1: Radius at the end [px].
    """
    height, width = coverage.shape
    x0, y0, r0 = np.float32(x0), np.float32(y0), np.float32(r0)
    dx, dy = np.float32(x1) - x0, np.float32(y1) - y0
    length = np.sqrt(dx * dx + dy * dy)
    rise = np.float32(r1) - r0
    if abs(rise) < STEEPEST * length:
        dx /= length
        dy /= length
        slope = rise / length
    else:  # one end's disc swallows the other's
        if rise > ZERO:
            x0, y0, r0 = np.float32(x1), np.float32(y1), np.float32(r1)
        dx, dy, slope, rise, length = ONE, ZERO, ZERO, ZERO, ZERO
    lean = slope / np.sqrt(ONE - slope * slope)
    reach = max(r0, r0 + rise) + HALF
    ax, bx = min(x0, x0 + dx * length) - reach, max(x0, x0 + dx * length) + reach
    ay, by = min(y0, y0 + dy * length) - reach, max(y0, y0 + dy * length) + reach
    top, bottom = max(0, int(np.floor(ay))), min(height, int(np.ceil(by)))
    for row in range(top, bottom):
        py = np.float32(row) + HALF - y0
        low, high = ax, bx
        if abs(dy) > np.float32(1e-3):  # only the strip beside the segment's line can be covered
            middle, half_strip = x0 + py * dx / dy, reach / abs(dy)
            low, high = max(low, middle - half_strip), min(high, middle + half_strip)
        left, right = max(0, int(np.floor(low))), min(width, int(np.ceil(high)))
        line = coverage[row]
        along_row, across_row = py * dy, py * dx
        for column in range(left, right):
            px = np.float32(column) + HALF - x0
            a = px * dx + along_row
            h = abs(px * dy - across_row)
            nearest = min(max(a + h * lean, ZERO), length)
            a -= nearest
            inside = r0 + slope * nearest - np.sqrt(a * a + h * h) + HALF
            line[column] = max(line[column], min(inside, ONE))


@njit(cache=True, fastmath=True)
def pieces_of(stroke):  # type: ignore[no-untyped-def]
    """Return into how many pieces a stroke (8,), as `cover_stroke` takes it, is flattened."""
    x0, y0, xc, yc, x1, y1 = stroke[0], stroke[1], stroke[2], stroke[3], stroke[4], stroke[5]
    bend = np.sqrt((x0 - 2 * xc + x1) ** 2 + (y0 - 2 * yc + y1) ** 2)
    # A quadratic split into k equal parameter steps lies within bend / (4 k²) of its chords.
    return min(64, max(1, int(np.ceil(np.sqrt(bend / (4 * FLATNESS_PX))))))


@njit(cache=True, fastmath=True)
def nearest_on(stroke, pieces, x, y):  # type: ignore[no-untyped-def]
    """Return the parameter t of a stroke's point at which r − d is largest, and the unit vector from there to (x, y).

    Args:
        stroke: (8,) as `cover_stroke` takes it.
        pieces: Of its flattening.
        x: [px]
        y: [px]
    """
    x0, y0, xc, yc, x1, y1, r0, r1 = stroke
    ax, ay, ar = x0, y0, r0
    best, best_t, best_x, best_y = -1e9, 0.0, 0.0, 0.0
    for piece in range(1, pieces + 1):
        t = piece / pieces
        bx = (1 - t) * (1 - t) * x0 + 2 * t * (1 - t) * xc + t * t * x1
        by = (1 - t) * (1 - t) * y0 + 2 * t * (1 - t) * yc + t * t * y1
        br = (1 - t) * r0 + t * r1
        dx, dy = bx - ax, by - ay
        length = np.sqrt(dx * dx + dy * dy)
        share = 1.0 if br > ar else 0.0  # where one end's disc swallows the other's
        if abs(br - ar) < STEEPEST * length:
            dx /= length
            dy /= length
            s = (br - ar) / length
            along, aside = (x - ax) * dx + (y - ay) * dy, abs((x - ax) * dy - (y - ay) * dx)
            share = min(max(along + aside * s / np.sqrt(1 - s * s), 0.0), length) / length
        away_x, away_y = x - ax - share * (bx - ax), y - ay - share * (by - ay)
        distance = np.sqrt(away_x * away_x + away_y * away_y)
        inside = ar + share * (br - ar) - distance
        if inside > best:
            best, best_t = inside, (piece - 1 + share) / pieces
            scale = 1 / max(distance, 1e-6)
            best_x, best_y = away_x * scale, away_y * scale
        ax, ay, ar = bx, by, br
    return best_t, best_x, best_y


@njit(cache=True, fastmath=True)
def cover_stroke(coverage, stroke):  # type: ignore[no-untyped-def]
    """Raise `coverage` (H, W) in place to that of one stroke and return the touched box.

    Args:
        coverage: (H, W) float32 in [0, 1].
        stroke: (8,) start x, y, control x, y, end x, y, radius at start, radius at end, all in pixels.

    Returns:
        top, bottom, left, right: rows and columns outside this half-open box were not touched.
    """
    x0, y0, xc, yc, x1, y1, r0, r1 = stroke
    pieces = pieces_of(stroke)
    ax, ay, ar = x0, y0, r0
    lowest_x, highest_x, lowest_y, highest_y = x0, x0, y0, y0
    for piece in range(1, pieces + 1):
        t = piece / pieces
        bx = (1 - t) * (1 - t) * x0 + 2 * t * (1 - t) * xc + t * t * x1
        by = (1 - t) * (1 - t) * y0 + 2 * t * (1 - t) * yc + t * t * y1
        br = (1 - t) * r0 + t * r1
        cover_segment(coverage, ax, ay, ar, bx, by, br)
        lowest_x, highest_x = min(lowest_x, bx), max(highest_x, bx)
        lowest_y, highest_y = min(lowest_y, by), max(highest_y, by)
        ax, ay, ar = bx, by, br
    reach = max(r0, r1) + 0.5
    height, width = coverage.shape
    top, bottom = max(0, int(np.floor(lowest_y - reach))), min(height, int(np.ceil(highest_y + reach)))
    left, right = max(0, int(np.floor(lowest_x - reach))), min(width, int(np.ceil(highest_x + reach)))
    return top, max(top, bottom), left, max(left, right)


@njit(cache=True)
def in_pixels(stroke, side_px, pixels):  # type: ignore[no-untyped-def]
    """Write a stroke's geometry (12 columns, program coordinates) into `pixels` (8,) as `cover_stroke` takes it."""
    for column in range(6):
        pixels[column] = stroke[column] * side_px
    pixels[6] = stroke[6] * stroke[7] * side_px / 2
    pixels[7] = stroke[6] * stroke[8] * side_px / 2


@njit(cache=True, fastmath=True)
def _paint(images, strokes):  # type: ignore[no-untyped-def]
    """Paint strokes (B, n, 12) on images (B, H, W, C); C is 1 or 3, a grey image takes the colour's luma."""
    batch, height, width, channels = images.shape
    side = max(height, width)
    coverage = np.zeros((height, width), np.float32)
    pixels = np.empty(8, np.float64)
    for item in range(batch):
        for index in range(strokes.shape[1]):
            stroke = strokes[item, index]
            in_pixels(stroke, side, pixels)
            top, bottom, left, right = cover_stroke(coverage, pixels)
            for channel in range(channels):
                if channels == 3:
                    paint = np.float32(stroke[9 + channel])
                else:
                    paint = (
                        LUMA[0] * np.float32(stroke[9])
                        + LUMA[1] * np.float32(stroke[10])
                        + LUMA[2] * np.float32(stroke[11])
                    )
                for row in range(top, bottom):
                    line, cover = images[item, row, :, channel], coverage[row]
                    for column in range(left, right):
                        line[column] += cover[column] * (paint - line[column])
            coverage[top:bottom, left:right] = ZERO


def blank(resolution_px: int, aspect: float = 1.0, channels: int = 1) -> Image:
    """Return white paper.

    Args:
        resolution_px: Pixels of the longer side.
        aspect: Width over height.
        channels: 1 for a grey image (H, W), 3 for RGB (H, W, 3).
    """
    height = resolution_px if aspect <= 1 else max(1, round(resolution_px / aspect))
    width = resolution_px if aspect >= 1 else max(1, round(resolution_px * aspect))
    return np.ones((height, width) if channels == 1 else (height, width, channels), np.float32)


def paint(image: Image, strokes: NDArray[np.float64]) -> None:
    """Paint strokes in order on an image, in place.

    Args:
        image: (H, W) grey or (H, W, 3) RGB float32; program coordinates are fractions of its longer side.
        strokes: (n, 12) float64, columns as in `sim.stroke.COLUMNS`.
    """
    view = image[None, :, :, None] if image.ndim == 2 else image[None]
    _paint(view, np.ascontiguousarray(strokes, np.float64)[None])


def paint_batch(images: Image, strokes: NDArray[np.float64]) -> None:
    """Paint strokes on a batch of images, in place.

    Args:
        images: (B, H, W) grey or (B, H, W, 3) RGB float32.
        strokes: (B, n, 12) float64, n strokes for each image.
    """
    view = images[..., None] if images.ndim == 3 else images
    _paint(view, np.ascontiguousarray(strokes, np.float64))


def render(strokes: NDArray[np.float64], resolution_px: int = 64, aspect: float = 1.0, channels: int = 1) -> Image:
    """Return the picture that the strokes (n, 12) paint on white paper; sizes as in `blank`."""
    image = blank(resolution_px, aspect, channels)
    paint(image, strokes)
    return image
