"""The paint engine against a brute-force union of discs, and against itself at other resolutions."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from sim import canvas, stroke


def random_strokes(count: int, seed: int) -> np.ndarray:
    """Return strokes (count, 12) with the sizes of the SPIRAL action specification, mixed."""
    rng = np.random.default_rng(seed)
    strokes = np.zeros((count, 12))
    strokes[:, :6] = rng.uniform(0, 1, (count, 6))
    strokes[:, stroke.SIZE] = rng.choice([1, 2, 4, 8, 12, 24], count) * 2 / 64
    strokes[:, 7:9] = rng.uniform(0.1, 1, (count, 2))
    strokes[:, stroke.COLOUR] = rng.uniform(0, 1, (count, 3))
    return strokes


def discs(one: np.ndarray, resolution: int) -> np.ndarray:
    """Return the coverage of a stroke as the union of 4001 discs, straight from its definition."""
    t = np.linspace(0, 1, 4001)
    centres = stroke.points_along(one[None], t)[0] * resolution
    radii = stroke.widths_along(one[None], t)[0] * resolution / 2
    rows, columns = np.mgrid[:resolution, :resolution] + 0.5
    deepest = np.full((resolution, resolution), -np.inf)
    for (x, y), radius in zip(centres, radii, strict=True):
        deepest = np.maximum(deepest, radius - np.hypot(columns - x, rows - y))
    return np.clip(deepest + 0.5, 0, 1)


@pytest.mark.parametrize("seed", range(6))
def test_coverage_is_that_of_the_union_of_discs(seed: int) -> None:
    one = random_strokes(1, seed)
    one[:, stroke.COLOUR] = 0
    difference = np.abs(1 - canvas.render(one) - discs(one[0], 64))
    assert difference.max() < canvas.FLATNESS_PX + 0.02
    assert difference.mean() < 0.002


@pytest.mark.parametrize(("before", "after"), [(0.1, 1.0), (1.0, 0.1), (0.3, 0.31)])
@pytest.mark.parametrize("length", [0.0, 0.02, 0.3])
def test_a_width_that_changes_faster_than_the_stroke_is_long_is_the_larger_disc(before, after, length) -> None:  # type: ignore[no-untyped-def]
    one = np.array([[0.4, 0.4, 0.4 + length / 2, 0.4, 0.4 + length, 0.4, 0.75, before, after, 0, 0, 0]])
    difference = np.abs(1 - canvas.render(one) - discs(one[0], 64))
    assert difference.max() < canvas.FLATNESS_PX + 0.02


@pytest.mark.parametrize("end_px", [2.0, 16.0], ids=["narrower", "wider"])
@pytest.mark.parametrize("length_px", [0.0, 4.0, 20.0])
def test_the_place_that_covers_a_pixel_is_where_its_disc_reaches_furthest(length_px: float, end_px: float) -> None:
    curve = np.array([24.0, 32, 24 + length_px / 2, 33, 24 + length_px, 32, 9, end_px])
    along = np.linspace(0, 1, 2001)
    xs = 24 + length_px * along
    ys, radii = 32 + 2 * along * (1 - along), 9 + (end_px - 9) * along
    for x, y in np.random.default_rng(0).uniform(10, 60, (60, 2)):
        t, away_x, away_y = canvas.nearest_on(curve, 8, x, y)
        there = np.array([24 + length_px * t, 32 + 2 * t * (1 - t)])
        found = 9 + (end_px - 9) * t - np.hypot(*(np.array([x, y]) - there))
        assert found == pytest.approx((radii - np.hypot(x - xs, y - ys)).max(), abs=canvas.FLATNESS_PX)
        assert np.hypot(away_x, away_y) == pytest.approx(1, abs=1e-5)


def test_a_dot_is_a_disc_of_size_times_pressure() -> None:
    dot = np.array([[0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0, 0, 0]])
    ink = 1 - canvas.render(dot, 512)
    assert ink.sum() == pytest.approx(np.pi * (0.25 * 512 / 2) ** 2, rel=2e-3)


def test_the_pressure_ramp_tapers_the_width() -> None:
    tapered = np.array([[0.1, 0.5, 0.5, 0.5, 0.9, 0.5, 0.2, 0.25, 1.0, 0, 0, 0]])
    ink = 1 - canvas.render(tapered, 640)
    widths = ink.sum(axis=0)[[64 + 10, 320, 576 - 10]] / 640
    t = (np.array([74.5, 320.5, 566.5]) / 640 - 0.1) / 0.8
    assert widths == pytest.approx(0.2 * (0.25 + 0.75 * t), abs=0.003)


def test_the_picture_is_the_same_at_64_and_1024_up_to_resampling() -> None:
    strokes = random_strokes(12, 3)
    small = canvas.render(strokes, 64, channels=3)
    large = cv2.resize(canvas.render(strokes, 1024, channels=3), (64, 64), interpolation=cv2.INTER_AREA)
    assert np.mean((small - large) ** 2) < 2e-4


def test_later_strokes_cover_earlier_ones() -> None:
    strokes = random_strokes(2, 0)
    strokes[:, :6] = 0.5
    strokes[:, stroke.SIZE] = 0.5
    strokes[:, 7:9] = 1
    strokes[:, stroke.COLOUR] = [[1, 0, 0], [0, 0, 1]]
    assert canvas.render(strokes, 64, channels=3)[32, 32].tolist() == [0, 0, 1]


def test_grey_is_the_luma_of_the_colour() -> None:
    strokes = random_strokes(8, 1)
    luma = cv2.cvtColor(canvas.render(strokes, 64, channels=3), cv2.COLOR_RGB2GRAY)
    assert np.abs(canvas.render(strokes, 64) - luma).max() < 1e-5


def test_a_batch_is_painted_as_its_items_are() -> None:
    strokes = random_strokes(12, 2).reshape(4, 3, 12)
    images = np.ones((4, 64, 64), np.float32)
    canvas.paint_batch(images, strokes)
    for image, program in zip(images, strokes, strict=True):
        assert np.array_equal(image, canvas.render(program))


def test_a_wide_canvas_measures_by_its_longer_side() -> None:
    line = np.array([[0.0, 0.25, 0.5, 0.25, 1.0, 0.25, 0.1, 1, 1, 0, 0, 0]])
    image = canvas.render(line, 200, aspect=2.0)
    assert image.shape == (100, 200)
    assert (1 - image)[:, 100].sum() == pytest.approx(20, abs=0.1)
    assert (1 - image)[50, 100] == 1


def test_strokes_beyond_the_edge_are_cut_off() -> None:
    outside = np.array([[-2.0, -2.0, 3.0, 0.5, -2.0, 3.0, 0.3, 1, 1, 0, 0, 0]])
    image = canvas.render(outside, 64)
    assert image.min() >= 0
    assert image.max() <= 1
