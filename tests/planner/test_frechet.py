"""The Fréchet distance against closed forms and against the definition with a matrix square root."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import sqrtm

from planner.frechet import between_gaussians, frechet_distance


def test_gaussians_that_vary_along_the_axes_have_the_closed_form() -> None:
    mean, other = np.array([1.0, 2.0, 0.0]), np.array([1.0, 0.0, 1.0])
    spread, other_spread = np.array([1.0, 2.0, 0.0]), np.array([3.0, 2.0, 0.5])
    expected = np.sum((mean - other) ** 2) + np.sum((spread - other_spread) ** 2)
    assert between_gaussians(mean, np.diag(spread**2), other, np.diag(other_spread**2)) == pytest.approx(expected)


def test_any_covariances_agree_with_the_definition() -> None:
    rng = np.random.default_rng(0)
    one, other = (factor @ factor.T for factor in rng.normal(size=(2, 6, 6)))
    means = rng.normal(size=(2, 6))
    expected = np.sum((means[0] - means[1]) ** 2) + np.trace(one + other - 2 * sqrtm(one @ other).real)
    assert between_gaussians(means[0], one, means[1], other) == pytest.approx(expected, rel=1e-9)


def test_samples_of_known_gaussians_come_near_their_distance() -> None:
    rng = np.random.default_rng(1)
    one, other = rng.normal(0, 1, (50_000, 3)), rng.normal([1, 0, 2], [2, 1, 1], (50_000, 3))
    assert frechet_distance(one, other) == pytest.approx(1 + 4 + 1, rel=0.03)


def test_the_same_features_are_at_no_distance_even_where_some_never_vary() -> None:
    features = np.random.default_rng(2).normal(size=(40, 8))
    features[:, 3] = 0.5
    assert frechet_distance(features, features) == pytest.approx(0, abs=1e-9)
