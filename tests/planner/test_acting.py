"""Actors: what they write down is what happened, and nothing is lost between trajectories."""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np
import pytest
import torch

from planner.acting import Acting, Actor, Schooling
from planner.demonstrations import Demonstrations, demonstrate
from planner.environment import ENGINES, EngineName
from planner.learner import paint_again, say
from planner.policy import Kind, Policy, build
from sim.canvas import render
from sim.errors import InputError

PICTURES = np.random.default_rng(0).integers(0, 256, (40, 64, 64)).astype(np.uint8)


def lines() -> np.ndarray:
    """Return pictures of one stroke each."""
    rng = np.random.default_rng(5)
    strokes = np.zeros((12, 12))
    strokes[:, :6] = rng.uniform(0.2, 0.8, (12, 6))
    strokes[:, 6], strokes[:, 7:9] = 0.08, 1
    return np.stack([(255 * render(one[None])).astype(np.uint8) for one in strokes])


@pytest.fixture(params=[True, False], ids=["conditional", "unconditional"])
def policy(request: pytest.FixtureRequest) -> Policy:
    torch.manual_seed(0)
    return build(Kind(conditional=request.param)).eval()


def actor(policy: Policy, **more: object) -> Actor:
    return Actor(policy, {"pictures": PICTURES}, Acting(batch=4, **more), seed=1)  # type: ignore[arg-type]


@pytest.mark.parametrize("samples", [1, 3])
def test_the_learner_sees_the_canvases_and_the_probabilities_that_the_actor_saw(policy: Policy, samples: int) -> None:
    torch.manual_seed(2)
    worker = actor(policy, samples=samples, strokes=6, unroll=4)
    first, second = worker.act(), worker.act()
    assert not first.last
    assert second.last
    assert np.array_equal(paint_again(first).ends, second.start.canvases), "the second goes on where the first ended"
    for trajectory in (first, second):
        painted = paint_again(trajectory)
        with torch.no_grad():
            said = say(policy, trajectory, painted)
        assert said.log_probability.numpy() == pytest.approx(trajectory.log_probability, abs=2e-4)
    assert (said.bootstrap == 0).all()
    assert painted.canvases[0].mean() > painted.ends.mean(), "it painted"


@pytest.mark.parametrize("conditional", [True, False], ids=["conditional", "unconditional"])
@pytest.mark.parametrize(
    ("net", "colour", "engine"), [("lean", True, "solid"), ("paper", True, "mypaint"), ("lean", False, "mypaint")]
)
def test_the_learner_paints_the_same_in_colour_and_in_either_engine(
    conditional: bool, net: Literal["lean", "paper"], colour: bool, engine: EngineName
) -> None:
    torch.manual_seed(0)
    policy = build(Kind(net, conditional, colour)).eval()
    pictures = np.random.default_rng(0).integers(0, 256, (40, 64, 64, 3)).astype(np.uint8)
    settings = Acting(batch=4, samples=3, strokes=5, unroll=3, begun_share=0.5, engine=engine)
    worker = Actor(policy, {"pictures": pictures if colour else PICTURES}, settings, seed=1)
    trajectories = [worker.act(), worker.act(), worker.act()]
    assert np.array_equal(paint_again(trajectories[0], ENGINES[engine]).ends, trajectories[1].start.canvases)
    for trajectory in trajectories:
        painted = paint_again(trajectory, ENGINES[engine])
        assert painted.tries is not None
        followed = np.concatenate((painted.canvases[1:], painted.ends[None]))
        assert np.array_equal(painted.tries[:, :, 0], followed), "of the tries the first was followed"
        assert not np.array_equal(painted.tries[:, :, 1], followed)
        with torch.no_grad():
            said = say(policy, trajectory, painted)
        assert said.log_probability.numpy() == pytest.approx(trajectory.log_probability, abs=2e-4)
    assert trajectory.drawn.paint.shape == (3, 4, 3, 8 if colour else 5)


def test_the_two_engines_paint_the_same_strokes_otherwise_in_about_the_same_places() -> None:
    torch.manual_seed(0)
    policy = build(Kind()).eval()
    trajectory = Actor(policy, {"pictures": PICTURES}, Acting(batch=32, strokes=2), seed=1).act()
    solid, mypaint = (1 - paint_again(trajectory, ENGINES[name]).ends for name in ("solid", "mypaint"))
    assert not np.array_equal(solid, mypaint)
    blurred = [[cv2.GaussianBlur(ink, (0, 0), 4).ravel() for ink in canvases] for canvases in (solid, mypaint)]
    alike = np.corrcoef(*map(np.stack, blurred))[:32, 32:]
    others = alike[~np.eye(32, dtype=bool)].mean()
    assert np.diag(alike).mean() > others + 0.3, "each is more like its own than like those of other episodes"


def test_a_lesson_in_colour_is_painted_in_its_colours() -> None:
    torch.manual_seed(0)
    policy = build(Kind(colour=True)).eval()
    rng = np.random.default_rng(3)
    colours = rng.integers(0, 255, (12, 3)).astype(np.uint8)
    pictures = np.where(lines()[..., None] < 128, colours[:, None, None], 255).astype(np.uint8)
    worker = Actor(policy, {"lines": pictures}, Acting(batch=8, samples=2, strokes=2), seed=1)
    trajectory = worker.act(Schooling(trials=600, follow=1.0))
    targets = trajectory.start.targets / 255
    error = np.mean((paint_again(trajectory).ends - targets) ** 2)
    assert error < 0.35 * np.mean((1 - targets) ** 2), "the teacher's strokes were painted"
    with torch.no_grad():
        said = say(policy, trajectory, paint_again(trajectory))
    assert np.isfinite(float(said.likelihood))


def test_a_lesson_is_followed_where_it_should_be() -> None:
    torch.manual_seed(0)
    policy = build(Kind()).eval()
    worker = Actor(policy, {"lines": lines()}, Acting(batch=8, samples=2, strokes=2), seed=1)
    trajectory = worker.act(Schooling(trials=400, follow=1.0))
    assert trajectory.lesson is not None
    targets = trajectory.start.targets / 255
    error = np.mean((paint_again(trajectory).ends - targets) ** 2)
    assert error < 0.35 * np.mean((1 - targets) ** 2), "the teacher's strokes were painted"
    never = worker.act(Schooling(trials=10, follow=0.0))
    assert np.array_equal(never.went(0).paint, never.drawn.paint[0, :, 0])


def test_an_actor_goes_on_exactly_where_its_state_was_kept(policy: Policy) -> None:
    torch.manual_seed(3)
    worker = actor(policy, samples=2, strokes=6, unroll=4, begun_share=0.5)
    worker.act()
    kept, numbers = worker.state(), torch.get_rng_state()
    straight = [worker.act() for _ in range(3)]
    torch.set_rng_state(numbers)
    other = actor(policy, samples=2, strokes=6, unroll=4, begun_share=0.5)
    other.restore(kept)
    for one in straight:
        again = other.act()
        assert np.array_equal(one.drawn.paint, again.drawn.paint)
        assert np.array_equal(one.start.canvases, again.start.canvases)


def test_episodes_begin_on_what_was_painted_before(policy: Policy) -> None:
    worker = actor(policy, strokes=3, begun_share=1.0)
    worker.act()
    assert worker.act().start.canvases.min() < 0.5
    assert actor(policy, strokes=3).act().start.canvases.min() == 1


def test_demonstrations_come_back_as_lessons_that_paint_the_pictures(tmp_path) -> None:  # type: ignore[no-untyped-def]
    from planner import checkpoint

    policy, _, _ = checkpoint.load(checkpoint.find("line-art"))
    pictures = lines()
    shown = demonstrate(policy, pictures, 3)
    shown.save(tmp_path / "shown.npz")
    shown = Demonstrations.load(tmp_path / "shown.npz")
    assert len(shown) == len(pictures)
    learner = build(Kind(conditional=False))
    ends = paint_again(shown.trajectory(learner, 64, np.random.default_rng(0))).ends
    nearest = [min(np.mean((end - picture / 255) ** 2) for picture in pictures) for end in ends]
    assert np.mean(nearest) < 0.25 * np.mean((1 - pictures / 255) ** 2)
    (tmp_path / "broken.npz").write_bytes(b"PK")
    with pytest.raises(InputError, match="cannot read these demonstrations"):
        Demonstrations.load(tmp_path / "broken.npz")
