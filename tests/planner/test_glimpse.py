"""Glimpses show what is there, turned and scaled."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import map_coordinates

from planner.glimpse import glimpses, lattice


def test_a_glimpse_is_the_picture_at_its_points() -> None:
    rng = np.random.default_rng(0)
    images = rng.random((2, 3, 64, 64)).astype(np.float32)
    centres, along = rng.uniform(15, 50, (6, 2)), rng.normal(0, 5, (6, 2))
    points = lattice(4, 0.8)
    found = glimpses(torch.from_numpy(images), *(torch.from_numpy(a).float() for a in (centres, along)), points)
    assert found.shape == (6, 3 * 16)
    for index, ((x, y), (ax, ay)) in enumerate(zip(centres, along, strict=True)):
        u, v = points.numpy().astype(float).T
        columns, rows = x + u * ax - v * ay, y + u * ay + v * ax
        for colour in range(3):
            # SciPy's pixel i has its centre at i, ours at i + 0.5.
            expected = map_coordinates(images[index // 3, colour], (rows - 0.5, columns - 0.5), order=1, cval=0.0)
            assert found[index, 16 * colour : 16 * colour + 16].numpy() == pytest.approx(expected, abs=1e-4)


def test_outside_the_picture_there_is_nothing() -> None:
    seen = glimpses(torch.ones(1, 1, 64, 64), torch.zeros(1, 2), torch.tensor([[10.0, 0.0]]), lattice(3, 1.0))
    assert seen[0].tolist() == [0, 0, 0, 0, 0.25, 0.5, 0, 0.5, 1]
