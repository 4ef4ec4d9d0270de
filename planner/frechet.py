"""The Fréchet distance between Gaussians fitted to two sets of features (Dowson, Landau 1982; Heusel et al. 2017).

d² = |μ₁ − μ₂|² + tr(Σ₁ + Σ₂ − 2 (Σ₁Σ₂)^½), which Heusel et al. call the Fréchet inception distance.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def frechet_distance(one: Array, other: Array) -> float:
    """Return d² between features (n, k) and (m, k); n and m at least 2."""
    return between_gaussians(one.mean(axis=0), covariance(one), other.mean(axis=0), covariance(other))


def covariance(features: Array) -> Array:
    """Return the unbiased covariance (k, k) of features (n, k)."""
    return np.atleast_2d(np.cov(features, rowvar=False))


def between_gaussians(mean: Array, cov: Array, other_mean: Array, other_cov: Array) -> float:
    """Return d² between two Gaussians, given means (k,) and covariances (k, k), which may be singular.

    tr (Σ₁Σ₂)^½ = tr (Σ₁^½ Σ₂ Σ₁^½)^½: a symmetric matrix, whose eigenvalues are real and not negative.
    """
    values, vectors = np.linalg.eigh(cov)
    root = (vectors * np.sqrt(values.clip(min=0))) @ vectors.T
    shared = np.sqrt(np.linalg.eigvalsh(root @ other_cov @ root).clip(min=0)).sum()
    difference = mean - other_mean
    return float(difference @ difference + np.trace(cov) + np.trace(other_cov) - 2 * shared)
