"""The simulated world: contact, paint, camera and what is wrong with them when asked for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import pybullet
import pytest

from robot_bridge.robots.robot import Robot
from sim.brush import BRUSHES
from sim.camera import Pinhole
from sim.imperfections import Imperfections
from sim.world import RATE_HZ, World

BRUSH = BRUSHES["round-20"]
ROBOT = Robot.load("panda", BRUSH)
XARM6 = Robot.load("xarm6", BRUSH)
WRIST, SHOULDER = 5, 1


def make(robot: Robot = ROBOT, tilt_rad: float = 0.0, **settings: Any) -> World:
    size = settings.setdefault("canvas_size_m", (0.2, 0.2))
    return World(robot.urdf, robot.joint_names, robot.home, BRUSH, robot.canvas_pose(size, tilt_rad), **settings)


@pytest.fixture
def world() -> Iterator[World]:
    with make() as world:
        yield world


def press(world: World, q: np.ndarray | None = None) -> np.ndarray:
    """Lower the brush onto the paper with the shoulder until it is 2 mm deep, hold, and return the joints."""
    q = (ROBOT.home if q is None else q).copy()
    while world.tip_depth_m < 0.002:
        q[SHOULDER] += 0.002 if world.tip_depth_m < -0.01 else 0.0002
        world.servo(q)
    for _ in range(RATE_HZ // 2):
        world.servo(q)
    return q


def sweep(world: World, q: np.ndarray, angle: float = 0.15) -> np.ndarray:
    """Turn the base by an angle in a second and return the joints."""
    for s in np.linspace(0.0, 1.0, RATE_HZ):
        q = q.copy()
        q[0] += angle * 6 * s * (1 - s) / RATE_HZ
        world.servo(q)
    return q


@pytest.mark.parametrize("tilt_deg", [0.0, 5.0])
def test_force_is_the_stiffness_times_the_depth(tilt_deg: float) -> None:
    with make(tilt_rad=np.radians(tilt_deg)) as world:
        press(world)
        assert 0.0019 < world.tip_depth_m < 0.0025
        assert world.tip_force_n == pytest.approx(BRUSH.stiffness_n_per_m * world.tip_depth_m, rel=0.05)
        assert world.max_force_n < 5


def test_motors_are_where_they_were_told_to_be_at_the_end_of_each_tick(world: World) -> None:
    errors = []
    for tick in range(RATE_HZ):
        q = ROBOT.home + 0.05 * (1 - np.cos(2 * np.pi * tick / RATE_HZ))
        world.servo(q)
        errors.append(np.abs(world.joint_positions() - q).max())
    assert max(errors[2:]) < 1e-4


def test_motor_lag_delays_the_joints() -> None:
    with make(imperfections=Imperfections(motor_lag_s=0.05)) as world:
        goal = ROBOT.home + 0.02
        for _ in range(round(0.05 * RATE_HZ)):
            world.servo(goal)
        share = (world.joint_positions() - ROBOT.home) / 0.02
        assert share == pytest.approx(np.full(7, 1 - np.exp(-1)), abs=0.03)


def test_the_same_commands_give_the_same_painting_bit_for_bit() -> None:
    paintings = []
    for _ in range(2):
        with make() as world:
            sweep(world, press(world))
            paintings.append(world.painting())
    assert paintings[0].min() == 0.0
    assert np.array_equal(*paintings)


def test_paint_lies_where_the_tip_touched(world: World) -> None:
    q = press(world)
    sweep(world, q)
    on_paper = np.linalg.inv(world.T_base_paper) @ [*world.tip_pose()[:3, 3], 1.0]
    image = world.painting()
    row, column = round((0.2 - on_paper[1]) * 4000), round(on_paper[0] * 4000)
    assert image[row, column, 0] == 0.0
    rows, columns = np.nonzero(image[..., 0] < 0.5)
    assert len(rows) / 4000**2 == pytest.approx(0.15 * 0.5 * BRUSH.width_at_depth(np.array(0.0021)), rel=0.5)
    assert columns.max() > column > (columns.min() + columns.max()) / 2


def test_a_hidden_shift_moves_the_paint_on_the_paper_the_other_way() -> None:
    centres = []
    for shift in ((0.0, 0.0), (0.004, -0.002)):
        with make(imperfections=Imperfections(canvas_shift_m=shift)) as world:
            press(world)
            centres.append(np.argwhere(world.painting()[..., 0] < 0.5).mean(axis=0) / 4000)
    moved_down, moved_right = centres[1] - centres[0]
    assert moved_right == pytest.approx(-0.004, abs=1e-4)
    assert moved_down == pytest.approx(-0.002, abs=1e-4)


def test_pinhole_puts_points_where_the_renderer_does(world: World) -> None:
    # Small dark balls over the paper, found in the rendered frame by their colour.
    points = np.array([[0.43, -0.06, 0.03], [0.55, 0.07, 0.03], [0.47, 0.02, 0.05]])
    client = {"physicsClientId": world._client}
    shape = pybullet.createVisualShape(pybullet.GEOM_SPHERE, radius=0.006, rgbaColor=[0.0, 0.0, 1.0, 1.0], **client)
    for point in points:
        pybullet.createMultiBody(0.0, -1, shape, point.tolist(), **client)
    for joint, angle in zip(world._joints, ROBOT.look, strict=True):
        pybullet.resetJointState(world._arm, joint, angle, **client)
    camera = Pinhole.looking_at([0.8, -0.3, 0.9], [0.5, 0.0, 0.02], [-1, 0, 0], (640, 480), 900.0)
    for view in (world.camera, camera):
        frame = world._render(view, shadow=False)[0].astype(int)
        _, _, _, found = cv2.connectedComponentsWithStats((frame[..., 2] - frame[..., 0] > 60).astype(np.uint8))
        expected = view.project(points)
        for centre in found[1:]:
            assert np.linalg.norm(expected - centre, axis=1).min() < 0.6
        assert len(found) == 1 + len(points)


def test_camera_noise_has_the_asked_strength_and_follows_the_seed() -> None:
    frames = []
    for noise, seed in ((0.0, 0), (4.0, 1), (4.0, 1), (4.0, 2)):
        with make(imperfections=Imperfections(camera_noise=noise), seed=seed) as world:
            frames.append(world.look().astype(float))
    wood = (slice(None), slice(40, 90))
    assert (frames[1] - frames[0])[wood].std() == pytest.approx(4.0, rel=0.1)
    assert np.array_equal(frames[1], frames[2])
    assert not np.array_equal(frames[1], frames[3])


@pytest.mark.parametrize("size_m", [(0.2, 0.2), (0.3, 0.3), (0.3, 0.2), (0.15, 0.3)])
@pytest.mark.parametrize("robot", [ROBOT, XARM6], ids=lambda robot: robot.name)
def test_the_look_posture_hides_nothing_of_the_paper(robot: Robot, size_m: tuple[float, float]) -> None:
    with make(robot, canvas_size_m=size_m) as world:
        for joint, angle in zip(world._joints, robot.look, strict=True):
            pybullet.resetJointState(world._arm, joint, angle, physicsClientId=world._client)
        frame = world.look()
        corners = np.array([[0, 0], [size_m[0], 0], size_m, [0, size_m[1]]])
        to_image = world.camera.H_image_plane(world.T_base_paper)
        pixels = cv2.perspectiveTransform(corners[None].astype(float), to_image)[0]
        assert pixels.min() > 5
        assert (pixels < [634, 474]).all()
        mask = cv2.fillConvexPoly(np.zeros(frame.shape[:2], np.uint8), np.round(pixels).astype(np.int32), 1)
        inside = cv2.erode(mask, np.ones((5, 5), np.uint8)) > 0
        assert frame[inside].min() == 255


def test_film_frame_shows_the_painting_and_the_arm(world: World) -> None:
    before = world.film_frame(1)
    sweep(world, press(world))
    after = world.film_frame(1)
    assert before.shape == (480, 640, 3)
    assert (before == 255).all(axis=2).sum() > 2000
    assert (after < 40).all(axis=2).sum() > (before < 40).all(axis=2).sum() + 100
