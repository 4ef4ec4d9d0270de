"""Soft targets: each neighbour is weighed by what it would really paint; imitation is the cross-entropy to them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from planner.acting import Acting, Actor, Schooling
from planner.actions import Pen, WidthLimits
from planner.environment import Environment
from planner.learner import paint_again, say
from planner.policy import Kind, build
from planner.rollout import Choice, try_strokes
from planner.soft_targets import NEIGHBOURS, REACH, TEMPERATURE, SoftTargets, around, soft_targets
from planner.teacher import JUMP_COST, actions_of
from sim.canvas import render

RNG = np.random.default_rng(4)
PRESSURES_BEFORE = np.array([0.5, np.nan, 0.7])
CHOICES = np.array([[0, 10, 8, 16, 9, 25, 20, 1, 6], [1, 5, 5, 1, 2, 30, 31, 2, 9], [1, 20, 3, 31, 0, 0, 31, 0, 4]])
"""One goes on from where the pen is, two jump; some neighbours lie off the grid."""


def scene() -> tuple[Environment, Choice]:
    strokes = np.zeros((3, 2, 12))
    strokes[:, :, :6] = RNG.uniform(0.1, 0.9, (3, 2, 6))
    strokes[:, :, 6], strokes[:, :, 7:9] = 0.1, 1
    world = Environment(np.stack([render(two) for two in strokes]))
    world.canvases = np.stack([render(two[:1]) for two in strokes])
    world.pen = Pen(CHOICES[:, 1:3] / 32, PRESSURES_BEFORE)
    return world, Choice(*actions_of(CHOICES))


def gain(world: Environment, choice: np.ndarray, item: int) -> float:
    """Return by how much a choice (9,) lowers the summed squared error, painted by the environment itself."""
    alone = Environment(world.targets[item : item + 1], world.canvases[item : item + 1])
    alone.pen = world.pen.chosen(np.array([item]))
    before = alone.errors()[0]
    tried, _ = try_strokes(alone, Choice(*actions_of(choice[None])), 1)
    found = 4096 * float(before - tried.errors()[0])
    return found * (1 - JUMP_COST) if found > 0 and choice[0] else found


def softmax(gains: np.ndarray) -> np.ndarray:
    weights = np.exp((gains - gains.max()) / TEMPERATURE)
    return weights / weights.sum()


def test_each_weight_is_that_of_the_canvas_that_the_neighbour_would_paint() -> None:
    world, _ = scene()
    soft = soft_targets(world.canvases, world.targets, world.pen, CHOICES, WidthLimits())
    for item, choice in enumerate(CHOICES):
        for point, name in enumerate(("start", "control", "end")):
            weights = getattr(soft, name)[item]
            if point == 0 and not choice[0]:
                assert weights[NEIGHBOURS // 2] == 1, "it starts where the pen is"
                continue
            gains = np.full(NEIGHBOURS, -np.inf)
            for index in range(NEIGHBOURS):
                other = choice.copy()
                other[1 + 2 * point] += index % (2 * REACH + 1) - REACH
                other[2 + 2 * point] += index // (2 * REACH + 1) - REACH
                if 0 <= other[1 + 2 * point] < 32 and 0 <= other[2 + 2 * point] < 32:
                    gains[index] = gain(world, other, item)
            assert weights == pytest.approx(softmax(gains), abs=2e-3)
        pairs = np.array([[gain(world, np.r_[choice[:7], s, p], item) for p in range(10)] for s in range(6)])
        assert soft.size[item] == pytest.approx(softmax(pairs.ravel()).reshape(6, 10).sum(axis=1), abs=2e-3)
        assert soft.pressure[item] == pytest.approx(softmax(pairs[choice[7]]), abs=2e-3)


def test_widths_that_the_brush_cannot_paint_get_no_weight() -> None:
    world, _ = scene()
    limits = WidthLimits(0.04, 0.1)
    soft = soft_targets(world.canvases, world.targets, world.pen, CHOICES, limits)
    for item, before in enumerate((0.5, np.nan, np.nan)):
        allowed = limits.allowed(np.array([before]))[0]
        assert (soft.size[item][~allowed.any(axis=1)] == 0).all()
    assert (soft.pressure[1][~limits.allowed(np.array([np.nan]))[0, 2]] == 0).all()


def test_neighbours_are_counted_row_by_row_and_stay_on_the_grid() -> None:
    cells = around(np.array([5 * 32 + 7, 0]))
    assert cells[0, 0] == 2 * 32 + 4
    assert cells[0, 1] == 2 * 32 + 5
    assert cells[0, NEIGHBOURS // 2] == 5 * 32 + 7
    assert cells.min() == 0
    assert cells[1].max() == 3 * 32 + 3


def one_hot(soft: SoftTargets, choices: np.ndarray) -> SoftTargets:
    """Return targets that accept the choices (n, 9) alone."""
    hard = soft.map(np.zeros_like)
    for part in hard[:3]:
        part[:, NEIGHBOURS // 2] = 1
    rows = np.arange(len(choices))
    hard.size[rows, choices[:, 7]] = hard.pressure[rows, choices[:, 8]] = 1
    return hard


def test_targets_that_accept_one_stroke_alone_are_its_likelihood_and_others_the_mean_over_all() -> None:
    torch.manual_seed(0)
    policy = build(Kind()).eval()
    pictures = np.rint(255 * scene()[0].targets).astype(np.uint8)
    actor = Actor(policy, {"strokes": pictures}, Acting(batch=6, samples=2, strokes=1), seed=1)
    trajectory = actor.act(Schooling(20, follow=1.0, alone=True))
    assert trajectory.drawn.paint.shape[2] == 1, "nothing but what was followed is written down"
    assert trajectory.lesson is not None
    assert trajectory.soft is not None
    painted = paint_again(trajectory)
    lesson, soft = trajectory.lesson_at(0), trajectory.soft_at(0)
    assert lesson is not None
    assert soft is not None
    widths = lesson.paint[:, 3:5]
    choices = np.concatenate((np.zeros((6, 7), np.int64), widths), axis=1)

    def likelihood(given: SoftTargets | None) -> float:
        trajectory.soft = given and given.map(lambda part: part[None])
        with torch.no_grad():
            return float(say(policy, trajectory, painted).likelihood)

    hard = likelihood(None)
    assert likelihood(one_hot(soft, choices)) == pytest.approx(hard, abs=1e-4)
    mixed = SoftTargets(*((a + b) / 2 for a, b in zip(one_hot(soft, choices), soft, strict=True)))
    assert likelihood(mixed) == pytest.approx((hard + likelihood(soft)) / 2, abs=1e-4)
