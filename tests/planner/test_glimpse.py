"""Glimpses show what is there, turned and scaled, and the net tells the control point in the chord's own frame."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.ndimage import map_coordinates

from planner.glimpse import glimpses, lattice
from planner.lean_policy import SHORTEST_PX, LeanPolicy, chord
from planner.policy import Kind


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


def cells(*places: tuple[int, int]) -> torch.Tensor:
    return torch.tensor([row * 32 + column for column, row in places])


def test_a_chord_goes_from_start_to_end_and_is_never_too_short() -> None:
    middle, along = chord(cells((2, 3), (5, 5), (7, 7)), cells((10, 9), (6, 5), (7, 7)))
    assert middle.tolist() == [[12, 12], [11, 10], [14, 14]]
    assert along[0].tolist() == pytest.approx([16, 12])
    assert along[1].tolist() == along[2].tolist() == [SHORTEST_PX, 0]


def test_the_control_point_is_told_in_the_frame_of_the_chord() -> None:
    torch.manual_seed(0)
    policy = LeanPolicy(Kind())
    steps = torch.tensor([0.1, 0.5, 2.0])
    with torch.no_grad():
        policy.bend.bias.copy_(steps)
    start, end = cells((4, 8), (20, 20)), cells((16, 8), (20, 10))
    logits = policy.bump(torch.zeros(2, 256), start, end).detach().numpy()
    # Half a chord to its right as one looks along it, y being down; a little beyond the middle.
    for row, (x, y) in enumerate([(10 + 1.2, 8 + 6.0), (20 + 5.0, 15 - 1.0)]):
        distance = np.array([math.hypot(cell % 32 - x, cell // 32 - y) for cell in range(1024)])
        expected = -(distance**2)  # κ/2 = 1
        assert logits[row] - logits[row].max() == pytest.approx(expected - expected.max(), abs=0.02)
