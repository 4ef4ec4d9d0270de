"""The geometry of strokes against closed forms."""

from __future__ import annotations

import numpy as np
import pytest

from sim.stroke import lengths


def test_lengths_are_those_of_lines_and_of_a_parabola() -> None:
    strokes = np.zeros((3, 12))
    strokes[0, :6] = (0.1, 0.1, 0.25, 0.3, 0.4, 0.5)  # straight, its control in the middle
    strokes[1, :6] = (0, 0, 0.5, 0, 1, 1)  # y = x² from 0 to 1
    strokes[2, :6] = 0.5
    parabola = (2 * np.sqrt(5) + np.arcsinh(2)) / 4
    assert lengths(strokes) == pytest.approx([0.5, parabola, 0], rel=1e-3)
