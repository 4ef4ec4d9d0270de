"""Forward and inverse kinematics against PyBullet and finite differences."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pybullet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robot_bridge.kinematics import Kinematics, UnreachableError
from robot_bridge.robots.robot import Robot, available
from sim.brush import BRUSHES

UP = np.array([0.0, 0.0, 1.0])


@pytest.fixture(scope="module", params=available())
def robot(request: pytest.FixtureRequest) -> Robot:
    return Robot.load(request.param, BRUSHES["round-20"])


@pytest.fixture(scope="module")
def kinematics(robot: Robot) -> Kinematics:
    return Kinematics(robot)


def some_configurations(robot: Robot, count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(robot.lower, robot.upper, (count, len(robot.home)))


def test_the_tip_is_where_pybullet_has_it(robot: Robot, kinematics: Kinematics, tmp_path: Path) -> None:
    (tmp_path / "arm.urdf").write_text(robot.urdf)
    client = pybullet.connect(pybullet.DIRECT)
    try:
        body = pybullet.loadURDF(str(tmp_path / "arm.urdf"), useFixedBase=True, physicsClientId=client)
        infos = [pybullet.getJointInfo(body, i, client) for i in range(pybullet.getNumJoints(body, client))]
        joints = {info[1].decode(): info[0] for info in infos}
        links = {info[12].decode(): info[0] for info in infos}
        for q in some_configurations(robot, 10):
            for name, angle in zip(robot.joint_names, q, strict=True):
                pybullet.resetJointState(body, joints[name], angle, physicsClientId=client)
            state = pybullet.getLinkState(body, links["brush_tip"], computeForwardKinematics=1, physicsClientId=client)
            rotation = np.reshape(pybullet.getMatrixFromQuaternion(state[5]), (3, 3))
            pose = kinematics.tip_pose(q)
            np.testing.assert_allclose(pose[:3, 3], state[4], atol=2e-6)
            np.testing.assert_allclose(pose[:3, :3], rotation, atol=2e-6)
    finally:
        pybullet.disconnect(client)


def test_the_jacobian_is_the_derivative_of_the_tip_pose(robot: Robot, kinematics: Kinematics) -> None:
    for q in some_configurations(robot, 5):
        numeric = np.empty((6, len(q)))
        rotation = kinematics.tip_pose(q)[:3, :3]
        for joint, step in enumerate(np.eye(len(q)) * 1e-6):
            change = (kinematics.tip_pose(q + step) - kinematics.tip_pose(q - step)) / 2e-6
            spin = change[:3, :3] @ rotation.T
            numeric[:, joint] = [*change[:3, 3], spin[2, 1], spin[0, 2], spin[1, 0]]
        np.testing.assert_allclose(kinematics.jacobian(q), numeric, atol=1e-8)


def test_the_whole_default_paper_is_reached_upright_and_exactly(robot: Robot, kinematics: Kinematics) -> None:
    x, y = np.meshgrid(np.linspace(-0.1, 0.1, 7), np.linspace(-0.1, 0.1, 7))
    points = robot.canvas_centre_m + np.column_stack([x.ravel(), y.ravel(), 0 * x.ravel()])
    posture = kinematics.posture(robot.canvas_centre_m, UP)
    q = kinematics.follow(points, UP, posture)
    tips, axes = kinematics.tips(q)
    np.testing.assert_allclose(tips, points, atol=1e-8)
    np.testing.assert_allclose(axes, np.tile(-UP, (49, 1)), atol=1e-8)
    assert (q >= robot.lower).all()
    assert (q <= robot.upper).all()


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.floats(-0.15, 0.15), st.floats(-0.15, 0.15))
def test_a_point_is_painted_in_the_same_configuration_whatever_came_before(seed, tilt_x, tilt_y) -> None:
    robot = Robot.load("panda", BRUSHES["round-20"])
    kinematics = Kinematics(robot)
    normal = np.array([tilt_x, tilt_y, 1.0]) / np.linalg.norm([tilt_x, tilt_y, 1.0])
    posture = kinematics.posture(robot.canvas_centre_m, normal)
    point = robot.canvas_centre_m + np.random.default_rng(seed).uniform(-0.09, 0.09, 3) * (1, 1, 0.1)
    way = np.linspace(robot.canvas_centre_m, point, 12)
    around = kinematics.follow(way, normal, posture)[-1]
    directly = kinematics.follow(point[None], normal, posture)[0]
    np.testing.assert_allclose(around, directly, atol=1e-7)


def test_a_point_out_of_reach_is_named_by_its_index(robot: Robot, kinematics: Kinematics) -> None:
    posture = kinematics.posture(robot.canvas_centre_m, UP)
    points = robot.canvas_centre_m + np.array([[0, 0, 0], [0.01, 0, 0], [1.5, 0, 0.0]])
    with pytest.raises(UnreachableError) as caught:
        kinematics.follow(points, UP, posture)
    assert caught.value.point == 2
    with pytest.raises(UnreachableError, match="no nearer than .* mm"):
        kinematics.posture([2.0, 0.0, 0.0], UP)


def test_a_joint_at_its_limit_is_named(robot: Robot, kinematics: Kinematics) -> None:
    posture = kinematics.posture(robot.canvas_centre_m, UP)
    angle = np.linspace(0, 2 * np.pi, 400)
    circle = np.column_stack([np.cos(angle), np.sin(angle), 0 * angle]) * robot.canvas_centre_m[0]
    circle[:, 2] = robot.canvas_centre_m[2]
    with pytest.raises(UnreachableError, match="joint. would be at .* outside its limits|no nearer"):
        kinematics.follow(np.concatenate([circle, circle]), UP, posture)
