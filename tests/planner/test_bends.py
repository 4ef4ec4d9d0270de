"""Control points: each earns what it would really paint, and the choice of them learns from all."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from planner import bends, checkpoint
from planner.acting import Acting, Actor, Schooling
from planner.bends import BATCH, COUNT, Lessons, bend_loss
from planner.environment import Environment
from planner.lean_policy import BENDS, SHORTEST_PX, LeanPolicy
from planner.policy import Kind
from planner.remote_actor import pack, unpack
from planner.rollout import Choice, try_strokes
from planner.teacher import JUMP_COST
from sim.canvas import render


def arcs(count: int) -> np.ndarray:
    """Return pictures (count, 64, 64) of one bent stroke each."""
    rng = np.random.default_rng(3)
    strokes = np.zeros((count, 1, 12))
    strokes[..., :6] = rng.uniform(0.15, 0.85, (count, 1, 6))
    strokes[..., 6], strokes[..., 7:9] = 0.08, 1
    return np.stack([np.rint(255 * render(one)).astype(np.uint8) for one in strokes])


@pytest.fixture
def policy() -> LeanPolicy:
    torch.manual_seed(0)
    policy = LeanPolicy(Kind()).eval()
    policy.begin_bends()
    return policy


def actor(policy: LeanPolicy, pictures: np.ndarray, strokes: int = 1) -> Actor:
    return Actor(policy, {"arcs": pictures}, Acting(batch=len(pictures), samples=3, strokes=strokes), seed=1)


def test_each_control_point_earns_what_it_would_paint(policy: LeanPolicy) -> None:
    pictures = arcs(4)
    trajectory = unpack(pack(actor(policy, pictures).act(Schooling(greedy=True))))
    assert trajectory.drawn.paint.shape[:3] == (1, 4, 1), "one stroke a canvas, the likeliest"
    found, choice = trajectory.bends, trajectory.went(0)
    assert found is not None
    assert found.gains.shape == (4, COUNT)
    world = Environment(trajectory.start.wanted)
    before = world.errors()
    for index in range(0, COUNT, 7):
        paint = choice.paint.copy()
        paint[:, 2] = found.cells[:, index]
        tried, _ = try_strokes(world, Choice(choice.jumped, choice.jump, paint), 1)
        gains = 4096 * (before - tried.errors())
        gains[choice.jumped & (gains > 0)] *= 1 - JUMP_COST
        assert found.gains[:, index] == pytest.approx(gains, abs=0.05)
    assert (found.cells == choice.paint[:, 2, None]).any(axis=1).all(), "the chosen one is among them"


def test_the_net_says_of_a_stroke_what_it_was_seen_to_say(policy: LeanPolicy) -> None:
    """What is written down is what the policy chose by: the same control point is likeliest."""
    trajectory = actor(policy, arcs(6)).act(Schooling(greedy=True))
    found = trajectory.bends
    assert found is not None
    start, end = torch.from_numpy(found.chord.astype(np.int64)).T
    logits = policy.bend(torch.from_numpy(found.seen).float(), policy.chord(start, end))
    chosen = torch.from_numpy(trajectory.went(0).paint[:, 2])
    best = logits.max(dim=1).values
    assert (best - logits.gather(1, chosen[:, None])[:, 0]).abs().max() < 0.05  # half precision in between


def test_the_loss_is_what_may_be_expected_to_be_lost(policy: LeanPolicy) -> None:
    found = actor(policy, arcs(5)).act(Schooling(greedy=True)).bends
    assert found is not None
    loss, log = bend_loss(policy, found)
    start, end = torch.from_numpy(found.chord.astype(np.int64)).T
    logits = policy.bend(torch.from_numpy(found.seen).float(), policy.chord(start, end)).detach().numpy()
    losses, entropies = [], []
    for row, cells, gains in zip(logits, found.cells, found.gains, strict=True):
        likely = np.exp(row[cells] - row[cells].max())
        likely /= likely.sum()
        losses.append(likely @ (gains.max() - gains))
        entropies.append(-likely @ np.log(likely + 1e-30))
    assert float(loss.detach()) == pytest.approx(np.mean(losses) / 10 - 0.01 * np.mean(entropies), rel=1e-4)
    assert log["entropy"] == pytest.approx(np.mean(entropies), rel=1e-4)


def test_control_points_get_better_and_nothing_else_changes(policy: LeanPolicy) -> None:
    worker, lessons, rng = actor(policy, arcs(24)), Lessons(), np.random.default_rng(0)
    before = {name: part.clone() for name, part in policy.state_dict().items()}
    optimiser = torch.optim.Adam(policy.parameters(), 1e-3)
    lost = []
    for _ in range(12):
        trajectory = worker.act(Schooling(greedy=True))
        assert trajectory.bends is not None
        lessons.add(trajectory.bends)
        for _ in range(4):
            lesson = lessons.draw(rng)
            assert len(lesson.gains) == BATCH
            loss, log = bend_loss(policy, lesson)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            lost.append(log["lost_px2"])
    assert np.mean(lost[-4:]) < 0.5 * lost[0]
    changed = {name for name, part in policy.state_dict().items() if not torch.equal(part, before[name])}
    assert changed == {name for name in before if name.startswith("bends.")}


def test_of_a_trajectory_with_too_many_strokes_all_are_remembered(
    policy: LeanPolicy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bends, "REMEMBERED", 5)
    worker, lessons = actor(policy, arcs(6)), Lessons()
    for _ in range(2):
        found = worker.act(Schooling(greedy=True)).bends
        assert found is not None
        lessons.add(found)
        assert len(lessons.kept) == 1
        assert np.isin(lessons.draw(np.random.default_rng(0)).gains[:, 0], found.gains[:, 0]).all()


def test_weights_without_bends_choose_as_they_always_did() -> None:
    policy, _, _ = checkpoint.load(checkpoint.find("digits"))
    assert isinstance(policy, LeanPolicy)
    assert not policy.bent.any()
    view = policy.look(torch.rand(2, 64, 64), None)
    state, corner = torch.randn(2, 256), torch.tensor([0, 0])
    by_keys = policy.queries["control"](state)[:, None] @ view.keys
    found = policy.logits("control", state, view, [corner, corner, torch.tensor([40, 900])])
    assert torch.allclose(found, by_keys[:, 0], atol=1e-5)


def cells(*places: tuple[int, int]) -> torch.Tensor:
    return torch.tensor([row * 32 + column for column, row in places])


def test_a_chord_goes_from_start_to_end_and_is_never_too_short(policy: LeanPolicy) -> None:
    middle, along = policy.chord(cells((2, 3), (5, 5), (7, 7)), cells((10, 9), (6, 5), (7, 7)))
    assert middle.tolist() == [[12, 12], [11, 10], [14, 14]]
    assert along[0].tolist() == pytest.approx([16, 12])
    assert along[1].tolist() == along[2].tolist() == [SHORTEST_PX, 0]


def test_the_control_point_is_told_in_the_frame_of_the_chord(policy: LeanPolicy) -> None:
    with torch.no_grad():
        for part in policy.bends.parameters():
            part.zero_()
        # One Gaussian a tenth of the chord beyond the middle and half of it aside; the others have no share.
        last = policy.bends[-1].bias.view(4, BENDS)  # type: ignore[operator, union-attr]
        last[:, 0] = torch.tensor([0.1, 0.5, 1.0, 50.0])
        seen = torch.zeros(2, policy.bends[0].in_features)
        logits = policy.bend(seen, policy.chord(cells((4, 8), (20, 20)), cells((16, 8), (20, 10)))).numpy()
    for row, (x, y) in zip(logits, [(10 + 1.2, 8 + 6.0), (20 + 5.0, 15 - 1.0)], strict=True):
        distance = np.array([math.hypot(cell % 32 - x, cell // 32 - y) for cell in range(1024)])
        expected = -2.01 / 2 * distance**2
        near = distance < 5  # where the Gaussians without a share are fainter still
        assert (row - row.max())[near] == pytest.approx((expected - expected.max())[near], abs=0.02)
