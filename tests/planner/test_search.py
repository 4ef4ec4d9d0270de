"""Search against brute force, and the agent's promises."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from planner import search
from planner.actions import WidthLimits
from planner.agent import Agent, useful
from planner.curves import to_curves, to_strokes
from planner.search import Tuning
from planner.target import Target
from sim.canvas import blank, paint, render

EXAMPLES = Path(__file__).parents[2] / "examples"
LIMITS = WidthLimits(0.01, 0.1)


@pytest.fixture(scope="module")
def target() -> np.ndarray:
    return Target.load(EXAMPLES / "cat.png").image


def error(strokes: np.ndarray, target: np.ndarray, canvas: np.ndarray | None = None) -> float:
    painted = blank(64) if canvas is None else canvas.copy()
    paint(painted, strokes)
    return float(np.mean((painted - target) ** 2))


def test_curves_and_strokes_are_the_same_picture(target: np.ndarray) -> None:
    (strokes,) = Agent.load("none").search(target, blank(64), 8, 0, LIMITS, 400)
    again = to_strokes(to_curves(strokes))
    assert np.abs(render(again) - render(strokes)).max() < 1e-5


def test_improving_never_raises_the_error(target: np.ndarray) -> None:
    rng = np.random.default_rng(3)
    canvas = blank(64)
    curves = search.place(canvas, target, 6, 20, rng, LIMITS)
    before = error(to_strokes(curves), target)
    for trials, newton in ((1, 1.0), (10, 0.5), (100, 1.0), (300, 0.0)):
        curves = search.improve(canvas, target, curves, trials, rng, LIMITS, Tuning(3.0, 0.5, newton, replace=0.1))
        after = error(to_strokes(curves), target)
        assert after <= before + 1e-7
        before = after


def test_more_renders_give_a_smaller_error(target: np.ndarray) -> None:
    agent = Agent.load("none")
    errors = [error(agent.search(target, blank(64), 10, 0, LIMITS, n)[0], target) for n in (100, 1000, 10_000)]
    assert errors[0] > errors[1] > errors[2]


def test_search_goes_on_from_what_is_painted(target: np.ndarray) -> None:
    agent = Agent.load("none")
    (first,) = agent.search(target, blank(64), 6, 0, LIMITS, 2000)
    canvas = render(first)
    (more,) = agent.search(target, canvas, 6, 1, LIMITS, 2000)
    assert error(more, target, canvas) < 0.6 * error(first, target)
    assert np.array_equal(canvas, render(first)), "the given canvas stays as it is"


def test_widths_stay_within_the_brush(target: np.ndarray) -> None:
    for limits in (WidthLimits(0.01, 0.03), WidthLimits(0.08, 0.1)):
        (strokes,) = Agent.load("none").search(target, blank(64), 6, 0, limits, 1000)
        widths = strokes[:, 6:7] * strokes[:, 7:9]
        assert widths.min() >= limits.narrowest - 1e-9
        assert widths.max() <= limits.widest + 1e-9


def test_equal_seeds_give_equal_programs(target: np.ndarray) -> None:
    agent = Agent.load("none")
    assert agent.paint(target, 5, 7, LIMITS, 500) == agent.paint(target, 5, 7, LIMITS, 500)
    assert agent.paint(target, 5, 7, LIMITS, 500) != agent.paint(target, 5, 8, LIMITS, 500)


def test_strokes_of_no_use_are_left_out(target: np.ndarray) -> None:
    (strokes,) = Agent.load("none").search(target, blank(64), 6, 0, LIMITS, 1000)
    doubled = np.concatenate((strokes, strokes[:3]))
    assert len(useful(doubled, blank(64), target)) <= len(strokes)
    assert error(useful(doubled, blank(64), target), target) <= error(doubled, target) + 1e-5


def test_gauss_newton_equations_are_the_derivatives_of_the_error(target: np.ndarray) -> None:
    """Slope against central differences of the summed squared error, for strokes that taper and bend."""
    rng = np.random.default_rng(4)
    canvas, coverage = blank(64), np.zeros((64, 64), np.float32)
    normal, slope = np.empty((8, 8)), np.empty(8)
    for _ in range(5):
        curve = np.concatenate((rng.uniform(10, 54, 6), rng.uniform(1.5, 4, 2)))
        search._linearise(canvas, target, coverage, curve, normal, slope)
        numeric = np.empty(8)
        for column in range(8):
            shifted = np.repeat(curve[None], 2, axis=0)
            shifted[:, column] += (0.02, -0.02)
            plus, minus = (64 * 64 * error(to_strokes(one[None]), target) for one in shifted)
            numeric[column] = (plus - minus) / 0.04
        assert -2 * slope == pytest.approx(numeric, abs=0.12 * np.abs(numeric).max() + 0.3)
        assert np.array_equal(normal, normal.T)
        assert np.linalg.eigvalsh(normal).min() > -1e-3


def test_gauss_newton_alone_finds_a_stroke_from_nearby() -> None:
    rng = np.random.default_rng(0)
    true = np.array([[12.0, 14.0, 40.0, 20.0, 48.0, 50.0, 3.0, 2.0]])
    target = render(to_strokes(true))
    near = true + 1.2
    found = search.improve(blank(64), target, near, 60, rng, WidthLimits(), Tuning(3.0, 0.5, 1.0, replace=0.0))
    assert np.abs(found - true).max() < 0.05


def test_a_stroke_of_no_use_is_put_where_ink_is_missing() -> None:
    target = blank(64)
    lines = np.zeros((2, 12))
    lines[:, :6] = [[0.2, 0.2, 0.5, 0.2, 0.8, 0.2], [0.2, 0.8, 0.5, 0.8, 0.8, 0.8]]
    lines[:, 6], lines[:, 7:9] = 0.06, 1
    paint(target, lines)
    twice = to_curves(lines[[0, 0]])
    far, near = (
        error(to_strokes(search.improve(blank(64), target, twice, 300, rng, LIMITS, tuning)), target)
        for rng, tuning in (
            (np.random.default_rng(0), Tuning(1.0, 0.5, 0.9, replace=0.0)),
            (np.random.default_rng(0), Tuning(1.0, 0.5, 0.9, replace=0.1)),
        )
    )
    assert far > 0.02, "random changes do not get across the paper"
    assert near < 0.1 * far
