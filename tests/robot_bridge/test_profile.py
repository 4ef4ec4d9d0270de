"""Jerk-limited profiles against finite differences and their limits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robot_bridge.profile import Limits, Profile

LIMITS = Limits(0.1, 3.0, 100.0)


def sampled(profile: Profile, step: float = 1e-4) -> tuple[np.ndarray, ...]:
    times = np.append(np.arange(0, profile.duration_s, step), profile.duration_s)
    return times, *profile.at(times)


@settings(max_examples=60, deadline=None)
@given(st.floats(1e-6, 0.5), st.floats(0.02, 0.98), st.floats(0, 1e6))
def test_it_starts_and_ends_at_rest_within_all_limits_and_never_turns_back(length, part, curvature) -> None:
    times, s, v, a = sampled(Profile(length, LIMITS, (part * length, curvature)), 1e-3)
    assert s[0] == pytest.approx(0, abs=1e-12)
    assert s[-1] == pytest.approx(length, abs=1e-9)
    assert abs(v[[0, -1]]).max() < 1e-9
    assert (np.diff(s) >= -1e-12).all()
    assert v.max() <= 0.1 + 1e-9
    assert np.abs(a).max() <= 3 + 1e-9
    assert np.abs(np.diff(a)[:-1] / np.diff(times)[:-1]).max(initial=0) <= 100 + 1e-3
    at_bend = np.interp(part * length, s, v)
    assert at_bend**2 * curvature <= 3 * 1.05 + 1e-6 or at_bend < 2e-3


def test_speed_and_acceleration_are_the_derivatives_of_the_place() -> None:
    times, s, v, a = sampled(Profile(0.08, LIMITS, (0.03, 2000.0)))
    np.testing.assert_allclose(np.gradient(s, times)[1:-2], v[1:-2], atol=1e-5)
    np.testing.assert_allclose(np.gradient(v, times)[1:-2], a[1:-2], atol=1e-2)


def test_the_speed_is_exactly_constant_between_start_and_end() -> None:
    times, _, v, _ = sampled(Profile(0.1, LIMITS))
    middle = (times > 0.1) & (times < times[-1] - 0.1)
    assert np.ptp(v[middle]) < 1e-12
    assert v[middle][0] == pytest.approx(0.1)


def test_a_gentle_bend_does_not_slow_it_down() -> None:
    assert Profile(0.1, LIMITS, (0.05, 10.0)).duration_s == Profile(0.1, LIMITS).duration_s
    assert Profile(0.1, LIMITS, (0.05, 3000.0)).duration_s > Profile(0.1, LIMITS).duration_s
