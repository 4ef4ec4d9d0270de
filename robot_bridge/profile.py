"""How far along a path the tip is at each time: jerk-limited, at rest at both ends, slower at a bend."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Limits:
    """Limits of the motion along a path, in the path's own unit of length and seconds."""

    speed: float
    acceleration: float
    jerk: float


class Profile:
    """Motion from 0 to `length`, as fast as the limits allow."""

    def __init__(self, length: float, limits: Limits, bend: tuple[float, float] | None = None) -> None:
        """Plan the motion.

        Args:
            length: length of the path, positive.
            limits: limits along the path; a bend's acceleration and jerk are kept within them too.
            bend: place along the path and curvature (per unit of length) of its sharpest bend.
        """
        self.length = length
        place, curvature = bend or (length / 2, 0.0)
        bending = max(curvature, 1e-12)
        # Round a bend the acceleration is v² κ and turns with the path, which takes a jerk of v³ κ².
        through = min(np.sqrt(limits.acceleration / bending), np.cbrt(limits.jerk / bending**2))
        if through >= limits.speed:
            phases = _move(0.0, length, 0.0, 0.0, limits)
        else:
            through = min(through, _speed_reached_within(min(place, length - place), limits))
            slow = replace(limits, speed=max(limits.speed, through))
            phases = np.concatenate([_move(0.0, place, 0.0, through, slow), _move(place, length, through, 0.0, slow)])
        self._phases = phases
        self._ends = np.cumsum(phases[:, 0])
        self.duration_s = float(self._ends[-1])

    def at(self, times: Array) -> tuple[Array, Array, Array]:
        """Return position, speed and acceleration along the path at the times (m,) [s]."""
        phase = np.minimum(np.searchsorted(self._ends, times), len(self._ends) - 1)
        duration, p, v, a, j = self._phases[phase].T
        t = np.clip(times - (self._ends[phase] - duration), 0.0, duration)
        position = p + t * (v + t * (a / 2 + t * j / 6))
        return np.clip(position, 0.0, self.length), v + t * (a + t * j / 2), a + t * j


def _move(start: float, end: float, speed_start: float, speed_end: float, limits: Limits) -> Array:
    """Return the seven phases (7, 5) of constant jerk: duration, and place, speed, acceleration, jerk at its start."""
    import ruckig

    # Never set intermediate positions here: ruckig would send them to a service on the network.
    order = ruckig.InputParameter(1)
    order.current_position, order.current_velocity, order.current_acceleration = [start], [speed_start], [0.0]
    order.target_position, order.target_velocity, order.target_acceleration = [end], [speed_end], [0.0]
    order.max_velocity = [limits.speed]
    order.max_acceleration = [limits.acceleration]
    order.max_jerk = [limits.jerk]
    trajectory = ruckig.Trajectory(1)
    result = ruckig.Ruckig(1).calculate(order, trajectory)
    if result not in (ruckig.Result.Working, ruckig.Result.Finished):
        raise ArithmeticError(f"no profile from {start} to {end} with {limits}: {result}")
    profile = trajectory.profiles[0][0]
    return np.column_stack([profile.t, profile.p[:-1], profile.v[:-1], profile.a[:-1], profile.j])


def _speed_reached_within(length: float, limits: Limits) -> float:
    """Return the speed that a jerk-limited start from rest reaches, with no acceleration left, after a length."""
    # The mean speed of a symmetric start is half its last speed.
    peak = (length * np.sqrt(limits.jerk)) ** (2 / 3)
    if peak > limits.acceleration**2 / limits.jerk:
        ramp = limits.acceleration**2 / limits.jerk
        peak = (-ramp + np.sqrt(ramp**2 + 8 * limits.acceleration * length)) / 2
    return 0.999 * float(peak)
