"""V-trace against the sums of the paper, written out."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from planner.vtrace import vtrace

STEPS, BATCH = 7, 3


def the_papers_sums(
    log_ratios: np.ndarray,
    rewards: np.ndarray,
    values: np.ndarray,
    bootstrap: np.ndarray,
    discount: float,
    rho: float,
    c: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Return v_s by equation 1 of Espeholt et al. 2018, sum and product as they stand there, and the advantages."""
    steps, batch = rewards.shape
    after = np.vstack((values, bootstrap))
    targets = np.zeros((steps + 1, batch))
    targets[steps] = bootstrap
    for episode in range(batch):
        ratios = np.exp(log_ratios[:, episode])
        for s in range(steps):
            total = values[s, episode]
            for t in range(s, steps):
                product = np.prod([min(c, ratios[i]) for i in range(s, t)])
                difference = min(rho, ratios[t]) * (
                    rewards[t, episode] + discount * after[t + 1, episode] - after[t, episode]
                )
                total += discount ** (t - s) * product * difference
            targets[s, episode] = total
    weights = np.minimum(rho, np.exp(log_ratios))
    return targets[:-1], weights * (rewards + discount * targets[1:] - values)


@pytest.mark.parametrize(("discount", "rho", "c"), [(1.0, 1.0, 1.0), (0.9, 1.0, 1.0), (0.97, 2.0, 0.7), (0, 1, 1)])
def test_it_is_the_papers_sum(discount: float, rho: float, c: float) -> None:
    rng = np.random.default_rng(3)
    log_ratios, rewards, values = rng.normal(0, 0.7, (3, STEPS, BATCH))
    bootstrap = rng.normal(size=BATCH)
    found = vtrace(*map(torch.from_numpy, (log_ratios, rewards, values, bootstrap)), discount, rho, c)
    targets, advantages = the_papers_sums(log_ratios, rewards, values, bootstrap, discount, rho, c)
    assert found.targets.numpy() == pytest.approx(targets, abs=1e-12)
    assert found.advantages.numpy() == pytest.approx(advantages, abs=1e-12)


def test_on_policy_it_is_the_return() -> None:
    rng = np.random.default_rng(4)
    rewards, values = rng.normal(size=(2, STEPS, BATCH))
    nothing = torch.zeros(BATCH, dtype=torch.float64)
    found = vtrace(torch.zeros(STEPS, BATCH), torch.from_numpy(rewards), torch.from_numpy(values), nothing, 1.0)
    returns = np.cumsum(rewards[::-1], axis=0)[::-1]
    assert found.targets.numpy() == pytest.approx(returns)
    assert found.advantages.numpy() == pytest.approx(returns - values)


def test_no_gradient_flows_through_it() -> None:
    values = torch.zeros(STEPS, BATCH, requires_grad=True)
    found = vtrace(torch.zeros(STEPS, BATCH), torch.ones(STEPS, BATCH), values, torch.zeros(BATCH), 1.0)
    assert not found.targets.requires_grad
    assert not found.advantages.requires_grad
