"""The lean net's mixture of control points, in the frame of the chord."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from planner import checkpoint
from planner.lean_policy import BENDS, SHORTEST_PX, LeanPolicy
from planner.policy import Kind


@pytest.fixture
def policy() -> LeanPolicy:
    torch.manual_seed(0)
    return LeanPolicy(Kind()).eval()


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
