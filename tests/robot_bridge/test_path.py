"""The tip's path against the Bézier curve by de Casteljau and against numeric integration."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

from calibration.calibration import Calibration
from robot_bridge.path import depth_for_width, line, stroke_ends, stroke_pieces
from sim.brush import BRUSHES, BrushProfile

ROUND = BRUSHES["round-20"]
CALIBRATION = Calibration("panda", "2030-01-01", np.eye(4), (0.2, 0.2), ROUND)


def stroke(*points: float, size: float = 0.1, pressures: tuple[float, float] = (0.5, 0.5)) -> np.ndarray:
    return np.array([*points, size, *pressures, 0, 0, 0], float)


def tip_by_de_casteljau(row: np.ndarray, t: float) -> np.ndarray:
    a, b, c = row[0:2], row[2:4], row[4:6]
    ab, bc = a + t * (b - a), b + t * (c - b)
    u, v = ab + t * (bc - ab)
    width = 0.2 * row[6] * (row[7] + t * (row[8] - row[7]))
    return np.array([0.2 * u, 0.2 * (1 - v), -np.interp(width, ROUND.width_m, ROUND.depth_m)])


unit = st.floats(0, 1)
strokes = st.builds(
    lambda points, size, start, end: stroke(*points, size=size, pressures=(start, end)),
    st.tuples(*[unit] * 6),
    st.floats(0.05, 0.1),
    st.floats(0.2, 1),
    st.floats(0.2, 1),
)


@settings(max_examples=100, deadline=None)
@given(strokes)
def test_knots_lie_on_the_stroke_in_order_and_pieces_join(row) -> None:
    pieces = stroke_pieces(row, CALIBRATION)
    (start,), (end,) = stroke_ends(row[None], CALIBRATION)
    dense = np.array([tip_by_de_casteljau(row, t) for t in np.linspace(0, 1, 3001)])
    if not pieces:
        assert np.linalg.norm(end - start) < 2e-6
        return
    np.testing.assert_allclose(pieces[0].points[0], start, atol=1e-12)
    np.testing.assert_allclose(pieces[-1].points[-1], end, atol=1e-12)
    np.testing.assert_allclose(start, tip_by_de_casteljau(row, 0), atol=2e-5)
    for before, after in pairwise(pieces):
        np.testing.assert_allclose(before.points[-1], after.points[0], atol=1e-12)
    for piece in pieces:
        assert piece.lengths[0] == 0
        assert (np.diff(piece.lengths) > 0).all()
        gaps = np.linalg.norm(piece.points[:, None] - dense[None], axis=2).min(1)
        assert gaps.max() < 1e-4


@settings(max_examples=40, deadline=None)
@given(strokes)
def test_the_length_is_the_integral_of_the_speed(row) -> None:
    row[8] = row[7]

    def speed(t: float) -> float:
        return float(np.linalg.norm(2 * (1 - t) * (row[2:4] - row[0:2]) + 2 * t * (row[4:6] - row[2:4]))) * 0.2

    expected = quad(speed, 0, 1, limit=500)[0]
    assert sum(piece.length_m for piece in stroke_pieces(row, CALIBRATION)) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("brush", BRUSHES.values(), ids=BRUSHES)
def test_the_rounded_depth_stays_within_hundredths_of_a_millimetre_and_is_smooth(brush: BrushProfile) -> None:
    widths = np.linspace(brush.min_width_m, brush.max_width_m, 20_001)
    depth = depth_for_width(brush, widths)
    assert np.abs(depth - brush.depth_for_width(widths)).max() < 5e-5
    assert depth[0] == pytest.approx(brush.depth_m[0])
    assert depth[-1] == pytest.approx(brush.depth_m[-1])
    slope = np.diff(depth) / np.diff(widths)
    assert (slope > 0).all()
    assert np.abs(np.diff(slope)).max() < 2e-3
    painted = brush.width_at_depth(depth)
    assert np.abs(painted / widths - 1).max() < 0.03


def test_a_curve_that_turns_back_is_split_at_its_turning_point() -> None:
    pieces = stroke_pieces(stroke(0.2, 0.5, 0.9, 0.5, 0.4, 0.5), CALIBRATION)
    assert len(pieces) == 2
    t = 0.7 / 1.2
    np.testing.assert_allclose(pieces[0].points[-1, 0], 0.2 * (0.2 + 1.4 * t - 1.2 * t**2), atol=1e-9)
    assert pieces[0].length_m > pieces[1].length_m


def test_a_gentle_curve_is_one_piece_that_names_its_sharpest_bend() -> None:
    (piece,) = stroke_pieces(stroke(0.2, 0.5, 0.5, 0.3, 0.8, 0.5), CALIBRATION)
    place, curvature = piece.bend
    assert place == pytest.approx(piece.length_m / 2, rel=1e-3)
    # A parabola y = h (1 - (2 x / w)^2) bends by 8 h / w^2 at its top.
    assert curvature == pytest.approx(8 * 0.02 / 0.12**2, rel=1e-3)


@pytest.mark.parametrize("moved", [0.0, 1e-6])
def test_a_dot_has_no_path(moved: float) -> None:
    assert stroke_pieces(stroke(0.5, 0.5, 0.5, 0.5, 0.5 + moved, 0.5), CALIBRATION) == ()


def test_a_line_runs_straight_from_end_to_end() -> None:
    piece = line([0, 0, 0.02], [0.03, 0.04, 0.02])
    assert piece.length_m == pytest.approx(0.05)
    np.testing.assert_allclose(piece.points, piece.lengths[:, None] * [0.6, 0.8, 0] + [0, 0, 0.02], atol=1e-15)
