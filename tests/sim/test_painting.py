"""The paint that a footprint leaves on the simulated paper."""

from __future__ import annotations

import numpy as np
import pytest

from sim.brush import BRUSHES
from sim.canvas import render
from sim.painting import PX_PER_M, Painting

BRUSH = BRUSHES["round-20"]


def line(painting: Painting, start: tuple[float, float], end: tuple[float, float], depth_m: float) -> None:
    """Draw a straight line at a constant depth, in steps of 0.25 mm, and lift."""
    steps = round(np.hypot(end[0] - start[0], end[1] - start[1]) / 0.00025)
    for s in np.linspace(0.0, 1.0, steps + 1):
        painting.touch(start[0] + s * (end[0] - start[0]), start[1] + s * (end[1] - start[1]), depth_m)
    painting.touch(*end, -0.01)


@pytest.mark.parametrize("depth_m", [0.0003, 0.0012, 0.002, 0.0045])
def test_a_line_is_as_wide_as_the_brush_profile_says(depth_m: float) -> None:
    painting = Painting((0.2, 0.2), BRUSH)
    line(painting, (0.05, 0.1), (0.15, 0.1), depth_m)
    across = 1 - painting.image()[:, painting.image().shape[1] // 2, 0]
    assert across.sum() / PX_PER_M == pytest.approx(BRUSH.width_at_depth(np.array(depth_m)), abs=1e-5)


def test_a_stroke_tick_by_tick_is_the_stroke_of_the_solid_engine() -> None:
    painting = Painting((0.2, 0.2), BRUSH)
    line(painting, (0.04, 0.15), (0.16, 0.06), 0.0012)
    planned = render(np.array([[0.2, 0.25, 0.5, 0.475, 0.8, 0.7, 0.04, 1, 1, 0, 0, 0]]), 800)
    assert np.abs(painting.image()[..., 0] - planned).mean() < 1e-4


def test_no_paint_is_left_above_the_first_knot_of_the_profile() -> None:
    painting = Painting((0.2, 0.2), BRUSH)
    line(painting, (0.04, 0.15), (0.16, 0.06), BRUSH.depth_m[0] - 1e-6)
    assert painting.image().min() == 1.0


def test_a_second_colour_goes_over_the_first_and_an_unfinished_stroke_is_seen() -> None:
    painting = Painting((0.2, 0.2), BRUSH)
    line(painting, (0.05, 0.1), (0.15, 0.1), 0.0012)
    painting.load((1.0, 0.0, 0.0))
    painting.touch(0.1, 0.12, 0.0012)
    painting.touch(0.1, 0.08, 0.0012)
    assert painting.image()[400, 400].tolist() == [1.0, 0.0, 0.0]
    assert painting.image()[400, 300].tolist() == [0.0, 0.0, 0.0]


def test_paint_beyond_the_paper_is_lost_without_harm() -> None:
    painting = Painting((0.2, 0.1), BRUSH)
    line(painting, (-0.05, 0.05), (0.25, 0.05), 0.0012)
    line(painting, (0.3, 0.3), (0.4, 0.4), 0.0012)
    image = painting.image()
    assert image.shape == (400, 800, 3)
    assert (image[200] == 0.0).all()
    assert (image[:150] == 1.0).all()


def test_a_lagging_brush_cuts_the_end_of_a_line_by_its_lag() -> None:
    painting = Painting((0.2, 0.2), BRUSH, brush_lag_m=0.003)
    line(painting, (0.05, 0.1), (0.15, 0.1), 0.0003)
    columns = np.flatnonzero(painting.image()[400, :, 0] < 0.5)
    assert columns.min() / PX_PER_M == pytest.approx(0.05 - 0.001, abs=5e-4)
    assert columns.max() / PX_PER_M == pytest.approx(0.15 - 0.003 + 0.001, abs=5e-4)


def test_paint_runs_out_and_a_new_load_brings_it_back() -> None:
    painting = Painting((0.2, 0.2), BRUSH, paint_length_m=0.1)
    line(painting, (0.02, 0.1), (0.18, 0.1), 0.0012)
    covered = (1 - painting.image()[..., 0]).sum(axis=0) / PX_PER_M
    assert covered[200] == pytest.approx(0.008, abs=1e-4)
    assert 0.001 < covered[440] < 0.005
    assert covered[500:].max() == 0.0
    painting.load((0.0, 0.0, 0.0))
    line(painting, (0.15, 0.1), (0.18, 0.1), 0.0012)
    assert painting.image()[400, 660, 0] == 0.0
