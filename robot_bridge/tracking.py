"""How near the tip came to the stroke that was asked for, and how far along it."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from calibration.calibration import Calibration
from robot_bridge.path import depth_for_width
from sim.stroke import CONTROL, END, PRESSURE_END, PRESSURE_START, START, points_along, widths_along

Array = NDArray[np.float64]

DENSITY: Final = 2001
"""Points that stand for a stroke; a nearest pair of them gives a segment to measure the distance from."""


def part_until(stroke: Array, tip: Array, calibration: Calibration) -> Array:
    """Return the part (12,) of a stroke (12,) from its start to where the tip is, (3,) in `base_link` [m].

    A quadratic Bézier's part is one itself (de Casteljau), and pressure is linear in the parameter.
    """
    t = np.linspace(0, 1, DENSITY)
    line = calibration.program_to_canvas(points_along(stroke[None], t)[0])
    until = t[np.linalg.norm(line - calibration.base_to_canvas(tip[None])[0, :2], axis=1).argmin()]
    part = stroke.copy()
    part[CONTROL] = (1 - until) * stroke[START] + until * stroke[CONTROL]
    part[END] = points_along(stroke[None], np.array([until]))[0, 0]
    part[PRESSURE_END] = (1 - until) * stroke[PRESSURE_START] + until * stroke[PRESSURE_END]
    return part


def deviation(stroke: Array, tips: Array, calibration: Calibration) -> tuple[Array, Array]:
    """Return how far the tip was from a stroke's line and from its depth.

    Args:
        stroke: (12,) as it was meant.
        tips: (m, 3) measured positions of the tip in `base_link` [m].
        calibration: The one that the stroke was planned with.

    Returns:
        cross_track: (m,) distance on the paper from the stroke's line [m].
        depth_error: (m,) depth of the tip less the depth that the stroke's width asks for there [m].
    """
    t = np.linspace(0, 1, DENSITY)
    line = calibration.program_to_canvas(points_along(stroke[None], t)[0])
    depths = depth_for_width(calibration.brush, widths_along(stroke[None], t)[0] * calibration.longer_side_m)
    seen = calibration.base_to_canvas(tips)
    near = np.clip(cKDTree(line).query(seen[:, :2])[1], 1, DENSITY - 2)
    distance = np.full(len(seen), np.inf)
    depth = np.zeros(len(seen))
    for first in (near - 1, near):
        along, offset = line[first + 1] - line[first], seen[:, :2] - line[first]
        share = np.clip((offset * along).sum(1) / np.maximum((along**2).sum(1), 1e-18), 0, 1)
        aside = np.linalg.norm(offset - share[:, None] * along, axis=1)
        better = aside < distance
        distance = np.where(better, aside, distance)
        depth = np.where(better, depths[first] + share * (depths[first + 1] - depths[first]), depth)
    return distance, -seen[:, 2] - depth
