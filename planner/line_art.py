"""From a photo to a line drawing that a brush can paint.

Flow-based difference of Gaussians (Kang, Lee, Chui, Coherent Line Drawing, NPAR 2007): the second derivative of the
luminance across the local edge, smoothed along it, so that lines are few, long and about as wide as a brush.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]

SIDE_PX: Final = 256
"""Side of the square in which lines are sought; all lengths below are pixels of it."""
EDGE_PX: Final = 5.0
"""Standard deviation of the inner Gaussian: half a line's width."""
SURROUND: Final = 1.6
"""The outer Gaussian's standard deviation over the inner's."""
FLOW_PX: Final = 6.0
"""Standard deviation over which the edge's direction is averaged."""
ALONG_PX: Final = 12.0
"""Standard deviation of the smoothing along the edge."""
INK_SHARE: Final = 0.15
"""Share of the square that the strongest lines take."""
FAINTEST: Final = 0.006
"""Weakest response that is a line, so that a picture of nothing gives none."""
SHORTEST_PX: Final = 26
"""Lines shorter than this are left out."""


def line_art(grey: NDArray[np.uint8], side_px: int) -> Plane:
    """Return the strongest lines of a photo's centre square.

    Args:
        grey: (H, W) luminance.
        side_px: Side of the drawing [px].

    Returns:
        (side_px, side_px) float32 ink, 0 paper to 1 line; all 0 where the photo shows no edges.
    """
    height, width = grey.shape
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = grey[top : top + side, left : left + side]
    kernel = cv2.INTER_AREA if side > SIDE_PX else cv2.INTER_CUBIC
    square = cv2.resize(square, (SIDE_PX, SIDE_PX), interpolation=kernel)
    even = cv2.createCLAHE(2.0, (4, 4)).apply(square)
    smooth = cv2.GaussianBlur(even.astype(np.float32) / 255, (0, 0), 1.5)
    response = _response(smooth)
    threshold = min(float(np.quantile(response, INK_SHARE)), -FAINTEST)
    ink = np.clip(0.5 + 2 * (threshold - response) / -threshold, 0, 1).astype(np.float32)
    return cv2.resize(_long_lines(ink), (side_px, side_px), interpolation=cv2.INTER_AREA)


def _response(image: Plane) -> Plane:
    """Return the flow-based difference of Gaussians (H, W), negative on dark lines and on the dark side of edges."""
    across_x, across_y = _across(image)
    rows, columns = np.mgrid[: image.shape[0], : image.shape[1]].astype(np.float32)
    inner, outer = np.zeros_like(image), np.zeros_like(image)
    reach = int(np.ceil(2 * EDGE_PX * SURROUND))
    steps = np.arange(-reach, reach + 1)
    inner_weights = np.exp(-(steps**2) / (2 * EDGE_PX**2))
    outer_weights = np.exp(-(steps**2) / (2 * (EDGE_PX * SURROUND) ** 2))
    for step, near, far in zip(
        steps, inner_weights / inner_weights.sum(), outer_weights / outer_weights.sum(), strict=True
    ):
        value = _sample(image, columns + step * across_x, rows + step * across_y)
        inner += near * value
        outer += far * value
    return _smoothed_along(inner - outer, across_x, across_y, columns, rows)


def _smoothed_along(response: Plane, across_x: Plane, across_y: Plane, columns: Plane, rows: Plane) -> Plane:
    total, weights = response.copy(), 1.0
    for sign in (-1.0, 1.0):
        x, y = columns, rows
        along_x, along_y = -sign * across_y, sign * across_x
        for step in range(1, int(2 * ALONG_PX) + 1):
            x, y = x + along_x, y + along_y
            weight = float(np.exp(-(step**2) / (2 * ALONG_PX**2)))
            total += weight * _sample(response, x, y)
            weights += weight / 2
            next_x, next_y = -_sample(across_y, x, y, cv2.INTER_NEAREST), _sample(across_x, x, y, cv2.INTER_NEAREST)
            # The structure tensor gives a line without a sense: keep walking forward.
            forward = np.where(next_x * along_x + next_y * along_y < 0, np.float32(-1), np.float32(1))
            along_x, along_y = forward * next_x, forward * next_y
    return (total / (2 * weights - 1)).astype(np.float32)


def _across(image: Plane) -> tuple[Plane, Plane]:
    """Return the unit vectors across the local edge, from the structure tensor averaged over `FLOW_PX`."""
    dx, dy = cv2.Sobel(image, cv2.CV_32F, 1, 0), cv2.Sobel(image, cv2.CV_32F, 0, 1)
    xx, xy, yy = (cv2.GaussianBlur(product, (0, 0), FLOW_PX) for product in (dx * dx, dx * dy, dy * dy))
    angle = np.arctan2(2 * xy, xx - yy) / 2
    return np.cos(angle), np.sin(angle)


def _sample(image: Plane, x: Plane, y: Plane, interpolation: int = cv2.INTER_LINEAR) -> Plane:
    return cv2.remap(image, x.astype(np.float32), y.astype(np.float32), interpolation, borderMode=cv2.BORDER_REPLICATE)


def _long_lines(ink: Plane) -> Plane:
    """Return the ink without the lines shorter than `SHORTEST_PX`."""
    _, labels, boxes, _ = cv2.connectedComponentsWithStats((ink > 0.5).astype(np.uint8), connectivity=8)
    long = np.maximum(boxes[:, cv2.CC_STAT_WIDTH], boxes[:, cv2.CC_STAT_HEIGHT]) >= SHORTEST_PX
    long[0] = False  # the paper
    return ink * cv2.dilate(long[labels].astype(np.uint8), np.ones((5, 5), np.uint8))
