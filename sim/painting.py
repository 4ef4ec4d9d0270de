"""The paint on the simulated paper: what the brush's footprint leaves, tick by tick."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sim.brush import BrushProfile
from sim.canvas import cover_segment
from sim.errors import InputError

Image = NDArray[np.float32]

PX_PER_M: Final = 4000
"""Resolution of the painting [px/m]."""
SMALLEST_STEP_PX: Final = 0.2
"""Footprints nearer than this to the last one painted wait for the next tick [px]."""
FADING_SHARE: Final = 0.3
"""The last share of a load of paint over which lines thin out to nothing."""


class Painting:
    """A white sheet that takes the paint of a brush at given positions and depths.

    A stroke begins when the brush touches and ends when it lifts. Within a stroke coverage is the largest of the
    footprints', so that crossing one's own line does not thicken its edge; the stroke is then painted over what is
    below it.
    """

    def __init__(
        self,
        size_m: tuple[float, float],
        brush: BrushProfile,
        brush_lag_m: float = 0.0,
        paint_length_m: float = math.inf,
    ) -> None:
        """Make white paper.

        Args:
            size_m: width and height of the paper [m].
            brush: width over depth.
            brush_lag_m: how far the footprint trails behind the tip, like a towed thing [m].
            paint_length_m: length of line that one load of paint gives [m].
        """
        self.size_m = size_m
        self._brush = brush
        self._lag_m = brush_lag_m
        self._paint_length_m = paint_length_m
        width, height = (max(1, round(side * PX_PER_M)) for side in size_m)
        self._dry: Image = np.ones((height, width, 3), np.float32)
        self._coverage: Image = np.zeros((height, width), np.float32)
        self._box: tuple[float, float, float, float] | None = None
        self._foot: tuple[float, float] | None = None
        self._laid: tuple[float, float, float] | None = None
        self._used_m = 0.0
        self._colour = np.zeros(3, np.float32)
        # Compiled here rather than in the middle of the first stroke.
        cover_segment(np.zeros((2, 2), np.float32), 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)

    @property
    def colour(self) -> tuple[float, float, float]:
        """RGB in [0, 1] of the paint on the brush."""
        red, green, blue = self._colour.tolist()
        return red, green, blue

    def load(self, colour: tuple[float, float, float]) -> None:
        """Fill the brush with paint of a colour, RGB in [0, 1]."""
        self.lift()
        self._colour = np.asarray(colour, np.float32)
        self._used_m = 0.0

    def lay(self, picture: NDArray[np.uint8]) -> None:
        """Lay down paper that is painted already.

        Args:
            picture: (H, W, 3) RGB as `picture` returns it.

        Raises:
            InputError: It was painted on paper of another size.
        """
        if picture.shape != self._dry.shape:
            raise InputError(
                f"paper of {picture.shape[1::-1]} pixels, this one has {self._dry.shape[1::-1]}; paint anew"
            )
        self.lift()
        self._dry = picture.astype(np.float32) / np.float32(255)

    def touch(self, x_m: float, y_m: float, depth_m: float) -> None:
        """Leave the paint of one tick.

        Args:
            x_m: tip's x on the canvas (right of the lower left corner) [m].
            y_m: tip's y on the canvas (up) [m].
            depth_m: depth of the tip below the paper [m].
        """
        if depth_m < self._brush.depth_m[0]:
            self.lift()
            return
        foot = self._trail(x_m, y_m)
        radius = float(np.interp(depth_m, self._brush.depth_m, self._brush.width_m)) / 2 * self._fading()
        x, y, r = foot[0] * PX_PER_M, (self.size_m[1] - foot[1]) * PX_PER_M, radius * PX_PER_M
        if r <= 0.0:
            return
        if self._laid is None:
            self._laid = (x, y, r)
        elif abs(x - self._laid[0]) + abs(y - self._laid[1]) + abs(r - self._laid[2]) < SMALLEST_STEP_PX:
            return
        cover_segment(self._coverage, *self._laid, x, y, r)
        reach = max(r, self._laid[2]) + 1.0
        box = self._box or (x, x, y, y)
        self._box = (min(box[0], x - reach), max(box[1], x + reach), min(box[2], y - reach), max(box[3], y + reach))
        self._laid = (x, y, r)

    def lift(self) -> None:
        """End the stroke: what it covered is now dry."""
        self._foot = self._laid = None
        if self._box is not None:
            rows, columns = self._window(self._box)
            self._dry[rows, columns] = self._over(rows, columns)
            self._coverage[rows, columns] = 0.0
            self._box = None

    def image(self) -> Image:
        """Return the painting (H, W, 3), RGB in [0, 1], row 0 the upper edge, with the stroke that is being painted."""
        picture = self._dry.copy()
        if self._box is not None:
            rows, columns = self._window(self._box)
            picture[rows, columns] = self._over(rows, columns)
        return picture

    def picture(self) -> NDArray[np.uint8]:
        """Return `image()` in 8 bits."""
        return np.round(self.image() * 255.0).astype(np.uint8)

    @property
    def H_paper_picture(self) -> NDArray[np.float64]:
        """Homography (3, 3) from the picture's pixels, centres at whole numbers, to x, y on the paper [m]."""
        pixel = 1 / PX_PER_M
        return np.array([[pixel, 0.0, pixel / 2], [0.0, -pixel, self.size_m[1] - pixel / 2], [0.0, 0.0, 1.0]])

    def _over(self, rows: slice, columns: slice) -> Image:
        below = self._dry[rows, columns]
        return below + self._coverage[rows, columns, None] * (self._colour - below)

    def _window(self, box: tuple[float, float, float, float]) -> tuple[slice, slice]:
        left, right, top, bottom = (max(0, math.floor(side)) for side in box)
        return slice(top, bottom + 1), slice(left, right + 1)

    def _trail(self, x_m: float, y_m: float) -> tuple[float, float]:
        """Return where the footprint is, and use up the paint of its way there."""
        before = self._foot or (x_m, y_m)
        dx, dy = x_m - before[0], y_m - before[1]
        distance = math.hypot(dx, dy)
        way = max(0.0, distance - self._lag_m)
        if distance > 0.0:
            before = (before[0] + dx * way / distance, before[1] + dy * way / distance)
        self._used_m += way
        self._foot = before
        return before

    def _fading(self) -> float:
        left = 1.0 - self._used_m / self._paint_length_m
        return min(1.0, max(0.0, left / FADING_SHARE))
