"""Neighbours: each earns what it would really paint, and the policy learns to agree with it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from planner.acting import Acting, Actor
from planner.actions import Pen, WidthLimits
from planner.discriminator import build_discriminator
from planner.environment import Environment
from planner.learner import Costs, paint_again, policy_loss
from planner.neighbours import COUNT, REACH, around, neighbours
from planner.policy import TEMPERATURE_PX2, Kind, agreement, build
from planner.remote_actor import pack, unpack
from planner.rewards import Rewards
from planner.rollout import Choice, try_strokes
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


def test_each_gain_is_that_of_the_canvas_that_the_neighbour_would_paint() -> None:
    world, _ = scene()
    found = neighbours(world.canvases, world.targets, world.pen, CHOICES, WidthLimits())
    for item, choice in enumerate(CHOICES):
        for point, name in enumerate(("start", "control", "end")):
            gains = getattr(found, name)[item]
            if point == 0 and not choice[0]:
                assert np.isfinite(gains).sum() == 1, "it starts where the pen is"
                continue
            for index in range(COUNT):
                other = choice.copy()
                other[1 + 2 * point] += index % (2 * REACH + 1) - REACH
                other[2 + 2 * point] += index // (2 * REACH + 1) - REACH
                if 0 <= other[1 + 2 * point] < 32 and 0 <= other[2 + 2 * point] < 32:
                    assert gains[index] == pytest.approx(gain(world, other, item), abs=0.02)
                else:
                    assert gains[index] == -np.inf
        for size in range(6):
            assert found.size[item, size] == pytest.approx(
                gain(world, np.r_[choice[:7], size, choice[8]], item), abs=0.02
            )
        for pressure in range(10):
            other = np.r_[choice[:8], pressure]
            assert found.pressure[item, pressure] == pytest.approx(gain(world, other, item), abs=0.02)


def test_widths_that_the_brush_cannot_paint_are_no_neighbours() -> None:
    world, _ = scene()
    limits = WidthLimits(0.04, 0.1)
    found = neighbours(world.canvases, world.targets, world.pen, CHOICES, limits)
    for item, before in enumerate((0.5, np.nan, np.nan)):
        allowed, choice = limits.allowed(np.array([before]))[0], CHOICES[item]
        assert np.array_equal(np.isfinite(found.size[item]), allowed[:, choice[8]])
        assert np.array_equal(np.isfinite(found.pressure[item]), allowed[choice[7]])


def test_neighbours_are_counted_row_by_row_and_stay_on_the_grid() -> None:
    cells = around(np.array([5 * 32 + 7, 0]))
    assert cells[0, 0] == 2 * 32 + 4
    assert cells[0, 1] == 2 * 32 + 5
    assert cells[0, COUNT // 2] == 5 * 32 + 7
    assert cells.min() == 0
    assert cells[1].max() == 3 * 32 + 3


def test_agreement_is_the_cross_entropy_to_what_the_choices_earn_and_moves_them_alone() -> None:
    """Written out for each row, with a choice that cannot be."""
    torch.manual_seed(0)
    logits = torch.randn(2, 7, dtype=torch.float64, requires_grad=True)
    choices = torch.tensor([[1, 2, 5], [0, 6, 6]])
    gains = torch.tensor([[0.3, -0.1, 0.05], [0.2, 0.1, -torch.inf]], dtype=torch.float64)
    found = agreement(logits, choices, gains)
    found.sum().backward()
    assert logits.grad is not None
    for row, there in enumerate(([1, 2, 5], [0, 6])):
        likely = np.exp(logits.detach().numpy()[row, there])
        likely /= likely.sum()
        wanted = np.exp(gains[row, : len(there)].numpy() / TEMPERATURE_PX2)
        wanted /= wanted.sum()
        assert float(found[row].detach()) == pytest.approx(wanted @ np.log(likely))
        slope = np.zeros(7)
        slope[there] = wanted - likely
        assert logits.grad[row].numpy() == pytest.approx(slope)


def test_the_learner_climbs_towards_better_neighbours_without_any_other_reward() -> None:
    torch.manual_seed(0)
    policy = build(Kind()).train()
    world, _ = scene()
    pictures = np.rint(255 * world.targets).astype(np.uint8)
    actor = Actor(policy, {"strokes": pictures}, Acting(batch=24, samples=2, strokes=1, neighbours=True), seed=1)
    optimiser = torch.optim.Adam(policy.parameters(), 1e-3)
    judge = build_discriminator("spectral", conditional=True, colour=False)
    costs = Costs(gradient=0.0, baseline=1e-9, entropy=0.0, neighbours=1.0)
    errors = []
    for _ in range(40):
        trajectory = unpack(pack(actor.act()))
        assert trajectory.neighbours is not None
        assert trajectory.neighbours.end.shape == (1, 24, 2, COUNT)
        painted = paint_again(trajectory)
        loss, _ = policy_loss(policy, judge, trajectory, painted, Rewards(discriminator=0.0), costs)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        errors.append(float(np.mean((painted.ends - trajectory.start.targets / 255) ** 2)))
    assert np.mean(errors[-5:]) < 0.75 * np.mean(errors[:3])
