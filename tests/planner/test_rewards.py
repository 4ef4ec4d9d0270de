"""Rewards: what is earned, when, and that the changes add up to the end."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from planner.discriminator import build_discriminator
from planner.rewards import Rewards

STEPS, BATCH = 4, 3


@pytest.fixture(params=[False, True], ids=["grey", "colour"])
def colour(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture
def discriminator(colour: bool) -> torch.nn.Module:
    torch.manual_seed(1)
    return build_discriminator("spectral", conditional=True, colour=colour).eval()


@pytest.fixture
def painting(colour: bool) -> dict[str, torch.Tensor]:
    """Canvases that grow darker, one sample a stroke."""
    rng = np.random.default_rng(2)
    picture = (64, 64, 3) if colour else (64, 64)
    ink = rng.random((STEPS, BATCH, *picture)).astype(np.float32) * 0.2
    after = np.clip(1 - np.cumsum(ink, axis=0), 0, 1)
    before = np.concatenate((np.ones_like(after[:1]), after[:-1]))
    return {
        "before": torch.from_numpy(before),
        "tries": torch.from_numpy(after)[:, :, None],
        "targets": torch.from_numpy(rng.random((BATCH, *picture)).astype(np.float32)),
        "jumped": torch.zeros(STEPS, BATCH, 1, dtype=torch.bool),
    }


def test_spirals_reward_is_the_verdict_at_the_end(discriminator, painting) -> None:  # type: ignore[no-untyped-def]
    found = Rewards().of_strokes(discriminator, **painting, last=True)
    with torch.no_grad():
        verdict = discriminator(painting["tries"][-1, :, 0], painting["targets"])
    assert (found[:-1] == 0).all()
    assert found[-1, :, 0].numpy() == pytest.approx(verdict.numpy())
    assert (Rewards().of_strokes(discriminator, **painting, last=False) == 0).all(), "the episode goes on"


@pytest.mark.parametrize("weights", [{"discriminator": 1.0}, {"discriminator": 0.0, "error": 3.0}, {"error": 2.0}])
def test_changes_add_up_to_what_the_end_is_worth(discriminator, painting, weights) -> None:  # type: ignore[no-untyped-def]
    changes = Rewards("change", **weights).of_strokes(discriminator, **painting, last=True).sum(dim=0)[:, 0]
    end = Rewards("end", **weights).of_strokes(discriminator, **painting, last=True)[-1, :, 0]
    blank = Rewards("end", **weights).worth(discriminator, painting["before"][0], painting["targets"])
    assert changes.numpy() == pytest.approx((end - blank).numpy(), abs=1e-5)


def test_the_squared_error_is_numpys(discriminator, painting) -> None:  # type: ignore[no-untyped-def]
    found = Rewards("end", discriminator=0.0, error=5.0).of_strokes(discriminator, **painting, last=True)
    difference = painting["tries"][-1, :, 0].numpy() - painting["targets"].numpy()
    errors = np.mean(difference.reshape(BATCH, -1) ** 2, axis=1)
    assert found[-1, :, 0].numpy() == pytest.approx(-5 * errors, rel=1e-5)


def test_strokes_jumps_and_blank_paper_cost_what_they_should(discriminator, painting) -> None:  # type: ignore[no-untyped-def]
    painting["jumped"][1] = True
    found = Rewards("end", 0.0, 0.0, stroke_cost=0.5, jump_cost=0.25).of_strokes(discriminator, **painting, last=True)
    assert (found[1] == -0.75).all()
    assert (found[[0, 2, 3]] == -0.5).all()
    painting["tries"][-1, 0] = 1.0
    blank = Rewards("end", 0.0, blank_penalty=2.0).of_strokes(discriminator, **painting, last=True)
    assert blank[-1, 0, 0] == -2
    assert (blank[-1, 1:] == 0).all()
