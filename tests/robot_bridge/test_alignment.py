"""The paper's shift and turn from synthetic drawings, and in the simulated world where the truth is hidden."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from calibration.calibration import Calibration
from robot_bridge.alignment import compare, estimate, painted_shares, relocated
from robot_bridge.arms.pybullet import PyBulletArm, true_calibration
from robot_bridge.kinematics import Kinematics
from robot_bridge.robots.robot import Robot
from robot_bridge.trajectory import plan
from sim.brush import BRUSHES
from sim.canvas import paint
from sim.world import Imperfections, World

BRUSH = BRUSHES["round-20"]
CALIBRATION = Calibration("panda", "2030-01-01", np.eye(4), (0.2, 0.2), BRUSH)
SHIFT, TURN = np.array([0.0024, -0.0018]), np.deg2rad(1.0)


def drawing(seed: int, count: int) -> np.ndarray:
    """A digit-like drawing: strokes of one width, most of them beginning where the last one ended."""
    random = np.random.default_rng(seed)
    strokes = np.zeros((count, 12))
    start = random.uniform(0.3, 0.7, 2)
    for stroke in strokes:
        if random.random() < 0.3:
            start = random.uniform(0.2, 0.8, 2)
        end = np.clip(start + random.normal(0, 0.22, 2), 0.15, 0.85)
        control = np.clip((start + end) / 2 + random.normal(0, 0.12, 2), 0.1, 0.9)
        stroke[:6] = [*start, *control, *end]
        start = end
    strokes[:, 6] = random.uniform(0.04, 0.09)
    strokes[:, 7:9] = random.uniform(0.6, 1, (count, 2))
    return strokes


def picture(strokes: np.ndarray, shape: tuple[int, int] = (256, 256), seed: int | None = None) -> np.ndarray:
    """The strokes' render; with a seed as a camera shows it, a little blurred, noisy and grey."""
    image = np.ones(shape, np.float32)
    paint(image, strokes)
    if seed is not None:
        noise = np.random.default_rng(seed).normal(0, 0.01, shape)
        image = (0.02 + 0.94 * cv2.GaussianBlur(image, (0, 0), 0.8) + noise).astype(np.float32)
    return image


def on_moved_paper(strokes: np.ndarray, shift: np.ndarray, turn: float, size_m: tuple[float, float]) -> np.ndarray:
    """Where strokes lie on a paper that lies elsewhere than the arm believes, in complex numbers."""
    longer = max(size_m)
    middle = complex(size_m[0] / 2, size_m[1] / 2)
    seen = strokes.copy()
    for u in (0, 2, 4):
        meant = strokes[:, u] * longer + 1j * (size_m[1] - strokes[:, u + 1] * longer)
        # The paper's own frame: undo the shift of its middle, then its turn.
        on_paper = (meant - middle - complex(*shift)) * np.exp(-1j * turn) + middle
        seen[:, u], seen[:, u + 1] = on_paper.real / longer, (size_m[1] - on_paper.imag) / longer
    return seen


@pytest.mark.parametrize("turn", [-TURN, TURN])
@pytest.mark.parametrize("seed", range(8))
def test_three_millimetres_and_one_degree_are_recovered_from_a_few_strokes(seed: int, turn: float) -> None:
    strokes = drawing(seed, 4 + seed % 5)
    heading = np.random.default_rng(seed).uniform(0, 2 * np.pi)
    shift = 0.003 * np.array([np.cos(heading), np.sin(heading)])
    seen = picture(on_moved_paper(strokes, shift, turn, (0.2, 0.2)), seed=seed)
    alignment = estimate(seen, picture(strokes), (0.2, 0.2))
    assert np.linalg.norm(alignment.shift_m - shift) < 0.0002
    assert abs(np.rad2deg(alignment.rotation_rad - turn)) < 0.1
    assert np.abs(alignment.shift_m - shift).max() < 5 * max(alignment.shift_std_m)
    assert alignment.correlation > 0.95


def test_the_estimate_holds_for_a_paper_that_is_not_square() -> None:
    size_m = (0.3, 0.2)
    strokes = drawing(1, 5)
    strokes[:, 1:6:2] *= 0.6
    seen = picture(on_moved_paper(strokes, SHIFT, TURN, size_m), (128, 192), seed=0)
    alignment = estimate(seen, picture(strokes, (128, 192)), size_m)
    np.testing.assert_allclose(alignment.shift_m, SHIFT, atol=3e-4)
    assert alignment.rotation_rad == pytest.approx(TURN, abs=2e-3)


def test_a_paper_that_lies_right_is_left_where_it_is() -> None:
    strokes = drawing(2, 5)
    alignment = estimate(picture(strokes, seed=1), picture(strokes), (0.2, 0.2))
    assert np.abs(alignment.shift_m).max() < 5e-5
    assert abs(np.rad2deg(alignment.rotation_rad)) < 0.05


def test_along_a_single_line_the_estimate_says_that_it_knows_less() -> None:
    line = np.array([[0.05, 0.5, 0.5, 0.5, 0.95, 0.5, 0.05, 1, 1, 0, 0, 0]])
    alignment = estimate(picture(line, seed=0), picture(line), (0.2, 0.2))
    assert alignment.shift_std_m[0] > 2 * alignment.shift_std_m[1]


@pytest.mark.parametrize("kind", ["blank", "a dot meant", "nothing seen", "something else seen"])
def test_too_little_or_other_paint_gives_no_estimate(kind: str) -> None:
    strokes, blank = drawing(3, 5), np.ones((256, 256), np.float32)
    dot = np.array([[0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.02, 1, 1, 0, 0, 0]])
    seen, meant = {
        "blank": (blank, blank),
        "a dot meant": (picture(strokes), picture(dot)),
        "nothing seen": (blank, picture(strokes)),
        "something else seen": (np.random.default_rng(0).random((256, 256)).astype(np.float32), picture(strokes)),
    }[kind]
    assert estimate(seen, meant, (0.2, 0.2)) is None


@pytest.mark.parametrize("seed", range(6))
def test_a_stroke_that_left_no_paint_is_named_and_does_not_spoil_the_estimate(seed: int) -> None:
    strokes = drawing(seed + 20, 6)
    missing = seed % 6
    there = np.delete(on_moved_paper(strokes, SHIFT, TURN, (0.2, 0.2)), missing, axis=0)
    alignment, shares = compare(picture(there, seed=seed), strokes, CALIBRATION)
    np.testing.assert_allclose(alignment.shift_m, SHIFT, atol=3e-4)
    assert np.rad2deg(alignment.rotation_rad) == pytest.approx(1.0, abs=0.2)
    assert not shares[missing] >= 0.3
    assert not (np.delete(shares, missing) < 0.7).any()


def test_a_stroke_under_others_is_not_judged_and_half_a_stroke_counts_half() -> None:
    long = [0.1, 0.5, 0.5, 0.5, 0.9, 0.5, 0.1, 1, 1, 0, 0, 0]
    hidden = [0.3, 0.5, 0.4, 0.5, 0.5, 0.5, 0.05, 1, 1, 0, 0, 0]
    white = [0.1, 0.8, 0.5, 0.8, 0.9, 0.8, 0.05, 1, 1, 1, 1, 1]
    half = [0.1, 0.2, 0.5, 0.2, 0.9, 0.2, 0.05, 1, 1, 0, 0, 0]
    half_seen = [0.1, 0.2, 0.3, 0.2, 0.5, 0.2, 0.05, 1, 1, 0, 0, 0]
    shares = painted_shares(picture(np.array([long, half_seen]), seed=0), np.array([long, hidden, white, half]))
    assert shares[0] > 0.9
    assert np.isnan(shares[1:3]).all()
    assert shares[3] == pytest.approx(0.5, abs=0.05)


def test_strokes_painted_before_a_correction_are_relocated_to_where_they_lie() -> None:
    strokes = drawing(4, 5)
    now = CALIBRATION.moved(SHIFT, TURN)
    np.testing.assert_allclose(
        relocated(strokes, CALIBRATION, now), on_moved_paper(strokes, SHIFT, TURN, (0.2, 0.2)), atol=1e-12
    )
    np.testing.assert_array_equal(relocated(strokes, now, now)[:, 6:], strokes[:, 6:])


@pytest.mark.parametrize("turn_deg", [1.0, -1.0])
def test_in_the_world_a_stroke_lands_right_after_the_correction(turn_deg: float) -> None:
    robot = Robot.load("panda", BRUSH)
    kinematics = Kinematics(robot)
    hidden = Imperfections(canvas_shift_m=(0.0024, -0.0018), canvas_rotation_rad=np.deg2rad(turn_deg), camera_noise=2)
    first, then = drawing(5, 4), np.array([[0.15, 0.2, 0.5, 0.05, 0.85, 0.2, 0.03, 1, 1, 0, 0, 0]])
    pose = robot.canvas_pose((0.2, 0.2), np.deg2rad(3))
    with World(robot.urdf, robot.joint_names, robot.look, BRUSH, pose, imperfections=hidden) as world:
        arm, calibration = PyBulletArm(world, robot), true_calibration(world, robot)

        def painted(strokes: np.ndarray, calibration: Calibration) -> np.ndarray:
            tip = []
            start = arm.positions()
            for segment in plan(strokes, 0, robot, kinematics, calibration, start, then=robot.look).segments:
                execution = arm.execute(segment, lambda: False)
                if segment.kind == "stroke":
                    tip.append(execution.tip)
            return np.concatenate(tip)

        painted(first, calibration)
        seen = calibration.rectify(world.look(), 256).mean(2)
        alignment, shares = compare(seen, first, calibration)
        assert not (shares < 0.7).any()
        np.testing.assert_allclose(alignment.shift_m, hidden.canvas_shift_m, atol=3e-4)
        assert np.rad2deg(alignment.rotation_rad) == pytest.approx(turn_deg, abs=0.15)

        corrected = calibration.moved(alignment.shift_m, alignment.rotation_rad)
        tip = painted(then, corrected)
        T_paper_base = np.linalg.inv(world.T_base_paper)
        on_paper = (tip @ T_paper_base[:3, :3].T + T_paper_base[:3, 3])[:, :2]
        t = np.linspace(0, 1, 4001)[:, None]
        uv = (1 - t) ** 2 * then[0, 0:2] + 2 * t * (1 - t) * then[0, 2:4] + t**2 * then[0, 4:6]
        meant = np.column_stack([0.2 * uv[:, 0], 0.2 - 0.2 * uv[:, 1]])
        miss = np.linalg.norm(on_paper[:, None, :] - meant[None, ::4], axis=2).min(1)
        assert miss.max() < 3e-4
        # A second look, at strokes painted with two calibrations, asks for no more.
        everything = np.concatenate([relocated(first, calibration, corrected), then])
        again, _ = compare(corrected.rectify(world.look(), 256).mean(2), everything, corrected)
        assert np.abs(again.shift_m).max() < 1.5e-4
