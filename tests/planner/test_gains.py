"""What other choices would earn is what they would really paint, and the policy learns from all of them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from planner.acting import Acting, Actor, Schooling, Trajectory
from planner.actions import ANY_WIDTH, COMPONENTS, Pen
from planner.collection import shades
from planner.environment import Environment
from planner.exact_gradient import counted, expected_loss
from planner.foresight import untried_excess
from planner.gains import COARSE, NEAR, Losses, losses
from planner.learner import paint_again
from planner.policy import Kind, Policy, build
from planner.remote_actor import pack, unpack
from planner.rollout import Choice, Ready, try_strokes
from planner.teacher import JUMP_COST, actions_of
from sim.canvas import render


def arcs(count: int) -> np.ndarray:
    """Return pictures (count, 64, 64) of one bent stroke each."""
    rng = np.random.default_rng(3)
    strokes = np.zeros((count, 1, 12))
    strokes[..., :6] = rng.uniform(0.15, 0.85, (count, 1, 6))
    strokes[..., 6], strokes[..., 7:9] = 0.08, 1
    return np.stack([np.rint(255 * render(one)).astype(np.uint8) for one in strokes])


@pytest.fixture
def policy() -> Policy:
    torch.manual_seed(0)
    return build(Kind()).eval()


def painted(policy: Policy, pictures: np.ndarray, strokes: int = 2) -> tuple[Trajectory, Losses]:
    acting = Acting(batch=len(pictures), samples=3, strokes=strokes)
    trajectory = unpack(pack(Actor(policy, {"arcs": pictures}, acting, seed=1).act(Schooling(exact=True))))
    assert trajectory.losses is not None
    return trajectory, trajectory.losses


def gains(world: Environment, choice: Choice, left: int) -> np.ndarray:
    """Return by how much choices lower the weighed, summed squared error, less the cost of jumping."""
    tried, _ = try_strokes(world, choice, 1)
    weight = float(untried_excess(left))
    found: np.ndarray = 4096 * (world.errors(weight) - tried.errors(weight))
    found[choice.jumped & (found > 0)] *= 1 - JUMP_COST
    return found


def with_paint(choice: Choice, column: int, values: np.ndarray | int) -> Choice:
    paint = choice.paint.copy()
    paint[:, column] = values
    return choice._replace(paint=paint)


def near_of(cells: np.ndarray) -> np.ndarray:
    """Return the cells (25, n) around cells (n,) that are on the grid, others at its edge."""
    steps = np.arange(-NEAR, NEAR + 1)
    rows = np.clip(cells // 32 + steps[:, None], 0, 31)
    columns = np.clip(cells % 32 + steps[:, None], 0, 31)
    return (rows[:, None] * 32 + columns[None]).reshape(-1, len(cells))


def test_each_choice_loses_what_it_would_paint_less(policy: Policy) -> None:
    pictures = arcs(5)
    trajectory, lost_of = painted(policy, pictures)
    assert trajectory.drawn.paint.shape[:3] == (2, 5, 1), "one stroke a canvas"
    world = Environment(trajectory.start.wanted)
    for step in range(2):
        choice, own = trajectory.went(step), gains(world, trajectory.went(step), 2 - step)
        rows = np.arange(5)
        for column, lost in ((2, lost_of.control[step]), (4, lost_of.pressure[step])):
            size = list(COMPONENTS.values())[column]
            every = near_of(choice.paint[:, 2]) if column == 2 else np.repeat(np.arange(size)[:, None], 5, axis=1)
            for values in every:
                other = gains(world, with_paint(choice, column, values), 2 - step)
                less = lost[rows, values].astype(float) - lost[rows, choice.paint[:, column]]
                assert less == pytest.approx(own - other, abs=1.0, rel=5e-3)
        pairs = [
            [gains(world, with_paint(with_paint(choice, 3, size), 4, pressure), 2 - step) for pressure in range(10)]
            for size in range(6)
        ]
        best = np.max(pairs, axis=1).T
        assert lost_of.size[step] == pytest.approx(best.max(axis=1, keepdims=True) - best, abs=1.0, rel=5e-3)
        world.take(try_strokes(world, choice, 1)[0], rows)


def test_far_places_are_tried_too_and_what_lies_between_is_interpolated(policy: Policy) -> None:
    trajectory, lost_of = painted(policy, arcs(4), 1)
    choice, lost = trajectory.went(0), lost_of.control[0].astype(float).reshape(4, 32, 32)
    world, every, cell = Environment(trajectory.start.wanted), np.arange(4), choice.paint[:, 2]
    row, column = COARSE[1], COARSE[-2]
    less = gains(world, choice, 1) - gains(world, with_paint(choice, 2, row * 32 + column), 1)
    assert lost[:, row, column] - lost[every, cell // 32, cell % 32] == pytest.approx(less, abs=1.0, rel=5e-3)
    away = np.maximum(np.abs(cell // 32 - row), np.abs(cell % 32 - column)) > NEAR + 3
    assert away.any()
    between = (2 * lost[:, row, column] + lost[:, row, column + 3]) / 3
    assert lost[away, row, column + 1] == pytest.approx(between[away], abs=1.0, rel=5e-3)


@pytest.mark.parametrize(
    ("start", "control", "end"),
    [((8, 8), (12, 11), (9, 15)), ((8, 8), (15, 8), (15, 15)), ((9, 9), (12, 5), (16, 8)), ((6, 12), (9, 5), (16, 8))],
)
def test_a_control_point_follows_start_and_end_in_the_frame_of_the_chord(
    start: tuple[int, int], control: tuple[int, int], end: tuple[int, int]
) -> None:
    """A stroke from (8, 8) to (16, 8) bends up by half of its length, and does so wherever its ends go."""
    world = Environment(shades(arcs(1)))
    before, moved = np.array([[1, 8, 8, 12, 4, 16, 8, 1, 9]]), np.array([[1, *start, *control, *end, 1, 9]])
    own, other = (gains(world, Choice(*actions_of(choice)), 1) for choice in (before, moved))
    found = losses(world, before, 1)
    lost, (column, row), was = (found.end, end, 16) if start == (8, 8) else (found.start, start, 8)
    less = float(lost[0, row * 32 + column]) - float(lost[0, 8 * 32 + was])
    assert less == pytest.approx(float((own - other)[0]), abs=1.0, rel=5e-3)


def test_a_jump_is_weighed_against_painting_from_where_the_pen_is() -> None:
    world = Environment(shades(arcs(2)))
    world.pen = Pen(np.array([[0.25, 0.25], [0.5, 0.5]]), np.array([0.5, np.nan]))
    choices = np.array([[1, 20, 8, 18, 12, 16, 16, 1, 9], [0, 16, 16, 20, 12, 24, 16, 1, 9]])
    found = losses(world, choices, 1).flag.astype(float)
    jumped, jump, paint = actions_of(choices)
    own = gains(world, Choice(jumped, jump, paint), 1)
    stays = with_paint(Choice(np.zeros(2, bool), jump, paint), 2, follow(choices[0], (8, 8)))
    assert found[0, 0] - found[0, 1] == pytest.approx(own[0] - gains(world, stays, 1)[0], abs=0.1)
    assert found[1, 0] - found[1, 1] == pytest.approx(-JUMP_COST * own[1] if own[1] > 0 else 0.0, abs=0.1)


def follow(choice: np.ndarray, start: tuple[int, int]) -> int:
    """Return the control point's location where the start of a stroke is another: as complex numbers turn and grow."""
    first, control, end = (complex(*choice[column : column + 2]) for column in (1, 3, 5))
    moved = complex(*start)
    place = (control - (first + end) / 2) / (end - first) * (end - moved) + (moved + end) / 2
    return int(np.rint(place.imag)) * 32 + int(np.rint(place.real))


def test_the_loss_is_what_may_be_expected_to_be_lost(policy: Policy) -> None:
    """Against the sum over all choices, each weighed with its probability when it is asked for as a given action."""
    trajectory, lost_of = painted(policy, arcs(3), 1)
    with torch.no_grad():
        loss, log = expected_loss(policy, trajectory, paint_again(trajectory), 0.0)
        view = policy.look(torch.ones(3, 64, 64), torch.from_numpy(trajectory.start.wanted))
        left = torch.ones(3, dtype=torch.long)
        advanced = policy.remember(view, trajectory.start.before, left, trajectory.start.memory)
        choice = trajectory.went(0)
        ready = Ready.of(left, advanced, Pen.at_start(3), ANY_WIDTH, 3)
        ready = ready.jumped(policy, view, torch.from_numpy(choice.jumped), torch.from_numpy(choice.jump))
        expected = 0.0
        for column, name, lost in ((2, "control", lost_of.control), (3, "size", lost_of.size)):
            likely = []
            for value in range(lost.shape[2]):
                given = torch.from_numpy(with_paint(choice, column, value).paint)
                state, start, may_jump, widths = ready.memory.hidden, ready.start, ready.may_jump, ready.widths
                decoded = policy.decode(state, view, start, may_jump, widths, given, last=name)
                likely.append(decoded.log_probability)
            p = torch.softmax(torch.stack(likely, dim=1), dim=1).numpy()
            expected += float((p * counted(torch.from_numpy(lost[0]).float()).numpy()).sum(axis=1).mean())
    assert sum(log[f"lost_{name}"] for name in ("control", "size")) == pytest.approx(expected, rel=1e-3)
    assert float(loss) == pytest.approx(sum(value for name, value in log.items() if name.startswith("lost_")))


def test_every_component_gets_better(policy: Policy) -> None:
    worker = Actor(policy, {"arcs": arcs(24)}, Acting(batch=24, strokes=1), seed=1)
    optimiser = torch.optim.Adam(policy.parameters(), 1e-3)
    logs = []
    for _ in range(30):
        trajectory = worker.act(Schooling(exact=True))
        loss, log = expected_loss(policy, trajectory, paint_again(trajectory), 0.01)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        logs.append(log)
    for name in ("start", "end", "control", "pressure", "size"):
        lost = [log[f"lost_{name}"] for log in logs]
        assert np.mean(lost[-5:]) < 0.7 * np.mean(lost[:3]), name


def test_small_losses_count_in_proportion_and_none_counts_without_limit() -> None:
    lost = torch.tensor([0.0, 1.0, 100.0, 1e4])
    assert counted(lost).tolist() == pytest.approx([0.0, 0.1, 5.0, 9.9], rel=0.02)
