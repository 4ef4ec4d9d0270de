"""The arm in the simulated world."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

import numpy as np
from numpy.typing import NDArray

from calibration.calibration import Calibration, Camera
from robot_bridge.arms.arm import TOLERANCES, ArmFault, Execution
from robot_bridge.kinematics import Kinematics
from robot_bridge.robots.robot import Robot
from sim.camera import above_paper
from sim.world import RATE_HZ, VIEW_PX, World

if TYPE_CHECKING:
    from robot_bridge.trajectory import Segment

Array = NDArray[np.float64]

CANCEL_S: Final = 0.1
"""Time in which a cancelled motion comes to rest, where the joints' accelerations allow it [s]."""


class PyBulletArm:
    """The arm in a `World`. Its clock is the world's: a segment takes as long as the computer needs to simulate it."""

    def __init__(
        self,
        world: World,
        robot: Robot,
        on_frame: Callable[[World], None] | None = None,
        frame_period_s: float = 0.5,
    ) -> None:
        """Take over the arm of a world.

        Args:
            world: the world, closed by whoever made it.
            robot: the description that the world was made from.
            on_frame: called every `frame_period_s` of the world's time while the arm moves, for example to film it.
            frame_period_s: [s].
        """
        self.world = world
        self.robot = robot
        self._kinematics = Kinematics(robot)
        self._on_frame = on_frame
        self._frame_ticks = max(1, round(frame_period_s * RATE_HZ))
        self._ticks = 0
        self._stopped = False

    @property
    def name(self) -> str:
        """The robot's name."""
        return self.robot.name

    def __enter__(self) -> Self:
        self.release()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def positions(self) -> Array:
        """Return the joint positions (dof,) [rad]."""
        return self.world.joint_positions()

    def stop(self) -> None:
        """End the motion under way at its next tick and refuse any other until `release`; the motors hold."""
        self._stopped = True

    def release(self) -> None:
        """Allow motion again after a stop."""
        self._stopped = False

    def execute(self, segment: Segment, cancelled: Callable[[], bool]) -> Execution:
        """Execute one segment at the world's rate; see `Arm.execute`.

        Raises:
            ArmFault: a tolerance was violated or the motion was stopped.
        """
        joints = self.robot.joint_names
        error = self.positions() - segment.positions[0]
        if np.abs(error).max() > TOLERANCES.start_rad:
            then = "Nothing moved; plan the rest anew from where the arm is."
            raise ArmFault.off("start state", joints, error, TOLERANCES.start_rad, then)
        duration = float(segment.times[-1])
        count = max(1, int(np.ceil(duration * RATE_HZ - 1e-6)))
        planned = positions_at(segment, np.minimum(np.arange(1, count + 1) / RATE_HZ, duration))
        tips = np.empty((count, 3))
        for tick in range(count):
            if cancelled():
                fraction, ticks = self._slow_down(segment, tick / RATE_HZ)
                return Execution(False, fraction, (tick + ticks) / RATE_HZ, tips[:tick], self._tips(planned[:tick]))
            self._tick(planned[tick])
            tips[tick] = self.world.tip_position()
        ticks = count + self._settle(segment, count)
        return Execution(True, 1.0, ticks / RATE_HZ, tips, self._tips(planned))

    def _tips(self, positions: Array) -> Array:
        """Return where the tip is (m, 3) [m] at joint positions (m, dof)."""
        return self._kinematics.tips(positions)[0]

    def _settle(self, segment: Segment, ticks: int) -> int:
        """Wait until the arm is where the segment ends and return the ticks it took."""
        goal, limit = segment.positions[-1], TOLERANCES.time_limit_s(float(segment.times[-1])) * RATE_HZ
        waited = 0
        while np.abs(error := self.positions() - goal).max() > TOLERANCES.goal_rad:
            if ticks + waited >= limit:
                then = "Look for what holds the arm or lower the speed, then resume."
                raise ArmFault.off("goal not reached in time", self.robot.joint_names, error, TOLERANCES.goal_rad, then)
            self._tick(goal)
            waited += 1
        return waited

    def _slow_down(self, segment: Segment, time_s: float) -> tuple[float, int]:
        """Come to rest along the path by slowing time down; return the fraction of the path done and the ticks."""
        duration = float(segment.times[-1])
        speed = np.abs(
            positions_at(segment, np.array([time_s + 1 / RATE_HZ])) - positions_at(segment, np.array([time_s]))
        )
        needed = float((speed[0] * RATE_HZ / self.robot.acceleration).max())
        count = max(1, round(max(CANCEL_S, 2 * needed) * RATE_HZ))
        # Time runs ever slower, from full speed to none.
        rates = 1.0 - (np.arange(count) + 0.5) / count
        times = np.minimum(time_s + np.cumsum(rates) / RATE_HZ, duration)
        for q in positions_at(segment, times):
            self._tick(q)
        return (float(times[-1] / duration) if duration > 0 else 1.0), count

    def _tick(self, q: Array) -> None:
        """Advance the world by one tick towards q (dof,) [rad], or hold and raise."""
        if self._stopped:
            self._hold()
            raise ArmFault(
                "stopped: the arm holds. Release it and plan the rest anew from where it is, or resume later."
            )
        self.world.servo(q)
        error = self.positions() - q
        if np.abs(error).max() > TOLERANCES.path_rad:
            self._hold()
            then = "Look for what it ran into or lower the speed, then resume."
            raise ArmFault.off("path", self.robot.joint_names, error, TOLERANCES.path_rad, then)
        self._ticks += 1
        if self._on_frame is not None and self._ticks % self._frame_ticks == 0:
            self._on_frame(self.world)

    def _hold(self) -> None:
        here = self.positions()
        for _ in range(round(CANCEL_S * RATE_HZ)):
            self.world.servo(here)


def positions_at(segment: Segment, times: Array) -> Array:
    """Return the joint positions (m, dof) of a segment at times (m,) [s]: cubic between its waypoints."""
    knots = segment.times
    if len(knots) < 2:
        return np.repeat(segment.positions[:1], len(times), axis=0)
    left = np.clip(np.searchsorted(knots, times, side="right") - 1, 0, len(knots) - 2)
    step = (knots[left + 1] - knots[left])[:, None]
    s = (times - knots[left])[:, None] / step
    p0, p1 = segment.positions[left], segment.positions[left + 1]
    v0, v1 = segment.velocities[left] * step, segment.velocities[left + 1] * step
    result: Array = p0 + s * (v0 + s * (3 * (p1 - p0) - 2 * v0 - v1 + s * (2 * (p0 - p1) + v0 + v1)))
    return result


def true_calibration(world: World, robot: Robot) -> Calibration:
    """Return the calibration that a flawless measurement of a world would give.

    It does not know the world's imperfections: a paper that was moved is believed to be where it was, and so is the
    camera that was moved along with it.
    """
    believed = above_paper(world.T_base_canvas, world.canvas_size_m, VIEW_PX)
    camera = Camera(
        image_size_px=believed.size_px,
        matrix=believed.matrix,
        distortion=np.zeros(5),
        T_base_camera=believed.T_base_camera,
        H_canvas_image=np.asarray(np.linalg.inv(believed.H_image_plane(world.T_base_canvas)), dtype=np.float64),
        reprojection_rms_px=0.0,
        residual_mm=0.0,
    )
    return Calibration(
        robot=robot.name,
        date=datetime.now(UTC).date().isoformat(),
        T_base_canvas=world.T_base_canvas,
        canvas_size_m=world.canvas_size_m,
        brush=world.brush,
        camera=camera,
        canvas_residual_mm=0.0,
        brush_residual_mm=0.0,
    )
