"""SPIRAL's action specification, against the numbers that the papers' public environment fixes."""

from __future__ import annotations

import numpy as np
import pytest

from planner import actions
from planner.actions import END_CELL, FLAG, JUMP, PAINT, Pen, WidthLimits
from planner.environment import Environment
from sim import stroke


def action(flag: int, end: int, control: int = 0, size: int = 0, pressure: int = 0) -> np.ndarray:
    return np.array([[flag, end, control, size, pressure]])


def test_components_have_the_papers_order_and_sizes() -> None:
    assert list(actions.COMPONENTS.items()) == [
        ("flag", 2),
        ("end", 1024),
        ("control", 1024),
        ("size", 6),
        ("pressure", 10),
    ]


def test_colour_adds_twenty_levels_of_red_green_and_blue() -> None:
    assert list(actions.COLOURS.items()) == [("red", 20), ("green", 20), ("blue", 20)]
    coloured = np.concatenate((action(PAINT, 33, 1, 2, 4), [[0, 19, 10]]), axis=1)
    strokes, _, _ = actions.apply(coloured, Pen.at_start(1))
    assert strokes[0, stroke.COLOUR] == pytest.approx(np.linspace(0, 1, 20)[[0, 19, 10]])
    grey, _, _ = actions.apply(coloured[:, :5], Pen.at_start(1))
    assert np.array_equal(grey[0, :9], strokes[0, :9])
    assert not grey[0, stroke.COLOUR].any()


def test_a_jump_in_the_environment_leaves_no_mark_and_a_stroke_leaves_its_colour() -> None:
    world = Environment(np.ones((2, 64, 64, 3), np.float32))
    world.step(np.array([[JUMP, 528, 0, 0, 0, 0, 0, 0], [PAINT, 528, 528, 2, 9, 19, 0, 0]]))
    assert (world.canvases[0] == 1).all()
    assert world.canvases[1, 16, 16].tolist() == [1, 0, 0]
    assert world.errors()[0] == 0
    assert world.pen.position.tolist() == [[0.5, 0.5], [0.5, 0.5]]


def test_a_cell_lies_at_twice_its_index_in_pixels() -> None:
    u, v = actions.location(np.array([3 * 32 + 5]))[0] * 64
    assert (u, v) == (10, 6)


def test_cells_and_locations_are_inverse() -> None:
    cells = np.arange(1024)
    assert np.array_equal(actions.cell(actions.location(cells)), cells)


def test_the_pen_starts_at_the_top_left_without_a_ramp() -> None:
    strokes, painted, _ = actions.apply(action(PAINT, 33, 1, 2, 4), Pen.at_start(1))
    assert painted.all()
    assert strokes[0, stroke.START].tolist() == [0, 0]
    assert strokes[0, stroke.PRESSURE_START] == strokes[0, stroke.PRESSURE_END] == 0.5
    assert strokes[0, stroke.SIZE] == 2 * 4 / 64


def test_a_stroke_begins_where_the_last_one_ended_and_ramps_from_its_pressure() -> None:
    _, _, pen = actions.apply(action(PAINT, 100, 1, 2, 9), Pen.at_start(1))
    strokes, _, _ = actions.apply(action(PAINT, 33, 1, 2, 1), pen)
    assert strokes[0, stroke.START] == pytest.approx(actions.location(np.array([100]))[0])
    assert strokes[0, stroke.PRESSURE_START] == 1.0
    assert strokes[0, stroke.PRESSURE_END] == 0.2


def test_a_jump_moves_the_pen_and_ends_the_ramp() -> None:
    _, _, pen = actions.apply(action(PAINT, 100, 1, 2, 9), Pen.at_start(1))
    _, painted, pen = actions.apply(action(JUMP, 500), pen)
    assert not painted.any()
    strokes, _, _ = actions.apply(action(PAINT, 33, 1, 2, 1), pen)
    assert strokes[0, stroke.START] == pytest.approx(actions.location(np.array([500]))[0])
    assert strokes[0, stroke.PRESSURE_START] == strokes[0, stroke.PRESSURE_END] == 0.2


def test_widths_that_the_brush_cannot_paint_are_masked() -> None:
    limits = WidthLimits(narrowest=0.05, widest=0.1)
    allowed = limits.allowed(np.array([np.nan, 1.0]))
    sizes = 2 * np.array(actions.RADII_PX) / 64
    for size in range(6):
        for pressure in range(10):
            width = sizes[size] * actions.PRESSURES[pressure]
            assert allowed[0, size, pressure] == (0.05 - 1e-9 <= width <= 0.1 + 1e-9)
    # a ramp from full pressure would paint the large sizes too wide
    assert not allowed[1][sizes > 0.1].any()


def test_flag_and_end_are_the_first_columns() -> None:
    assert (FLAG, END_CELL) == (0, 1)
