"""MyPaint's own engine: what it paints where, that it repeats itself and that nothing leaks."""

from __future__ import annotations

import gc
from pathlib import Path

import numpy as np
import pytest

from sim import canvas, mypaint, stroke
from sim.errors import InputError
from sim.mypaint import OPAQUE, Sheet


def curve(u: float = 0.5, v: float = 0.5, radius_px: float = 2, pressure: float = 0.5) -> np.ndarray:
    """Return a curve (12,) about (u, v), black."""
    row = np.zeros(12)
    row[:6] = (u - 0.15, v + 0.05, u, v - 0.15, u + 0.15, v + 0.05)
    row[stroke.SIZE] = 2 * radius_px / 64
    row[stroke.PRESSURE_START] = row[stroke.PRESSURE_END] = pressure
    return row


def centroid(image: np.ndarray) -> np.ndarray:
    """Return the ink's centre (x, y) [px]."""
    ink = 1 - image
    rows, columns = np.indices(ink.shape)
    return np.array([(ink * columns).sum(), (ink * rows).sum()]) / ink.sum()


def resident_bytes() -> int:
    """Return the memory that this process holds."""
    return 4096 * int(Path("/proc/self/statm").read_text().split()[1])


def test_paper_is_white_until_it_is_painted_on_and_after_a_restart() -> None:
    sheet = Sheet()
    assert (sheet.image() == 1).all()
    sheet.jump(0.35, 0.55)
    assert (sheet.image() == 1).all()
    sheet.paint(curve())
    assert sheet.image().min() < 0.5
    sheet.restart()
    assert (sheet.image() == 1).all()


@pytest.mark.parametrize("place", [(0.25, 0.3), (0.7, 0.3), (0.3, 0.75), (0.6, 0.6)])
def test_a_stroke_lands_where_the_solid_engine_paints_it(place: tuple[float, float]) -> None:
    row = curve(*place)[None]
    assert centroid(mypaint.render(row)) == pytest.approx(centroid(canvas.render(row)), abs=1.0)


def test_a_stroke_on_a_larger_sheet_lands_in_the_same_place_across_tiles() -> None:
    row = curve(0.4, 0.3)[None]
    wide = mypaint.render(row, 150, aspect=1.5)
    assert wide.shape == (100, 150)
    assert centroid(wide) == pytest.approx(centroid(canvas.render(row, 150, aspect=1.5)), abs=2.0)


def test_equal_grains_give_equal_pictures_and_others_the_same_stroke_with_other_dabs() -> None:
    rows = np.stack((curve(0.3, 0.3, 4, 0.8), curve(0.6, 0.6, 8, 1.0)))
    first, again, other = (mypaint.render(rows, grain=grain) for grain in (3, 3, 4))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert centroid(other) == pytest.approx(centroid(first), abs=4)


def test_a_sheet_that_restarts_paints_as_a_new_one_does() -> None:
    sheet = Sheet()
    sheet.paint(curve(0.7, 0.2, 12, 1.0))
    sheet.restart(grain=7)
    sheet.jump(0.35, 0.55)
    sheet.paint(curve())
    new = Sheet(grain=7)
    new.jump(0.35, 0.55)
    new.paint(curve())
    assert np.array_equal(sheet.image(), new.image())


def test_a_thousand_episodes_leak_nothing() -> None:
    sheet = Sheet()

    def episodes(count: int) -> None:
        for episode in range(count):
            sheet.restart(episode % 100)
            sheet.paint(curve(radius_px=1))
            mypaint.render(curve(radius_px=1)[None])

    episodes(100)
    gc.collect()
    before = resident_bytes()
    episodes(1000)
    gc.collect()
    assert resident_bytes() - before < 10_000_000  # a sheet alone holds 64 kB, a brush 1 MB: leaking either would show


def test_pressure_makes_the_stroke_denser_along_its_ramp() -> None:
    row = np.zeros((1, 12))
    row[0, :6] = (0.1, 0.5, 0.5, 0.5, 0.9, 0.5)
    row[0, stroke.SIZE], row[0, stroke.PRESSURE_START], row[0, stroke.PRESSURE_END] = 2 / 64, 0.05, 0.5
    ink = (1 - mypaint.render(row)).sum(axis=0)
    assert ink[8:20].mean() < 0.7 * ink[44:56].mean()


def test_a_stroke_takes_its_colour_and_hides_what_is_below() -> None:
    rows = np.stack([curve(0.5, 0.5, 8, 1.0)] * 6)
    rows[:, stroke.COLOUR] = (1.0, 0.0, 0.0)
    rows[-1, stroke.COLOUR] = (0.0, 0.0, 1.0)
    image = mypaint.render(rows, channels=3)
    red = image[(image[..., 1] < 0.1) & (image[..., 2] < 0.1)]
    blue = image[(image[..., 0] < 0.1) & (image[..., 1] < 0.1)]
    assert len(red) > 20
    assert len(blue) > 20


def test_grey_paper_takes_the_luma_of_the_colour() -> None:
    rows = np.stack([curve(0.5, 0.5, 8, 1.0)] * 20)
    rows[:, stroke.COLOUR] = (0.0, 1.0, 0.0)
    assert mypaint.render(rows).min() == pytest.approx(0.587, abs=0.01)


def test_painting_goes_on_from_what_is_on_the_image_and_keeps_paper_opaque() -> None:
    under = canvas.render(curve(0.3, 0.3)[None])
    image = under.copy()
    mypaint.paint(image, curve(0.7, 0.7)[None])
    assert image[:32, :32] == pytest.approx(under[:32, :32], abs=0.5 / 255 + 1e-6)
    assert image[40:50].min() < 0.5
    sheet = Sheet()
    for _ in range(20):
        sheet.paint(curve(radius_px=12, pressure=1.0))
    assert all((pixels[..., 3] == OPAQUE).all() for _, _, pixels in sheet._tiles)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_batch_follows_from_its_images_and_strokes_alone(channels: int) -> None:
    rows = np.stack([[curve(0.3, 0.3, 4, 0.8), curve(0.6, 0.6)], [curve(0.6, 0.4, 8, 1.0), curve(0.4, 0.7)]])
    rows[:, 1, stroke.COLOUR] = (0.2, 0.5, 0.9)
    paper = np.stack([canvas.blank(64, channels=channels)] * 2)
    together, one_by_one, alone = paper.copy(), paper.copy(), paper.copy()
    mypaint.paint_batch(together, rows)
    for index in range(2):
        mypaint.paint_batch(one_by_one, rows[:, index : index + 1])
        mypaint.paint_batch(alone[index : index + 1], rows[index : index + 1])
    assert together.min() < 0.5
    assert np.array_equal(one_by_one, together)
    assert np.array_equal(alone, together)


def test_each_stroke_of_a_batch_is_one_of_a_brush_alone() -> None:
    row = curve(0.4, 0.4, 4, 0.8)
    images = np.ones((1, 64, 64), np.float32)
    mypaint.paint_batch(images, row[None, None])
    assert np.array_equal(images[0], mypaint.render(row[None], grain=mypaint.grain_of(row)))


def test_brushes_of_their_own_change_a_program_no_more_than_other_dabs_do() -> None:
    rng = np.random.default_rng(0)
    programs = np.zeros((60, 8, 12))
    cells = rng.integers(0, 32, (60, 9, 2)) / 32
    programs[..., stroke.START], programs[..., stroke.END] = cells[:, :-1], cells[:, 1:]
    programs[..., stroke.CONTROL] = rng.integers(0, 32, (60, 8, 2)) / 32
    programs[..., stroke.SIZE] = 2 * rng.choice([1, 2, 4, 8], (60, 8)) / 64
    pressures = rng.uniform(0.3, 1.0, (60, 9))
    programs[..., stroke.PRESSURE_START], programs[..., stroke.PRESSURE_END] = pressures[:, :-1], pressures[:, 1:]
    own = np.ones((60, 64, 64), np.float32)
    mypaint.paint_batch(own, programs)
    one, other = (np.stack([mypaint.render(rows, grain=grain) for rows in programs]) for grain in (3, 50))
    assert np.mean((own - one) ** 2) < 1.1 * np.mean((other - one) ** 2)
    assert np.mean(own) == pytest.approx(np.mean(one), abs=0.02)


def test_strokes_take_many_brushes_and_equal_ones_the_same() -> None:
    rows = [curve(u, v, pressure=pressure) for u in (0.3, 0.5) for v in (0.3, 0.6) for pressure in (0.4, 0.5, 1.0)]
    grains = [mypaint.grain_of(row) for row in rows]
    assert len(set(grains)) > 8
    assert max(grains) < mypaint.GRAINS
    assert [mypaint.grain_of(row.copy()) for row in rows] == grains


def test_strokes_without_size_leave_no_paint() -> None:
    row = curve()
    row[stroke.SIZE] = 0
    images = np.ones((1, 64, 64), np.float32)
    mypaint.paint_batch(images, row[None, None])
    assert (images == 1).all()


@pytest.mark.parametrize(
    ("name", "value"), [("LIBRARY", "libmypaint-of-nowhere.so"), ("BRUSH_FILE", Path("/nowhere/dry_brush.myb"))]
)
def test_without_the_packages_one_line_names_them(monkeypatch: pytest.MonkeyPatch, name: str, value: object) -> None:
    monkeypatch.setattr(mypaint, name, value)
    for cached in (mypaint._library, mypaint._brush_text):
        monkeypatch.setattr(mypaint, cached.__name__, cached.__wrapped__)
    with pytest.raises(InputError) as raised:
        mypaint.render(curve()[None])
    assert "apt-get install libmypaint-1.5-1 mypaint-brushes" in str(raised.value)
    assert "\n" not in str(raised.value)
