"""The arms' descriptions, compared with the independent models in pybullet_data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pybullet
import pybullet_data
import pytest
from numpy.typing import NDArray

from robot_bridge.robots.robot import Robot, available
from sim.brush import BRUSHES
from sim.errors import InputError

BRUSH = BRUSHES["round-20"]
REFERENCE = {"panda": ("franka_panda/panda.urdf", "panda_link8"), "xarm6": ("xarm/xarm6_robot.urdf", "link6")}


def link_poses(client: int, urdf: Path, link: str, joints: int, samples: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (n, 7) position and quaternion of a link with the first revolute joints at each sample."""
    body = pybullet.loadURDF(str(urdf), useFixedBase=True, physicsClientId=client)
    infos = [pybullet.getJointInfo(body, j, physicsClientId=client) for j in range(pybullet.getNumJoints(body, client))]
    moving = [info[0] for info in infos if info[2] == pybullet.JOINT_REVOLUTE][:joints]
    index = next(info[0] for info in infos if info[12].decode() == link)
    poses = []
    for q in samples:
        for joint, angle in zip(moving, q, strict=True):
            pybullet.resetJointState(body, joint, angle, physicsClientId=client)
        state = pybullet.getLinkState(body, index, computeForwardKinematics=1, physicsClientId=client)
        quaternion = np.array(state[5])
        poses.append([*state[4], *(quaternion * np.sign(quaternion[np.argmax(abs(quaternion))]))])
    return np.array(poses)


@pytest.mark.parametrize("name", sorted(REFERENCE))
def test_flange_pose_agrees_with_the_model_in_pybullet_data(name: str, tmp_path: Path) -> None:
    robot = Robot.load(name, BRUSH)
    own = tmp_path / "own.urdf"
    own.write_text(robot.urdf)
    samples = np.random.default_rng(1).uniform(robot.lower, robot.upper, size=(50, len(robot.joint_names)))
    file, link = REFERENCE[name]
    client = pybullet.connect(pybullet.DIRECT)
    try:
        reference = Path(pybullet_data.getDataPath()) / file
        expected = link_poses(client, reference, link, len(robot.joint_names), samples)
        poses = link_poses(client, own, "tool0", len(robot.joint_names), samples)
        tips = link_poses(client, own, "brush_tip", len(robot.joint_names), samples)
    finally:
        pybullet.disconnect(client)
    assert np.linalg.norm(poses[:, :3] - expected[:, :3], axis=1).max() < 1e-4
    assert abs(poses[:, 3:] - expected[:, 3:]).max() < 1e-4
    assert np.linalg.norm(tips[:, :3] - poses[:, :3], axis=1) == pytest.approx(BRUSH.length_m)


def test_panda_limits_are_those_of_the_data_sheet() -> None:
    robot = Robot.load("panda", BRUSH)
    assert robot.lower.tolist() == [-2.8973, -1.7628, -2.8973, -3.0718, -2.8973, -0.0175, -2.8973]
    assert robot.upper.tolist() == [2.8973, 1.7628, 2.8973, -0.0698, 2.8973, 3.7525, 2.8973]
    assert robot.velocity.tolist() == [2.175] * 4 + [2.61] * 3
    assert robot.acceleration.tolist() == [15, 7.5, 10, 12.5, 15, 20, 20]
    assert robot.jerk.tolist() == [7500, 3750, 5000, 6250, 7500, 10000, 10000]


@pytest.mark.parametrize("name", available())
def test_home_and_look_postures_keep_the_limits(name: str) -> None:
    robot = Robot.load(name, BRUSH)
    for posture in (robot.home, robot.look):
        assert (posture > robot.lower).all()
        assert (posture < robot.upper).all()


def test_tilted_paper_keeps_its_edges_above_the_default_height() -> None:
    robot = Robot.load("panda", BRUSH)
    pose = robot.canvas_pose((0.3, 0.2), np.radians(5))
    corners = pose @ np.array([[0, 0.3, 0, 0.3], [0, 0, 0.2, 0.2], [0, 0, 0, 0], [1, 1, 1, 1]])
    assert corners[2].min() == pytest.approx(robot.canvas_centre_m[2])
    assert corners[2].max() - corners[2].min() == pytest.approx(0.2 * np.sin(np.radians(5)))
    assert np.linalg.det(pose[:3, :3]) == pytest.approx(1)


def test_unknown_robot_is_refused_with_the_names_of_those_available() -> None:
    with pytest.raises(InputError, match="no robot 'r2d2'.*panda"):
        Robot.load("r2d2", BRUSH)
