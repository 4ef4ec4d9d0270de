"""What is not ideal in the simulated world."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Imperfections:
    """What a real studio does to a painter. All off by default."""

    canvas_shift_m: tuple[float, float] = (0.0, 0.0)
    """The paper's middle lies this far along its x and y from where the planner believes [m]."""
    canvas_rotation_rad: float = 0.0
    """And is turned by this about its normal, counter-clockwise seen from the brush [rad]."""
    brush_lag_m: float = 0.0
    """How far the footprint trails behind the tip [m]."""
    motor_lag_s: float = 0.0
    """Time constant with which the motors follow their commands [s]."""
    camera_noise: float = 0.0
    """Standard deviation of the noise in each pixel of the camera [grey levels of 255]."""
    paint_length_m: float = math.inf
    """Length of line that one load of paint gives; the last part thins out [m]."""

    def real_paper(self, T_base_canvas: Array, size_m: tuple[float, float]) -> Array:
        """Return the pose (4, 4) in `base_link` of the paper that is believed to be at T_base_canvas."""
        middle = np.array([size_m[0] / 2, size_m[1] / 2])
        c, s = math.cos(self.canvas_rotation_rad), math.sin(self.canvas_rotation_rad)
        moved = np.eye(4)
        moved[:2, :2] = [[c, -s], [s, c]]
        moved[:2, 3] = middle + self.canvas_shift_m - moved[:2, :2] @ middle
        return T_base_canvas @ moved
