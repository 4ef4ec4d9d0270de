"""What a brush does: the width it paints over the depth it is pressed to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from sim.errors import InputError


@dataclass(frozen=True)
class BrushProfile:
    """Width over depth of one brush, and how it is mounted.

    Depth is how far the tip of the undeformed brush lies below the paper, in metres, positive into the paper. The
    brush leaves no paint above `depth_m[0]` and is never pressed deeper than `depth_m[-1]`.
    """

    name: str
    """Name by which a command selects the brush."""
    depth_m: tuple[float, ...]
    """Depths of the curve's knots [m], strictly increasing, all positive."""
    width_m: tuple[float, ...]
    """Full painted width at each knot [m], strictly increasing."""
    length_m: float = 0.16
    """Distance from the flange (`tool0`) to the tip of the undeformed brush, along the flange's z [m]."""
    stiffness_n_per_m: float = 700.0
    """Force on the tip per depth [N/m]."""

    def __post_init__(self) -> None:
        depth, width = np.asarray(self.depth_m, float), np.asarray(self.width_m, float)
        where = f"brush profile {self.name!r}"
        if depth.shape != width.shape or depth.ndim != 1 or len(depth) < 2:
            raise InputError(f"{where}: depth_m and width_m need the same two or more knots")
        if not (np.isfinite(depth).all() and np.isfinite(width).all()):
            raise InputError(f"{where}: depth_m and width_m must be finite numbers")
        if depth[0] <= 0 or width[0] <= 0 or (np.diff(depth) <= 0).any() or (np.diff(width) <= 0).any():
            raise InputError(f"{where}: depth_m and width_m must be positive and strictly increasing")
        if depth[-1] > 0.05 or width[-1] > 0.2:
            raise InputError(f"{where}: a depth over 50 mm or a width over 200 mm; give both in metres")
        if not (0.0 <= self.length_m <= 1.0 and 0.0 < self.stiffness_n_per_m < 1e6):
            raise InputError(f"{where}: length_m must be in [0, 1] m and stiffness_n_per_m in (0, 1e6) N/m")

    @property
    def min_width_m(self) -> float:
        """Narrowest line the brush paints [m]."""
        return self.width_m[0]

    @property
    def max_width_m(self) -> float:
        """Widest line the brush paints [m]."""
        return self.width_m[-1]

    @property
    def max_depth_m(self) -> float:
        """Deepest allowed depth [m]."""
        return self.depth_m[-1]

    def depth_for_width(self, width_m: np.ndarray) -> np.ndarray:
        """Return the depth [m] that paints the width [m]; widths outside the range take the nearest end."""
        return np.interp(width_m, self.width_m, self.depth_m)

    def width_at_depth(self, depth_m: np.ndarray) -> np.ndarray:
        """Return the width [m] painted at the depth [m]; 0 above the first knot, the last width below the last."""
        depth_m = np.asarray(depth_m, float)
        return np.where(depth_m < self.depth_m[0], 0.0, np.interp(depth_m, self.depth_m, self.width_m))


BRUSHES: Final = {
    brush.name: brush
    for brush in (
        # A soft round brush: it spreads quickly at first and then ever less.
        BrushProfile("round-20", (0.0003, 0.0012, 0.0025, 0.0045), (0.002, 0.008, 0.014, 0.020)),
        BrushProfile("round-8", (0.0003, 0.0010, 0.0022), (0.001, 0.004, 0.008)),
    )
}
"""Brushes that a command can name; the first is the default."""
