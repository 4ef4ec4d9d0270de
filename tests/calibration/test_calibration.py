"""The calibration's mappings, its file and its rectified view."""

from __future__ import annotations

import stat
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from calibration.calibration import Calibration, Camera
from sim.brush import BRUSHES
from sim.errors import InputError

LOOK_AT = np.array([[1, 0, 0], [0, -1, 0], [0, 0, -1.0]])


def pose(rotation: Rotation, position: tuple[float, float, float]) -> np.ndarray:
    T = np.eye(4)
    T[:3, :3], T[:3, 3] = rotation.as_matrix(), position
    return T


def camera(size_m: tuple[float, float] = (0.2, 0.2), distortion: tuple[float, ...] = (0, 0, 0, 0, 0)) -> Camera:
    """A camera 0.5 m above the canvas's centre, tilted by 12 degrees."""
    matrix = np.array([[900, 0, 319.5], [0, 880, 239.5], [0, 0, 1.0]])
    rotation = Rotation.from_euler("xyz", (12, -5, 7), degrees=True).as_matrix() @ LOOK_AT
    position = -rotation @ np.array([size_m[0] / 2, size_m[1] / 2, 0]) + (0, 0, 0.5)
    H_image_canvas = matrix @ np.column_stack([rotation[:, :2], position])
    return Camera((640, 480), matrix, np.array(distortion), np.eye(4), np.linalg.inv(H_image_canvas), 0.05, 0.1)


def calibration(size_m: tuple[float, float] = (0.2, 0.2), seen_by: Camera | None = None) -> Calibration:
    tilted = pose(Rotation.from_euler("xyz", (3, -4, 30), degrees=True), (0.4, -0.1, 0.05))
    return Calibration("panda", "2030-01-31", tilted, size_m, BRUSHES["round-20"], seen_by or camera(size_m), 0.25, 0.1)


def fields(value: Calibration, path: Path) -> dict:
    value.save(path)
    return yaml.safe_load(path.read_text())


@pytest.mark.parametrize(
    ("size_m", "uv", "xy"),
    [
        ((0.2, 0.2), (0, 0), (0, 0.2)),
        ((0.2, 0.2), (1, 1), (0.2, 0)),
        ((0.3, 0.2), (0, 0), (0, 0.2)),
        ((0.3, 0.2), (1, 2 / 3), (0.3, 0)),
        ((0.2, 0.3), (0, 1), (0, 0)),
        ((0.2, 0.3), (2 / 3, 0), (0.2, 0.3)),
    ],
)
def test_program_coordinates_start_at_the_upper_left_and_scale_with_the_longer_side(size_m, uv, xy) -> None:
    np.testing.assert_allclose(calibration(size_m).program_to_canvas(np.array([uv])), [xy], atol=1e-15)


coordinate = st.floats(0, 1)


@given(st.lists(st.tuples(coordinate, coordinate), min_size=1, max_size=5), st.floats(0.05, 1), st.floats(0.05, 1))
def test_program_to_canvas_and_back_returns_the_same_points(uv, width, height) -> None:
    value = Calibration("panda", "2030-01-31", np.eye(4), (width, height), BRUSHES["round-20"])
    np.testing.assert_allclose(value.canvas_to_program(value.program_to_canvas(uv)), uv, atol=1e-12)


def test_canvas_points_reach_base_link_by_the_matrix_and_return() -> None:
    value, points = calibration(), np.random.default_rng(0).uniform(-1, 1, (7, 3))
    by_matrix = (value.T_base_canvas @ np.column_stack([points, np.ones(7)]).T).T[:, :3]
    np.testing.assert_allclose(value.canvas_to_base(points), by_matrix, atol=1e-15)
    np.testing.assert_allclose(value.base_to_canvas(by_matrix), points, atol=1e-14)


def test_a_moved_paper_shifts_its_centre_and_turns_about_it() -> None:
    value = calibration((0.3, 0.2))
    moved = value.moved((0.003, -0.002), np.deg2rad(10))
    centre = np.array([[0.15, 0.1, 0]])
    np.testing.assert_allclose(value.base_to_canvas(moved.canvas_to_base(centre)), [[0.153, 0.098, 0]], atol=1e-14)
    ahead = value.base_to_canvas(moved.canvas_to_base(centre + (0.1, 0, 0)))[0] - (0.153, 0.098, 0)
    assert np.rad2deg(np.arctan2(ahead[1], ahead[0])) == pytest.approx(10)
    np.testing.assert_allclose(moved.normal, value.normal, atol=1e-15)
    np.testing.assert_array_equal(moved.camera.H_canvas_image, value.camera.H_canvas_image)


def test_the_file_round_trips_exactly(tmp_path: Path) -> None:
    value = calibration((0.3, 0.2), camera((0.3, 0.2), (-0.1, 0.02, 1e-4, -2e-5, 1e-7)))
    value.save(tmp_path / "a.yaml")
    loaded = Calibration.load(tmp_path / "a.yaml", robot="panda")
    loaded.save(tmp_path / "b.yaml")
    assert (tmp_path / "a.yaml").read_text() == (tmp_path / "b.yaml").read_text()
    for name in ("T_base_canvas", "canvas_size_m", "brush", "robot", "date", "canvas_residual_mm", "brush_residual_mm"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(value, name))
    for name in Camera.__dataclass_fields__:
        np.testing.assert_array_equal(getattr(loaded.camera, name), getattr(value.camera, name))


@given(st.tuples(*[st.floats(-1, 1)] * 3), st.tuples(*[st.floats(-180, 180)] * 3))
def test_any_pose_survives_the_file_exactly(position, angles) -> None:
    import tempfile

    value = Calibration(
        "panda",
        "2030-01-31",
        pose(Rotation.from_euler("xyz", angles, degrees=True), position),
        (0.2, 0.2),
        BRUSHES["round-8"],
    )
    with tempfile.TemporaryDirectory() as folder:
        value.save(Path(folder) / "a.yaml")
        loaded = Calibration.load(Path(folder) / "a.yaml", robot="panda")
    np.testing.assert_array_equal(loaded.T_base_canvas, value.T_base_canvas)
    assert loaded.camera is None


SKEWED = (np.eye(4) + np.eye(4, k=1) * (np.arange(4) == 0)[:, None] * 0.01).tolist()


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ("robot", "ur5", "robot: .*'ur5'.*'panda'.*calibrate"),
        ("version", 2, "version: .*2.*calibrate again"),
        ("date", "yesterday", "date: .*2030"),
        ("canvas.size_m", [300, 200], "canvas.size_m: .*metres"),
        ("canvas.size_m", [0.2], "canvas.size_m: .*shape"),
        ("canvas.size_m", ["0.2", "0.2"], "canvas.size_m: must be numbers"),
        ("canvas.T_base_canvas", SKEWED, "canvas.T_base_canvas: .*rotation"),
        ("canvas.T_base_canvas", np.diag([1.0, 1, -1, 1]).tolist(), "canvas.T_base_canvas: .*rotation"),
        ("canvas.T_base_canvas", [[1.0, 2.0], [3.0]], "canvas.T_base_canvas: must be numbers"),
        ("canvas.residual_mm", -1.0, "canvas.residual_mm: .*negative"),
        ("camera.H_canvas_image", (1000 * camera().H_canvas_image).tolist(), None),
        ("camera.H_canvas_image", (np.diag([1000, 1000, 1]) @ camera().H_canvas_image).tolist(), "metres"),
        ("camera.H_canvas_image", np.zeros((3, 3)).tolist(), "camera.H_canvas_image: .*inverted"),
        ("camera.matrix", [[float("nan")] * 3] * 3, "camera.matrix: .*nan"),
        ("camera.image_size_px", 640, "camera.image_size_px"),
        ("brush.depth_m", 0.1, "brush.depth_m: must be a list"),
        ("brush.length_m", "long", "brush.length_m: must be a number"),
        ("brush.depth_m", [0.003, 0.002, 0.001, 0.004], "increasing"),
    ],
)
def test_a_wrong_field_is_refused_with_its_name_and_the_remedy(tmp_path: Path, path, value, says) -> None:
    data = fields(calibration(), tmp_path / "a.yaml")
    *groups, name = path.split(".")
    group = data[groups[0]] if groups else data
    group[name] = value
    (tmp_path / "a.yaml").write_text(yaml.safe_dump(data))
    if says is None:  # A homography's scale has no meaning.
        Calibration.load(tmp_path / "a.yaml", robot="panda")
        return
    with pytest.raises(InputError, match=says) as caught:
        Calibration.load(tmp_path / "a.yaml", robot="panda")
    assert str(tmp_path / "a.yaml") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_every_missing_field_is_named(tmp_path: Path) -> None:
    complete = fields(calibration(), tmp_path / "a.yaml")
    names = [(None, name) for name in complete]
    names += [(group, name) for group in ("canvas", "camera", "brush") for name in complete[group]]
    for group, name in names:
        data = yaml.safe_load(yaml.safe_dump(complete))
        del (data[group] if group else data)[name]
        (tmp_path / "a.yaml").write_text(yaml.safe_dump(data))
        with pytest.raises(InputError, match=f"{group + '.' if group else ''}{name}: is missing"):
            Calibration.load(tmp_path / "a.yaml", robot="panda")


@pytest.mark.parametrize("text", ["", "[1, 2]", "a: [", "\x00"])
def test_a_file_that_is_no_calibration_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(InputError, match=r"a\.yaml"):
        Calibration.load(tmp_path / "a.yaml", robot="panda")
    with pytest.raises(InputError, match="cannot be read"):
        Calibration.load(tmp_path / "absent.yaml", robot="panda")


def test_a_failed_save_is_one_line_and_keeps_the_old_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be written"):
        calibration().save(tmp_path / "no" / "a.yaml")
    calibration().save(tmp_path / "a.yaml")
    assert [file.name for file in tmp_path.iterdir()] == ["a.yaml"]
    assert stat.S_ISREG((tmp_path / "a.yaml").stat().st_mode)


@pytest.mark.parametrize("distortion", [(0, 0, 0, 0, 0), (-0.2, 0.05, 1e-3, -2e-3, 0.01)])
def test_canvas_points_are_found_in_the_frame_as_opencv_projects_them(distortion) -> None:
    value = camera((0.3, 0.2), distortion)
    points = np.random.default_rng(0).uniform(0, 0.2, (20, 2))
    T = np.linalg.inv(value.matrix) @ np.linalg.inv(value.H_canvas_image)
    rotation = np.column_stack([T[:, 0], T[:, 1], np.cross(T[:, 0], T[:, 1])])
    expected = cv2.projectPoints(
        np.column_stack([points, np.zeros(20)]),
        cv2.Rodrigues(rotation)[0],
        T[:, 2],
        value.matrix,
        np.array(distortion, float),
    )[0].reshape(-1, 2)
    np.testing.assert_allclose(value.canvas_to_image(points), expected, atol=1e-6)


@pytest.mark.parametrize("size_m", [(0.2, 0.2), (0.3, 0.2)])
def test_the_rectified_canvas_is_upright_and_like_an_area_average(size_m) -> None:
    """Draw a known scene analytically in the frame, rectify it, compare with the scene averaged over pixels."""
    value = calibration(size_m)

    def scene(xy: np.ndarray) -> np.ndarray:
        """A dark disc at the upper left, a smooth ramp in green along x, in blue along y."""
        disc = np.hypot(xy[..., 0] - 0.05, xy[..., 1] - (size_m[1] - 0.04)) < 0.02
        return np.stack([1.0 - disc, xy[..., 0] / size_m[0], xy[..., 1] / size_m[1]], -1).clip(0, 1)

    fine = 8
    columns, rows = np.meshgrid((np.arange(640 * fine) + 0.5) / fine - 0.5, (np.arange(480 * fine) + 0.5) / fine - 0.5)
    xy = cv2.perspectiveTransform(
        np.column_stack([columns.ravel(), rows.ravel()])[None], value.camera.H_canvas_image
    ).reshape(480 * fine, 640 * fine, 2)
    frame = scene(xy).reshape(480, fine, 640, fine, 3).mean((1, 3))
    seen = value.rectify((frame * 255).round().astype(np.uint8), 64)

    height, width = (round(64 * side / max(size_m)) for side in size_m[::-1])
    assert seen.shape == (height, width, 3)
    assert seen.dtype == np.float32
    u, v = np.meshgrid((np.arange(width * 16) + 0.5) / 1024, (np.arange(height * 16) + 0.5) / 1024)
    expected = scene(value.program_to_canvas(np.stack([u, v], -1))).reshape(height, 16, width, 16, 3).mean((1, 3))
    inside = (slice(1, -1), slice(1, -1))
    assert np.abs(seen - expected)[inside].max() < 0.15
    assert np.abs(seen - expected)[inside].mean() < 0.004
    assert seen[round(0.04 / max(size_m) * 64), round(0.05 / max(size_m) * 64), 0] < 0.05


def test_a_frame_of_another_size_or_no_camera_is_refused() -> None:
    with pytest.raises(InputError, match="camera.image_size_px"):
        calibration().rectify(np.zeros((240, 320, 3), np.uint8), 64)
    blind = Calibration("panda", "2030-01-31", np.eye(4), (0.2, 0.2), BRUSHES["round-20"])
    with pytest.raises(InputError, match="calibrate the camera"):
        blind.rectify(np.zeros((480, 640, 3), np.uint8), 64)
