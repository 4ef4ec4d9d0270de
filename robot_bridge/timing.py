"""Timed joint positions along a curve, sampled at even ticks, within the arm's limits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import make_interp_spline

from robot_bridge.kinematics import UnreachableError
from robot_bridge.profile import Profile
from robot_bridge.robots.robot import Robot

Array = NDArray[np.float64]
Curve = Callable[[Array], tuple[Array, Array, Array]]
"""Joint positions and their first two derivatives, each (m, dof), at the places (m,) along a path."""

RATE_HZ: Final = 240
SLOWEST: Final = 20.0
"""What would have to be done this many times slower than asked is refused: the arm is near a singularity."""


class Samples(NamedTuple):
    """Joint motion at even ticks, from rest to rest."""

    times: Array
    """(m,) from 0 [s]."""
    positions: Array
    """(m, dof) [rad]."""
    velocities: Array
    """(m, dof) [rad/s]."""
    accelerations: Array
    """(m, dof) [rad/s^2]."""


def joint_curve(places: Array, positions: Array) -> Curve:
    """Return the smooth curve through joint positions (k, dof) at places (k,) along a path, k at least 4."""
    # A quintic swings by tenths of a millimetre where the spacing of the knots changes quickly.
    spline = make_interp_spline(places, positions, k=3)
    return lambda s: (spline(s), spline(s, 1), spline(s, 2))


def straight(start: Array, end: Array) -> Curve:
    """Return the straight line in joint space from the place 0 to the place 1."""
    change = end - start
    return lambda s: (start + s[:, None] * change, np.tile(change, (len(s), 1)), np.zeros((len(s), len(change))))


def timed(curve: Curve, profile: Profile, robot: Robot) -> Samples:
    """Sample a curve at even ticks, slower than the profile asks where a joint's limit wants it.

    The whole profile is stretched, so that a constant speed stays constant.

    Raises:
        UnreachableError: it would have to be `SLOWEST` times slower.
    """
    ticks = max(2, int(np.ceil(profile.duration_s * RATE_HZ - 1e-9)))
    for _ in range(12):
        stretch = ticks / RATE_HZ / profile.duration_s
        s, speed, acceleration = profile.at(np.linspace(0, profile.duration_s, ticks + 1))
        q, q_s, q_ss = curve(s)
        speed, acceleration = speed[:, None] / stretch, acceleration[:, None] / stretch**2
        velocities = q_s * speed
        accelerations = q_ss * speed**2 + q_s * acceleration
        velocities[[0, -1]] = accelerations[[0, -1]] = 0.0
        excess = np.max(
            [
                np.abs(velocities).max(0) / robot.velocity,
                np.sqrt(np.abs(accelerations).max(0) / robot.acceleration),
                np.cbrt(np.abs(np.diff(accelerations, axis=0)).max(0) * RATE_HZ / robot.jerk),
            ],
            axis=0,
        )
        if excess.max() <= 1:
            return Samples(np.arange(ticks + 1) / RATE_HZ, q, velocities, accelerations)
        if stretch * excess.max() > SLOWEST:
            break
        ticks = int(np.ceil(ticks * excess.max() * 1.005))
    joint = robot.joint_names[int(excess.argmax())]
    raise UnreachableError(
        f"{joint} would have to move {stretch * excess.max():.0f} times faster than its limits allow; "
        "lower the speed or move the canvas nearer"
    )


def joined_up(parts: Sequence[Samples]) -> Samples:
    """Return the samples of parts of which each starts where the one before ended, at rest."""
    if len(parts) == 1:
        return parts[0]
    arrays = [np.concatenate([parts[0][i], *(part[i][1:] for part in parts[1:])]) for i in range(1, 4)]
    return Samples(np.arange(len(arrays[0])) / RATE_HZ, *arrays)


def rest(q: Array, duration_s: float) -> Samples:
    """Return a rest at q (dof,)."""
    ticks = round(duration_s * RATE_HZ)
    still = np.zeros((ticks + 1, len(q)))
    return Samples(np.arange(ticks + 1) / RATE_HZ, still + q, still, still.copy())
