"""Motions of the Panda over its default paper: limits, geometry and what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree

from calibration.calibration import Calibration
from robot_bridge import limits
from robot_bridge.kinematics import Kinematics, UnreachableError
from robot_bridge.robots.robot import Robot, available
from robot_bridge.trajectory import Motion, Segment, Speeds, plan
from sim import world
from sim.brush import BRUSHES
from sim.errors import InputError

BRUSH = BRUSHES["round-20"]
ROBOT = Robot.load("panda", BRUSH)
KINEMATICS = Kinematics(ROBOT)


def calibrated(tilt_deg: float = 0.0, size_m: tuple[float, float] = (0.2, 0.2)) -> Calibration:
    pose = ROBOT.canvas_pose(size_m, np.deg2rad(tilt_deg))
    return Calibration("panda", "2030-01-01", pose, size_m, BRUSH)


def strokes(*rows: tuple[float, ...], size: float = 0.05, pressures: tuple[float, float] = (0.8, 0.8)) -> np.ndarray:
    return np.array([[*row, size, *pressures, 0, 0, 0] for row in rows], float)


def random_strokes(seed: int, count: int = 4) -> np.ndarray:
    random = np.random.default_rng(seed)
    table = np.zeros((count, 12))
    table[:, :6] = random.uniform(0, 1, (count, 6))
    table[:, 6] = random.uniform(0.05, 0.1, count)
    table[:, 7:9] = random.uniform(0.25, 1, (count, 2))
    return table


def planned(table: np.ndarray, calibration: Calibration, **more: object) -> Motion:
    more = {"start": ROBOT.look, "then": ROBOT.look} | more
    return plan(table, 0, ROBOT, KINEMATICS, calibration, **more)


def tips(segment: Segment, calibration: Calibration) -> np.ndarray:
    """Positions of the tip in the canvas frame (m, 3)."""
    return calibration.base_to_canvas(KINEMATICS.tips(segment.positions)[0])


def tip_speeds(segment: Segment) -> np.ndarray:
    pairs = zip(segment.positions, segment.velocities, strict=True)
    return np.array([np.linalg.norm(KINEMATICS.jacobian(q)[:3] @ v) for q, v in pairs])


@pytest.mark.parametrize("name", available())
@settings(max_examples=8, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    tilt_deg=st.sampled_from([-5.0, 0.0, 5.0]),
    speed=st.sampled_from([0.05, 0.1, 0.4]),
    size_m=st.sampled_from([(0.2, 0.2), (0.3, 0.3)]),
)
def test_any_program_on_any_arm_keeps_every_limit_and_joins_up_from_rest_to_rest(
    name: str, seed: int, tilt_deg: float, speed: float, size_m: tuple[float, float]
) -> None:
    robot = Robot.load(name, BRUSH)
    kinematics = Kinematics(robot)
    pose = robot.canvas_pose(size_m, np.deg2rad(tilt_deg))
    calibration = Calibration(name, "2030-01-01", pose, size_m, BRUSH)
    table = random_strokes(seed)
    table[:, 6] *= 0.2 / size_m[0]
    motion = plan(table, 0, robot, kinematics, calibration, robot.look, Speeds(stroke_m_s=speed), robot.look)
    q = robot.look
    for segment in motion.segments:
        np.testing.assert_allclose(segment.positions[0], q, atol=1e-7)
        q = segment.positions[-1]
        assert not segment.velocities[[0, -1]].any()
        assert not segment.accelerations[[0, -1]].any()
        np.testing.assert_allclose(np.diff(segment.times), 1 / 240, atol=1e-12)
        # The limits are looked for in the positions themselves.
        velocity = np.diff(segment.positions, axis=0) * 240
        acceleration = np.diff(velocity, axis=0) * 240
        assert (segment.positions >= robot.lower).all()
        assert (segment.positions <= robot.upper).all()
        assert (np.abs(velocity) <= robot.velocity * 1.001).all()
        assert (np.abs(acceleration) <= robot.acceleration * 1.02).all()
        tip, axis = kinematics.tips(segment.positions)
        assert tip[:, 2].min() > 0
        if segment.kind == "stroke":
            assert np.rad2deg(np.arccos(np.clip(-axis @ calibration.normal, -1, 1))).max() < 0.5
            assert -calibration.base_to_canvas(tip)[:, 2].min() <= BRUSH.max_depth_m + 1e-5
    np.testing.assert_allclose(q, robot.look, atol=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_velocities_and_accelerations_are_the_derivatives_of_the_positions(seed: int) -> None:
    for segment in planned(random_strokes(seed), calibrated()).segments:
        velocity = (segment.positions[2:] - segment.positions[:-2]) * 120
        np.testing.assert_allclose(velocity, segment.velocities[1:-1], atol=2e-3)
        # A jerk-limited acceleration has corners, where a difference over two ticks is coarse.
        acceleration = (segment.velocities[2:] - segment.velocities[:-2]) * 120
        error = np.abs(acceleration - segment.accelerations[1:-1])
        assert np.median(error) < 2e-3
        assert np.percentile(error, 99) < 0.3


@pytest.mark.parametrize("tilt_deg", [0, 5])
def test_the_tip_draws_the_bezier_with_the_depth_of_its_width(tilt_deg: float) -> None:
    calibration, table = calibrated(tilt_deg), random_strokes(7, 6)
    motion = planned(table, calibration)
    t = np.linspace(0, 1, 40_001)[:, None]
    painted = [segment for segment in motion.segments if segment.kind == "stroke"]
    assert [segment.stroke for segment in painted] == list(range(6))
    for segment, row in zip(painted, table, strict=True):
        uv = (1 - t) ** 2 * row[0:2] + 2 * t * (1 - t) * row[2:4] + t**2 * row[4:6]
        meant = np.column_stack([0.2 * uv[:, 0], 0.2 * (1 - uv[:, 1])])
        width = 0.2 * row[6] * ((1 - t[:, 0]) * row[7] + t[:, 0] * row[8])
        actual = tips(segment, calibration)
        distance, nearest = cKDTree(meant).query(actual[:, :2])
        assert distance.max() < 2e-5
        assert np.abs(BRUSH.width_at_depth(-actual[:, 2]) / width[nearest] - 1).max() < 0.03
        axes = KINEMATICS.tips(segment.positions)[1]
        assert np.rad2deg(np.arccos(np.clip(-axes @ calibration.normal, -1, 1))).max() < 0.01


def test_the_tip_moves_at_the_speed_asked_in_the_middle_of_a_stroke() -> None:
    motion = planned(strokes((0.2, 0.3, 0.5, 0.1, 0.8, 0.3)), calibrated())
    (segment,) = (segment for segment in motion.segments if segment.kind == "stroke")
    middle = tip_speeds(segment)[len(segment.times) // 4 : -len(segment.times) // 4]
    assert np.ptp(middle) < 2e-4
    assert middle.mean() == pytest.approx(0.1, rel=0.01)


def test_travel_is_fast_and_stays_at_clearance_height() -> None:
    calibration = calibrated(5)
    motion = planned(strokes((0.1, 0.1, 0.1, 0.2, 0.1, 0.3), (0.9, 0.9, 0.8, 0.9, 0.7, 0.9)), calibration)
    kinds = [segment.kind for segment in motion.segments]
    assert kinds == ["travel", "approach", "stroke", "retract"] * 2 + ["travel"]
    between = motion.segments[4]
    np.testing.assert_allclose(tips(between, calibration)[:, 2], 0.02, atol=2e-5)
    assert tip_speeds(between).max() >= 0.45
    length = np.linalg.norm(np.diff(tips(between, calibration), axis=0), axis=1).sum()
    assert length / between.duration_s >= 0.25
    for segment in motion.segments:
        on_canvas = tips(segment, calibration)
        if segment.kind == "travel":
            assert on_canvas[limits.near_paper(on_canvas, calibration), 2].min() >= 0.01
        if segment.kind in ("approach", "retract"):
            assert np.linalg.norm(on_canvas[:, :2] - on_canvas[0, :2], axis=1).max() < 1e-5


@pytest.mark.parametrize("gap", [0.0, 0.002])
def test_strokes_that_meet_are_joined_without_lifting(gap: float) -> None:
    table = strokes((0.2, 0.2, 0.3, 0.2, 0.4, 0.2), (0.4 + gap, 0.2, 0.4, 0.3, 0.4, 0.5))
    table[1, 7] = 0.5
    calibration = calibrated()
    motion = planned(table, calibration)
    kinds = [(segment.kind, segment.stroke) for segment in motion.segments]
    assert kinds[2:-1] == [("stroke", 0), ("approach", 1), ("stroke", 1), ("retract", 1)]
    down = np.concatenate([tips(segment, calibration) for segment in motion.segments[2:5]])
    assert down[:, 2].max() <= -BRUSH.depth_m[0]
    depth = BRUSH.depth_for_width(0.2 * 0.05 * 0.5)
    assert tips(motion.segments[3], calibration)[-1, 2] == pytest.approx(-depth, abs=2e-5)


def test_strokes_that_meet_exactly_follow_each_other_at_once() -> None:
    table = strokes((0.2, 0.2, 0.3, 0.2, 0.4, 0.2), (0.4, 0.2, 0.4, 0.3, 0.4, 0.5))
    assert [segment.kind for segment in planned(table, calibrated()).segments[2:5]] == ["stroke", "stroke", "retract"]


@pytest.mark.parametrize("why", ["apart", "colour"])
def test_other_strokes_are_not_joined(why: str) -> None:
    table = strokes((0.2, 0.2, 0.3, 0.2, 0.4, 0.2), (0.4, 0.2, 0.4, 0.3, 0.4, 0.5))
    if why == "apart":
        table[1, 0] += 0.004
    else:
        table[1, 9] = 1.0
    assert [segment.kind for segment in planned(table, calibrated()).segments].count("retract") == 2


DEGENERATE = {
    "a dot": (0.5, 0.5, 0.5, 0.5, 0.5, 0.5),
    "control at the start": (0.2, 0.2, 0.2, 0.2, 0.6, 0.4),
    "control at the end": (0.2, 0.2, 0.6, 0.4, 0.6, 0.4),
    "out and back": (0.2, 0.2, 0.5, 0.5, 0.2, 0.2),
    "beyond the end and back": (0.2, 0.2, 0.9, 0.2, 0.4, 0.2),
    "a hairpin": (0.2, 0.2, 0.7, 0.2001, 0.2, 0.2002),
    "a twentieth of a millimetre": (0.2, 0.2, 0.2001, 0.2, 0.2002, 0.2),
    "nearly nothing": (0.2, 0.2, 0.2 + 1e-8, 0.2, 0.2, 0.2 + 1e-7),
    "from corner to corner": (0, 0, 1, 0, 1, 1),
}


@pytest.mark.parametrize("pressures", [(1.0, 1.0), (0.4, 1.0)], ids=["even", "swelling"])
@pytest.mark.parametrize("points", DEGENERATE.values(), ids=DEGENERATE)
def test_degenerate_strokes_are_painted_like_any_other(points, pressures) -> None:
    calibration, table = calibrated(), strokes(points, pressures=pressures)
    (segment,) = (segment for segment in planned(table, calibration).segments if segment.kind == "stroke")
    t = np.linspace(0, 1, 20_001)[:, None]
    row = table[0]
    uv = (1 - t) ** 2 * row[0:2] + 2 * t * (1 - t) * row[2:4] + t**2 * row[4:6]
    meant = np.column_stack([0.2 * uv[:, 0], 0.2 * (1 - uv[:, 1])])
    actual = tips(segment, calibration)
    # Everywhere on the curve, from end to end.
    assert cKDTree(meant).query(actual[:, :2])[0].max() < 2e-5
    np.testing.assert_allclose(actual[[0, -1], :2], meant[[0, -1]], atol=1e-6)
    reach = np.linalg.norm(meant - meant[0], axis=1).max()
    assert np.linalg.norm(actual[:, :2] - actual[0, :2], axis=1).max() == pytest.approx(reach, abs=1e-5)


def test_a_brush_on_the_paper_is_lifted_first_and_nothing_else_is_asked() -> None:
    calibration = calibrated()
    motion = planned(strokes((0.2, 0.2, 0.3, 0.2, 0.4, 0.2)), calibration)
    on_paper = motion.segments[2].positions[50]
    lifted = planned(np.empty((0, 12)), calibration, start=on_paper, then=None)
    assert [segment.kind for segment in lifted.segments] == ["retract"]
    way = tips(lifted.segments[0], calibration)
    np.testing.assert_allclose(way[:, :2], way[:1, :2].repeat(len(way), 0), atol=2e-4)
    assert (np.diff(way[:, 2]) >= -1e-9).all()
    assert way[-1, 2] == pytest.approx(0.02, abs=1e-6)
    home = planned(np.empty((0, 12)), calibration, start=on_paper, then=ROBOT.home)
    assert [segment.kind for segment in home.segments] == ["retract", "travel"]
    assert planned(np.empty((0, 12)), calibration, start=ROBOT.home, then=None).segments == ()


def test_a_brush_that_was_stopped_too_deep_can_still_be_lifted() -> None:
    calibration = calibrated()
    centre = calibration.canvas_to_base([[0.1, 0.1, -BRUSH.max_depth_m - 0.0004]])
    posture = KINEMATICS.posture(centre[0], calibration.normal)
    lifted = planned(np.empty((0, 12)), calibration, start=posture, then=None)
    assert tips(lifted.segments[0], calibration)[-1, 2] == pytest.approx(0.02, abs=1e-6)


def test_strokes_carry_their_index_in_the_whole_program() -> None:
    motion = plan(random_strokes(0, 2), 5, ROBOT, KINEMATICS, calibrated(), ROBOT.look, then=ROBOT.look)
    assert [segment.stroke for segment in motion.segments] == [5] * 4 + [6] * 4 + [None]
    assert motion.duration_s == pytest.approx(sum(segment.times[-1] for segment in motion.segments))
    assert len(motion.lengths_m) == 2


def test_a_joint_limit_of_velocity_slows_the_stroke_down() -> None:
    slow = replace(ROBOT, velocity=ROBOT.velocity / 20)
    table = strokes((0.2, 0.3, 0.5, 0.1, 0.8, 0.3))
    motion = plan(table, 0, slow, KINEMATICS, calibrated(), slow.look)
    (segment,) = (segment for segment in motion.segments if segment.kind == "stroke")
    assert (np.abs(segment.velocities) <= slow.velocity).all()
    middle = tip_speeds(segment)[len(segment.times) // 4 : -len(segment.times) // 4]
    assert np.ptp(middle) / middle.mean() < 2e-3
    with pytest.raises(UnreachableError, match="stroke 1: .* times faster than its limits"):
        plan(table, 0, replace(ROBOT, velocity=ROBOT.velocity / 1e4), KINEMATICS, calibrated(), ROBOT.look)


@pytest.mark.parametrize(("size", "pressure"), [(0.05, 0.19), (0.1, 1.0001)])
def test_a_width_the_brush_cannot_paint_is_refused_with_the_strokes_number(size: float, pressure: float) -> None:
    table = strokes(*[(0.2, 0.3, 0.5, 0.1, 0.8, 0.3)] * 3, size=0.1)
    table[2, 6:9] = size, 0.5, pressure
    with pytest.raises(UnreachableError, match="stroke 13: .* mm wide, the brush round-20 paints 2 to 20 mm"):
        plan(table, 10, ROBOT, KINEMATICS, calibrated(), ROBOT.look)


def test_the_brushs_narrowest_and_widest_line_are_painted() -> None:
    planned(strokes((0.2, 0.3, 0.5, 0.1, 0.8, 0.3), size=0.1, pressures=(0.1, 1.0)), calibrated())


def test_what_is_out_of_reach_is_refused_with_the_strokes_number() -> None:
    table = strokes((0.1, 0.1, 0.2, 0.1, 0.3, 0.1), (0.1, 0.1, 0.5, 0.5, 0.9, 0.9))
    wide = calibrated(size_m=(0.9, 0.9))
    thin = strokes((0.45, 0.5, 0.5, 0.5, 0.55, 0.5), (0.1, 0.1, 0.5, 0.5, 0.9, 0.9), size=0.01)
    with pytest.raises(UnreachableError, match=r"^stroke 2: .*(no nearer|outside its limits)") as caught:
        planned(thin, wide)
    assert "\n" not in str(caught.value)
    far = calibrated()
    far = replace(far, T_base_canvas=far.T_base_canvas + np.eye(4, k=3))
    with pytest.raises(UnreachableError, match="canvas: its middle is out of reach"):
        planned(table, far)


def test_a_canvas_through_the_table_or_face_down_is_refused() -> None:
    low = calibrated(5)
    lowered = low.T_base_canvas.copy()
    lowered[2, 3] -= 0.03
    with pytest.raises(InputError, match="canvas: .* below the table"):
        planned(random_strokes(0), replace(low, T_base_canvas=lowered))
    with pytest.raises(InputError, match="faces the table"):
        planned(random_strokes(0), replace(low, T_base_canvas=low.T_base_canvas @ np.diag([1.0, -1, -1, 1])))


def test_a_canvas_on_which_the_brush_could_press_through_the_table_is_refused() -> None:
    flat = calibrated()
    lowered = flat.T_base_canvas.copy()
    lowered[2, 3] = flat.brush.max_depth_m - 0.0015
    table = strokes((0.2, 0.2, 0.3, 0.2, 0.4, 0.2))
    with pytest.raises(InputError, match="canvas: .* the brush would be 1.5 mm below the table"):
        planned(table, replace(flat, T_base_canvas=lowered))
    lowered[2, 3] += 0.002
    planned(table, replace(flat, T_base_canvas=lowered))


def test_a_stroke_beside_the_paper_is_refused() -> None:
    with pytest.raises(UnreachableError, match="stroke 1: the brush would come down over 20 mm beside the paper"):
        planned(strokes((0.9, 0.2, 1.05, 0.2, 1.2, 0.2)), calibrated())


def test_the_brush_never_comes_to_the_edge_of_the_simulated_board() -> None:
    assert limits.BRUSH_MARGIN_M + BRUSH.max_width_m / 2 < world.BOARD_MARGIN_M


@pytest.mark.parametrize("value", [0.0, -0.1, float("nan"), 1000.0])
@pytest.mark.parametrize("name", ["stroke_m_s", "travel_m_s", "approach_m_s", "clearance_m"])
def test_impossible_speeds_are_refused_by_name(name: str, value: float) -> None:
    with pytest.raises(InputError, match=name):
        Speeds(**{name: value})


@pytest.mark.parametrize("table", [np.zeros((2, 11)), np.full((1, 12), np.nan)])
def test_a_table_that_is_no_strokes_is_refused(table: np.ndarray) -> None:
    with pytest.raises(InputError, match="strokes"):
        planned(table, calibrated())


def test_the_whole_program_check_finds_what_was_spoilt() -> None:
    calibration = calibrated()
    motion = planned(random_strokes(1, 2), calibration)
    limits.check(motion, ROBOT, KINEMATICS, calibration)

    def refused(index: int, says: str, against: Calibration = calibration, **change: np.ndarray) -> None:
        segments = list(motion.segments)
        segments[index] = replace(segments[index], **change)
        with pytest.raises(UnreachableError, match=says):
            limits.check(Motion(tuple(segments)), ROBOT, KINEMATICS, against)

    stroke = motion.segments[6]
    bump = np.sin(np.linspace(0, np.pi, len(stroke.times)))[:, None] ** 2
    refused(6, "stroke 2: panda_joint. .* rad/s over", velocities=stroke.velocities + bump * 3)
    refused(6, "stroke 2: panda_joint. .* rad/s² over", accelerations=stroke.accelerations + bump * 12)
    refused(6, "stroke 2: panda_joint. .* rad over", positions=stroke.positions + bump * 3)
    refused(
        6, "stroke 2: the brush would be pressed .* too deep", positions=stroke.positions + bump * np.eye(7)[1] * 0.02
    )
    refused(6, "stroke 2: the brush would be tilted", positions=stroke.positions + bump * ([0] * 5 + [-0.02, 0]))
    refused(6, "stroke 2: starts .* rad from", positions=stroke.positions + 0.001)
    refused(6, "stroke 2: does not start and end at rest", velocities=stroke.velocities + 0.1)
    refused(6, "stroke 2: holds nan", positions=stroke.positions * np.nan)
    raised = calibration.T_base_canvas.copy()
    raised[2, 3] += 0.03
    refused(0, "stroke 1: the tip would be only .* over the paper", replace(calibration, T_base_canvas=raised))
