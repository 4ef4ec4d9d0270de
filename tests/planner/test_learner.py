"""Policy, rollout and learner: shapes, probabilities and that learning learns."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from planner.acting import Acting, Actor, Schooling
from planner.actions import COMPONENTS, FLAG, JUMP, Pen, WidthLimits
from planner.discriminator import build_discriminator
from planner.environment import Environment
from planner.learner import Costs, advantages, paint_again, policy_loss, teach_discriminator
from planner.policy import Kind, Memory, Policy, View, build
from planner.rewards import Rewards
from planner.rollout import Stroke, decode_stroke, no_action, try_strokes, weigh_stroke
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


def drawn(policy: Policy, targets: np.ndarray, world: Environment, count: int) -> Stroke:
    return decode_stroke(*seen(policy, targets, world), WidthLimits(0.02, 0.2), count)


def seen(policy: Policy, targets: np.ndarray, world: Environment) -> tuple[Policy, View, torch.Tensor, Memory, Pen]:
    view = policy.look(torch.from_numpy(world.canvases), torch.from_numpy(targets))
    left = torch.full((len(targets),), 8)
    advanced = policy.remember(view, no_action(len(targets)), left, policy.initial_memory(len(targets)))
    return policy, view, left, advanced, world.pen


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
        stroke = drawn(policy, targets, world, 60)
        given = weigh_stroke(*seen(policy, targets, world), WidthLimits(0.02, 0.2), stroke.choice)
    assert 0 < stroke.jumped.sum() < 60, "some jump, others do not"
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
        decoded = policy.decode(
            hidden, view, torch.zeros(1024, dtype=torch.long), torch.ones(1024, dtype=torch.bool), allowed, ends
        )
        flag = torch.log_softmax(policy.heads["flag"](memory.hidden), dim=1)[0, JUMP]
    assert len(jumps) == 2
    assert decoded.log_probability.exp().sum() == pytest.approx(float(flag.exp()), rel=1e-4)


def test_one_stroke_a_state_has_vtraces_advantage() -> None:
    future = torch.tensor([[1.0, -2.0]])
    assert torch.equal(advantages(torch.zeros(1, 2, 1), future, torch.zeros(1, 2, 1), 1.0)[..., 0], future)


def test_advantages_of_several_strokes_are_centred_in_each_state() -> None:
    rewards = torch.tensor([[[1.0, 2.0, 3.0], [5.0, 5.0, 5.0], [10.0, 20.0, 30.0]]])
    result = advantages(rewards, torch.zeros(1, 3), torch.zeros(1, 3, 3), 0.0)
    assert result.mean(dim=2).abs().max() < 1e-6
    assert result[0, 1].abs().max() == 0
    assert result[0, 0, 2] > 0
    assert torch.allclose(result[0, 2], 10 * result[0, 0]), "ten times the gain counts ten times as much"


def test_what_comes_later_counts_for_the_stroke_that_was_followed() -> None:
    rewards = torch.tensor([[[1.0, 2.0, 3.0]]])
    now, later = (advantages(rewards, torch.tensor([[4.0]]), torch.zeros(1, 1, 3), weight) for weight in (0.0, 1.0))
    assert torch.equal(now[..., 1:], later[..., 1:])
    spread = (2 / 3) ** 0.5
    # V-trace's advantage of 4 less what it earned at once against the others, −1, for each of the three.
    assert float(later[0, 0, 0] - now[0, 0, 0]) == pytest.approx(3 * (4 + 1) / spread, rel=1e-5)


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


@pytest.mark.parametrize("kind", ["spectral", "wgan-gp"])
def test_imitation_teaches_the_policy_and_its_canvases_the_discriminator(policy: Policy, targets, kind) -> None:  # type: ignore[no-untyped-def]
    torch.manual_seed(1)
    discriminator = build_discriminator(kind, conditional=True, colour=False)
    optimiser = torch.optim.Adam(policy.parameters(), 1e-3)
    judge = torch.optim.Adam(discriminator.parameters(), 1e-3)
    pictures = np.rint(255 * targets).astype(np.uint8)
    actor = Actor(policy, {"strokes": pictures}, Acting(batch=12, strokes=1), seed=1)
    likelihood = []
    for _ in range(25):
        trajectory = actor.act(Schooling(200, 0.5))
        painted = paint_again(trajectory)
        costs = Costs(gradient=0.0, baseline=0.0, entropy=0.0, imitation=1.0)
        loss, _ = policy_loss(policy, discriminator, trajectory, painted, Rewards(), costs)
        likelihood.append(-float(loss.detach()))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        wanted = trajectory.start.targets.astype(np.float32) / 255
        log = teach_discriminator(discriminator, judge, (wanted, wanted), (painted.ends, wanted))
    assert np.mean(likelihood[-3:]) > likelihood[0] + 2.5, "the lessons have become likelier, by a factor of twelve"
    assert log["real"] > log["painted"], "the discriminator tells targets from canvases"


@pytest.mark.parametrize(
    ("credit", "samples", "future"), [("end", 1, 1.0), ("change", 4, 0.0), ("change", 4, 1.0)], ids=str
)
def test_the_reward_is_what_an_unconditional_policy_learns(credit, samples, future) -> None:  # type: ignore[no-untyped-def]
    """With the ink as the verdict, more ink: at the end for one stroke a canvas (SPIRAL), or at each for several."""

    class Ink(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.settings = {"conditional": False, "kind": "spectral"}

        def forward(self, canvas: torch.Tensor, target: None) -> torch.Tensor:
            return 5 * (1 - canvas).flatten(1).mean(dim=1)

    torch.manual_seed(0)
    policy = build(Kind(conditional=False))
    optimiser = torch.optim.Adam(policy.parameters(), 1e-3)
    blank = {"any": np.zeros((4, 64, 64), np.uint8)}
    actor = Actor(policy, blank, Acting(batch=24, samples=samples, strokes=2), seed=1)
    rewards, costs = Rewards(credit), Costs(entropy=0.0, future=future)
    ink = []
    for _ in range(25):
        trajectory = actor.act()
        painted = paint_again(trajectory)
        loss, _ = policy_loss(policy, Ink(), trajectory, painted, rewards, costs)  # type: ignore[arg-type]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        ink.append(float(np.mean(1 - painted.ends)))
    assert np.mean(ink[-5:]) > 1.3 * np.mean(ink[:5])


def test_a_verdict_on_colour_is_learned() -> None:
    """With red as the verdict, and blue as its opposite, a policy in colour paints redder."""

    class Red(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.settings = {"conditional": False, "kind": "spectral"}

        def forward(self, canvas: torch.Tensor, target: None) -> torch.Tensor:
            return 5 * (canvas[..., 0] - canvas[..., 2]).flatten(1).mean(dim=1)

    torch.manual_seed(0)
    policy = build(Kind(conditional=False, colour=True))
    optimiser = torch.optim.Adam(policy.parameters(), 1e-3)
    blank = {"any": np.zeros((4, 64, 64, 3), np.uint8)}
    actor = Actor(policy, blank, Acting(batch=24, samples=4, strokes=1), seed=1)
    redness = []
    for _ in range(20):
        trajectory = actor.act()
        painted = paint_again(trajectory)
        loss, log = policy_loss(policy, Red(), trajectory, painted, Rewards("change"), Costs(entropy=0.0))  # type: ignore[arg-type]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        redness.append(float(np.mean(painted.ends[..., 0] - painted.ends[..., 2])))
        assert log["reward"] == pytest.approx(5 * redness[-1], abs=1e-4)
    assert np.mean(redness[-4:]) > np.mean(redness[:4]) + 0.05


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
