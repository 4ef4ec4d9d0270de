"""The teacher in colour: what it finds, how much it gains, and that no other colour would have been better."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from planner.actions import COLOUR_INDICES, LEVELS, Pen, WidthLimits
from planner.colour_teacher import coloured_actions, teach_colour
from planner.environment import Environment
from sim.canvas import render
from sim.stroke import COLOUR

NOTHING_BEGUN = np.zeros((6, 0, 9), np.int64)


@pytest.fixture
def targets() -> np.ndarray:
    """Return pictures (6, 64, 64, 3) of one wide stroke each, of one of the levels, on white."""
    rng = np.random.default_rng(5)
    strokes = np.zeros((6, 12))
    strokes[:, :6] = rng.uniform(0.2, 0.8, (6, 6))
    strokes[:, 6], strokes[:, 7:9] = 0.25, 1
    strokes[:, COLOUR] = rng.integers(0, 12, (6, 3)) / (LEVELS - 1)
    return np.stack([render(one[None], channels=3) for one in strokes])


def painted(world: Environment, jumped: np.ndarray, jumps: np.ndarray, paints: np.ndarray) -> Environment:
    """Return the canvases after a jump where there is one, and a stroke."""
    tried = world.tries(1)
    tried.step(np.where(jumped[:, None], jumps, paints))
    after = world.tries(1)
    after.pen = Pen(
        np.where(jumped[:, None], tried.pen.position, world.pen.position),
        np.where(jumped, np.nan, world.pen.pressure),
    )
    after.step(paints)
    return after


@pytest.mark.parametrize("limits", [WidthLimits(), WidthLimits(0.1, 0.3)], ids=["any-width", "a-brush"])
def test_it_finds_a_stroke_in_its_colour(targets: np.ndarray, limits: WidthLimits) -> None:
    world = Environment(targets)
    found = teach_colour(world.canvases, targets, world.pen, NOTHING_BEGUN, 1500, np.random.default_rng(0), limits)
    jumped, jumps, paints = coloured_actions(found.choices, found.levels)
    after = painted(world, jumped, jumps, paints)
    assert after.errors().mean() < 0.25 * world.errors().mean()
    assert found.gains == pytest.approx(world.errors() - after.errors(), rel=0.05)
    assert jumps.shape == paints.shape == (6, 8)


def test_no_other_level_of_a_colour_is_better(targets: np.ndarray) -> None:
    rng = np.random.default_rng(1)
    ground = np.rint(255 * rng.random(targets.shape)).astype(np.float32) / 255
    world = Environment(targets, ground)
    found = teach_colour(ground, targets, world.pen, NOTHING_BEGUN, 40, rng, WidthLimits())
    jumped, jumps, paints = coloured_actions(found.choices, found.levels)
    least = painted(world, jumped, jumps, paints).errors()
    for column, level in itertools.product(range(*COLOUR_INDICES.indices(8)), range(LEVELS)):
        others = paints.copy()
        others[:, column] = level
        assert (painted(world, jumped, jumps, others).errors() >= least - 1e-6).all()


def test_it_begins_with_what_was_proposed(targets: np.ndarray) -> None:
    world = Environment(targets)
    far = teach_colour(world.canvases, targets, world.pen, NOTHING_BEGUN, 1500, np.random.default_rng(0), WidthLimits())
    begun = teach_colour(
        world.canvases, targets, world.pen, far.choices[:, None], 1, np.random.default_rng(1), WidthLimits()
    )
    assert (begun.gains >= far.gains - 1e-9).all()
