"""While strokes are left, ink where none belongs weighs more; and strokes are settled before the next."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from planner import episode, search
from planner.actions import ANY_WIDTH, Pen, WidthLimits
from planner.curves import to_curves, to_strokes
from planner.environment import Environment
from planner.foresight import excess, untried_excess
from planner.policy import Kind, build
from planner.teacher import actions_of, teach
from sim.canvas import blank, paint_batch, render
from sim.stroke import Array

LIMITS = WidthLimits(0.02, 0.2)


def lines() -> np.ndarray:
    """Return a picture (64, 64) of three thin lines, one below the other, with as much paper between them."""
    strokes = np.zeros((3, 12))
    for stroke, y in zip(strokes, (0.42, 0.5, 0.58), strict=True):
        stroke[:6] = 0.2, y, 0.5, y, 0.8, y
    strokes[:, 6], strokes[:, 7:9] = 0.045, 1
    return render(strokes)


def spilled(strokes: Array, target: np.ndarray) -> float:
    """Return the squared error of strokes where they are darker than the target."""
    return float(np.square(np.minimum(render(strokes) - target, 0)).sum())


def test_the_last_stroke_weighs_all_errors_alike_and_each_before_it_more() -> None:
    weights = [excess(left) for left in range(1, 21)]
    assert weights[0] == 1
    assert np.diff(weights) == pytest.approx(1 / 3)
    assert [untried_excess(left) for left in range(1, 21)] == pytest.approx(np.sqrt(weights))


def test_pure_search_spreads_one_stroke_over_lines_and_the_first_of_ten_over_one() -> None:
    target = lines()
    only, first = (
        search.place(blank(64), target, strokes, 3000, np.random.default_rng(0), LIMITS)[:1] for strokes in (1, 10)
    )
    assert spilled(to_strokes(first), target) < 0.2 * spilled(to_strokes(only), target)


def test_so_does_the_teacher() -> None:
    target, pen = lines()[None], Pen.at_start(1)
    start = np.array([[[1, 6, 16, 16, 16, 26, 16, 3, 9]]])
    found = []
    for weight in (1.0, float(excess(10))):
        choices, _ = teach(np.ones_like(target), target, pen, start, 3000, np.random.default_rng(0), LIMITS, weight)
        _, _, paints = actions_of(choices)
        world = Environment(target)
        world.pen = Pen(choices[:, 1:3] / 32, np.full(1, np.nan))
        world.step(paints)
        found.append(float(np.square(np.minimum(world.canvases - target, 0)).sum()))
    assert found[1] < 0.2 * found[0]


@pytest.mark.parametrize(("colour", "asked"), [(False, [3, 2, 1]), (True, [])])
def test_proposals_are_chosen_with_foresight_but_in_colour(
    monkeypatch: pytest.MonkeyPatch, colour: bool, asked: list[int]
) -> None:
    seen: list[int] = []
    monkeypatch.setattr(episode, "excess", lambda left: seen.append(left) or 1.0)
    canvases = np.ones((1, 64, 64, 3) if colour else (1, 64, 64), np.float32)
    episode.rollout(build(Kind(colour=colour)).eval(), canvases, canvases, 3, ANY_WIDTH, samples=2)
    assert seen == asked


def test_settling_never_loses_and_keeps_to_the_brush() -> None:
    target, rng = lines(), np.random.default_rng(2)
    for _ in range(20):
        curve = np.concatenate((rng.uniform(5, 59, 6), rng.uniform(*(32 * np.array((0.02, 0.2))), 2)))
        better = search.settle(blank(64), target, curve, 60, rng, LIMITS, 1)
        before, after = (np.square(render(to_strokes(each[None])) - target).sum() for each in (curve, better))
        assert after <= before + 1e-3
        assert 0.02 * 32 - 1e-9 <= better[6:].min() <= better[6:].max() <= 0.2 * 32 + 1e-9
        assert np.array_equal(search.settle(blank(64), target, curve, 1, rng, LIMITS, 1), curve), "itself is a trial"


def test_the_policy_goes_on_from_what_was_settled() -> None:
    torch.manual_seed(0)
    targets, seen = np.stack([lines(), lines()]), []

    def settle(world: Environment, strokes: Array, left: int) -> Array:
        seen.append((world.canvases.copy(), world.pen.position.copy(), left))
        moved = to_curves(strokes)
        moved[:, :6] = np.clip(moved[:, :6] + 1.5, 0, 64)
        return to_strokes(moved)

    canvases = np.ones_like(targets)
    programs = episode.rollout(build(Kind()).eval(), targets, canvases, 3, LIMITS, samples=2, settle=settle)
    assert [left for _, _, left in seen] == [3, 2, 1]
    painted = canvases.copy()
    for step, (canvas, pen, _) in enumerate(seen):
        assert np.allclose(canvas, painted)
        assert step == 0 or np.allclose(pen, programs[:, step - 1, 4:6])
        paint_batch(painted, programs[:, step : step + 1])


def test_painting_greedily_leaves_torchs_random_numbers_alone() -> None:
    """A run validates after each checkpoint; one that goes on from it has to meet the same numbers."""
    target = lines()[None]
    before = torch.get_rng_state()
    episode.rollout(build(Kind()).eval(), target, np.ones_like(target), 2, ANY_WIDTH)
    drawn = torch.get_rng_state()
    torch.set_rng_state(before)
    build(Kind())
    assert torch.equal(torch.get_rng_state(), drawn), "only the weights were drawn"
