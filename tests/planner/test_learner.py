"""Policy, rollout and learner: shapes, probabilities and that learning learns."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from planner.actions import COMPONENTS, FLAG, JUMP, WidthLimits
from planner.discriminator import build_discriminator
from planner.environment import Environment
from planner.learner import Costs, advantages, discriminator_step, unroll
from planner.policy import Kind, Policy, build
from planner.rollout import decode_stroke, no_action, try_strokes
from planner.teacher import actions_of, choices_of, teach
from sim.canvas import render
from sim.stroke import START


@pytest.fixture
def targets() -> np.ndarray:
    rng = np.random.default_rng(5)
    strokes = np.zeros((6, 12))
    strokes[:, :6] = rng.uniform(0.2, 0.8, (6, 6))
    strokes[:, 6] = 0.08
    strokes[:, 7:9] = 1
    return np.stack([render(one[None]) for one in strokes])


@pytest.fixture
def policy() -> Policy:
    torch.manual_seed(0)
    return build(Kind())


def drawn(policy: Policy, targets: np.ndarray, world: Environment, count: int, **more: object):  # type: ignore[no-untyped-def]
    view = policy.look(torch.from_numpy(world.canvases), torch.from_numpy(targets))
    left = torch.full((len(targets),), 8)
    advanced = policy.remember(view, no_action(len(targets)), left, policy.initial_memory(len(targets)))
    return decode_stroke(policy, view, left, advanced, world.pen, WidthLimits(0.02, 0.2), count, **more)


def test_the_policy_is_lean() -> None:
    assert sum(parameter.numel() for parameter in build(Kind()).parameters()) < 4_000_000


def test_sampled_strokes_lie_in_the_action_space_and_within_the_brush(policy: Policy, targets: np.ndarray) -> None:
    world = Environment(targets)
    stroke = drawn(policy, targets, world, 6 * 20)
    for column, size in enumerate(COMPONENTS.values()):
        assert stroke.paint[:, column].min() >= 0
        assert stroke.paint[:, column].max() < size
    assert (stroke.paint[:, FLAG] != JUMP).all(), "no two jumps in a row"
    _, strokes = try_strokes(world, stroke, 20)
    widths = strokes[:, 6:7] * strokes[:, 7:9]
    assert widths.min() >= 0.02 - 1e-9
    assert widths.max() <= 0.2 + 1e-9


def test_the_probability_of_given_strokes_is_that_of_sampling_them(policy: Policy, targets: np.ndarray) -> None:
    world = Environment(targets)
    with torch.no_grad():
        stroke = drawn(policy, targets, world, 6)
        given = drawn(policy, targets, world, 6, given=(stroke.jumped, stroke.jump, stroke.paint))
    assert torch.allclose(stroke.log_probability, given.log_probability, atol=1e-5)
    assert torch.allclose(stroke.memory.hidden, given.memory.hidden, atol=1e-6)


def test_probabilities_of_a_component_sum_to_one(policy: Policy, targets: np.ndarray) -> None:
    world = Environment(targets[:1])
    jumps = np.zeros((2, 5), np.int64)
    with torch.no_grad():
        view = policy.look(torch.from_numpy(world.canvases), torch.from_numpy(targets[:1]))
        memory = policy.remember(view, no_action(1), torch.tensor([8]), policy.initial_memory(1))
        ends = torch.zeros(1024, 5, dtype=torch.long)
        ends[:, 0], ends[:, 1] = JUMP, torch.arange(1024)
        hidden = memory.hidden.expand(1024, -1)
        allowed = torch.ones(1024, 6, 10, dtype=torch.bool)
        decoded = policy.decode(hidden, view.keys, torch.ones(1024, dtype=torch.bool), allowed, ends)
        flag = torch.log_softmax(policy.heads["flag"](memory.hidden), dim=1)[0, JUMP]
    assert len(jumps) == 2
    assert decoded.log_probability.exp().sum() == pytest.approx(float(flag.exp()), rel=1e-4)


def test_advantages_are_centred_for_each_state() -> None:
    rewards = torch.tensor([[1.0, 2.0, 3.0], [5.0, 5.0, 5.0]])
    result = advantages(rewards)
    assert result.mean(dim=1).abs().max() < 1e-6
    assert result[1].abs().max() == 0
    assert result[0, 2] > 0


def test_the_teacher_finds_a_stroke_that_is_there(targets: np.ndarray) -> None:
    world = Environment(targets)
    before = world.errors()
    rng = np.random.default_rng(0)
    begun = np.zeros((6, 0, 9), np.int64)
    choices, gains = teach(world.canvases, targets, world.pen, begun, 600, rng, WidthLimits())
    jumped, jumps, paints = actions_of(choices)
    assert np.array_equal(choices_of(jumped, choices[:, 1:3] / 32, paints), choices)
    for action in (np.where(jumped[:, None], jumps, paints), paints):
        world.step(action)
    assert (world.errors() < 0.5 * before).all()
    assert world.errors().mean() < 0.25 * before.mean()
    assert gains == pytest.approx(before - world.errors(), rel=0.05)


def test_imitation_and_gradient_raise_what_they_should(policy: Policy, targets: np.ndarray) -> None:
    """A few updates on six pictures: the policy's error falls well below blank paper's."""
    torch.manual_seed(1)
    rng = np.random.default_rng(1)
    discriminator = build_discriminator("spectral", conditional=True, colour=False)
    optimiser = torch.optim.Adam(policy.parameters(), 1e-3)
    judge = torch.optim.Adam(discriminator.parameters(), 1e-3)
    blank = float(np.mean((1 - targets) ** 2))
    errors = []
    for update in range(40):
        costs = Costs(1.0, 0.0, 0.0, 0.0, 100.0) if update < 25 else Costs(0.1, 1.0, 1e-3, 0.03, 100.0)
        episode = unroll(policy, discriminator, targets, None, 2, 4, 60, costs, rng)
        optimiser.zero_grad()
        episode.loss.backward()
        optimiser.step()
        log = discriminator_step(discriminator, judge, episode)
        errors.append(float(episode.errors.mean()))
    assert np.mean(errors[-5:]) < 0.5 * blank
    assert log["real"] > log["painted"], "the discriminator tells targets from canvases"


def test_an_episode_can_begin_on_a_painted_canvas(policy: Policy, targets: np.ndarray) -> None:
    world = Environment(targets, targets)
    assert world.errors().max() == 0
    world.canvases[:] = 1
    assert targets.min() < 0.5, "the environment paints on a copy"


def test_tried_strokes_start_where_the_pen_jumped(policy: Policy, targets: np.ndarray) -> None:
    world = Environment(targets)
    stroke = drawn(policy, targets, world, 6)
    _, strokes = try_strokes(world, stroke, 1)
    cells = stroke.jump[stroke.jumped, 1]
    assert strokes[stroke.jumped][:, START] == pytest.approx(np.stack((cells % 32, cells // 32), axis=1) / 32)
