"""The arm in the simulated world: how true it is, and what it does when something is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any, NamedTuple

import numpy as np
import pytest

from calibration.calibration import Calibration
from robot_bridge.arms.arm import TOLERANCES, ArmFault
from robot_bridge.arms.pybullet import PyBulletArm, positions_at, true_calibration
from robot_bridge.kinematics import Kinematics
from robot_bridge.robots.robot import Robot
from robot_bridge.trajectory import Segment, Speeds, plan
from sim.brush import BRUSHES
from sim.canvas import render
from sim.imperfections import Imperfections
from sim.stroke import points_along
from sim.world import RATE_HZ, World

BRUSH = BRUSHES["round-20"]
STROKES = np.array(
    [
        [0.20, 0.25, 0.55, 0.05, 0.80, 0.30, 0.08, 0.4, 0.9, 0, 0, 0],
        [0.25, 0.80, 0.60, 0.45, 0.70, 0.85, 0.05, 1.0, 0.5, 0, 0, 0],
    ]
)


class Studio(NamedTuple):
    """All that it takes to paint."""

    robot: Robot
    world: World
    arm: PyBulletArm
    calibration: Calibration
    kinematics: Kinematics

    def plan(self, strokes: np.ndarray = STROKES, **settings: Any) -> tuple[Segment, ...]:
        start = self.arm.positions()
        return plan(strokes, 0, self.robot, self.kinematics, self.calibration, start, **settings).segments

    def paint(self, strokes: np.ndarray = STROKES) -> None:
        for segment in self.plan(strokes, then=self.robot.look):
            self.arm.execute(segment, never)


def never() -> bool:
    return False


def make(name: str = "panda", tilt_deg: float = 0.0, **settings: Any) -> Studio:
    robot = Robot.load(name, BRUSH)
    pose = robot.canvas_pose((0.2, 0.2), np.radians(tilt_deg))
    world = World(robot.urdf, robot.joint_names, robot.home, BRUSH, pose, **settings)
    return Studio(robot, world, PyBulletArm(world, robot), true_calibration(world, robot), Kinematics(robot))


@pytest.fixture
def studio() -> Iterator[Studio]:
    studio = make()
    yield studio
    studio.world.close()


def distance_to_curve(points: np.ndarray, stroke: np.ndarray, calibration: Calibration) -> np.ndarray:
    """Return the distances (m,) in the paper's plane [m] of points in base_link from the stroke's own Bézier."""
    curve = calibration.program_to_canvas(points_along(stroke[None], np.linspace(0, 1, 20001))[0])
    on_paper = calibration.base_to_canvas(points)[:, :2]
    return np.array([np.linalg.norm(curve - p, axis=1).min() for p in on_paper])


@pytest.mark.parametrize(("name", "tilt_deg"), [("panda", 0.0), ("panda", 5.0), ("xarm6", 0.0)])
def test_the_tip_follows_the_strokes_on_the_canvas(name: str, tilt_deg: float) -> None:
    studio = make(name, tilt_deg)
    deepest = []
    for segment in studio.plan():
        execution = studio.arm.execute(segment, never)
        assert execution.completed
        assert execution.duration_s == pytest.approx(segment.duration_s, abs=1 / RATE_HZ)
        assert execution.tip is not None
        assert execution.planned_tip is not None
        off = np.linalg.norm(execution.tip - execution.planned_tip, axis=1)
        if segment.kind == "stroke":
            assert off.max() < 5e-5
            stroke = STROKES[segment.stroke or 0]
            errors = distance_to_curve(execution.tip, stroke, studio.calibration)
            assert np.sqrt(np.mean(errors**2)) < 5e-5
            assert errors.max() < 2e-4
            depths = -studio.calibration.base_to_canvas(execution.tip)[:, 2]
            planned = -studio.calibration.base_to_canvas(execution.planned_tip)[:, 2]
            assert np.abs(depths - planned).max() < 2e-4
            deepest.append(depths.max())
    assert len(deepest) == 2
    assert studio.world.max_force_n == pytest.approx(BRUSH.stiffness_n_per_m * max(deepest), rel=0.1)
    assert studio.world.max_force_n < 5
    studio.world.close()


def test_the_camera_sees_what_the_program_renders(studio: Studio) -> None:
    studio.paint()
    seen = studio.calibration.rectify(studio.world.look(), 128)
    planned = render(STROKES, 128)
    assert np.mean((seen.mean(axis=2) - planned) ** 2) < 0.05 * np.mean((1 - planned) ** 2)
    assert np.mean((seen.mean(axis=2)[::-1] - planned) ** 2) > 0.5 * np.mean((1 - planned) ** 2)


def test_the_camera_shows_a_hidden_error_as_strokes_in_the_wrong_place() -> None:
    shift = (0.004, 0.0)
    studio = make(imperfections=Imperfections(canvas_shift_m=shift))
    studio.paint()
    seen = 1 - studio.calibration.rectify(studio.world.look(), 200).mean(axis=2)
    planned = 1 - render(STROKES, 200)
    columns = np.arange(200) + 0.5
    moved_px = (seen.sum(axis=0) @ columns) / seen.sum() - (planned.sum(axis=0) @ columns) / planned.sum()
    assert moved_px == pytest.approx(-4.0, abs=0.3)
    # Told of the error, the planner puts the strokes where they belong.
    studio.world.close()
    studio = make(imperfections=Imperfections(canvas_shift_m=shift, canvas_rotation_rad=0.02))
    knowing = studio._replace(calibration=studio.calibration.moved(shift, 0.02))
    knowing.paint()
    seen = knowing.calibration.rectify(studio.world.look(), 200).mean(axis=2)
    assert np.mean((seen - (1 - planned)) ** 2) < 0.05 * np.mean(planned**2)
    studio.world.close()


def test_a_cancelled_motion_comes_to_rest_on_its_path_and_says_how_far_it_got(studio: Studio) -> None:
    segments = studio.plan()
    stroke = next(i for i, segment in enumerate(segments) if segment.kind == "stroke")
    for segment in segments[:stroke]:
        studio.arm.execute(segment, never)
    segment, ticks = segments[stroke], count()
    execution = studio.arm.execute(segment, lambda: next(ticks) > 100)
    assert not execution.completed
    assert 100 / RATE_HZ < execution.fraction * segment.duration_s < 100 / RATE_HZ + 0.1
    assert execution.duration_s < 100 / RATE_HZ + 0.15
    assert np.abs(studio.world.joint_velocities()).max() < 0.02
    here = studio.arm.positions()
    path = positions_at(segment, np.linspace(0, segment.duration_s, 5000))
    assert np.abs(path - here).max(axis=1).min() < 1e-3
    distance = distance_to_curve(studio.world.tip_position()[None], STROKES[0], studio.calibration)
    assert distance[0] < 1e-4
    # The brush can then be lifted and sent away from where it is.
    for lift in studio.plan(STROKES[:0], then=studio.robot.look):
        studio.arm.execute(lift, never)
    assert studio.arm.positions() == pytest.approx(studio.robot.look, abs=TOLERANCES.goal_rad)


def test_a_segment_that_starts_elsewhere_is_refused_before_anything_moves(studio: Studio) -> None:
    segments, before = studio.plan(), studio.world.time_s
    with pytest.raises(ArmFault, match="start state: joint panda_joint. is .* rad off.*Nothing moved"):
        studio.arm.execute(segments[1], never)
    assert studio.world.time_s == before


def test_motors_that_lag_break_the_path_tolerance_and_the_arm_holds() -> None:
    studio = make(imperfections=Imperfections(motor_lag_s=0.5))
    with pytest.raises(ArmFault, match=r"path: joint panda_joint\d is [+-]0\.05") as fault:
        studio.arm.execute(studio.plan(speeds=Speeds(travel_m_s=0.5))[0], never)
    assert fault.value.joint in studio.robot.joint_names
    assert abs(fault.value.error_rad or 0.0) > TOLERANCES.path_rad
    studio.world.close()


def test_motors_that_lag_a_little_are_waited_for() -> None:
    studio = make(imperfections=Imperfections(motor_lag_s=0.02))
    segment = studio.plan()[0]
    execution = studio.arm.execute(segment, never)
    assert execution.completed
    assert studio.arm.positions() == pytest.approx(segment.positions[-1], abs=TOLERANCES.goal_rad)
    studio.world.close()


def test_a_stop_holds_at_once_and_refuses_motion_until_released(studio: Studio) -> None:
    segments, ticks = studio.plan(), count()

    def stop_after_fifty() -> bool:
        if next(ticks) == 50:
            studio.arm.stop()
            studio.arm.stop()
        return False

    with pytest.raises(ArmFault, match="stopped"):
        studio.arm.execute(segments[0], stop_after_fifty)
    assert np.abs(studio.world.joint_velocities()).max() < 1e-3
    reached, moved_s = studio.arm.positions(), studio.world.time_s
    assert moved_s < 50 / RATE_HZ + 0.15
    with pytest.raises(ArmFault, match="stopped"):
        studio.arm.execute(studio.plan()[0], never)
    assert studio.arm.positions() == pytest.approx(reached, abs=1e-3)
    studio.arm.release()
    assert studio.arm.execute(studio.plan()[0], never).completed


def test_frames_of_a_film_come_at_even_times_of_the_world() -> None:
    studio = make()
    times: list[float] = []
    arm = PyBulletArm(studio.world, studio.robot, on_frame=lambda world: times.append(world.time_s), frame_period_s=0.1)
    arm.execute(studio.plan()[0], never)
    assert np.diff(times) == pytest.approx(0.1)
    assert len(times) == int(studio.world.time_s / 0.1 + 1e-9)
    studio.world.close()
