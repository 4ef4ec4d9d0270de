"""Where the canvas is, what the camera sees of it, and what the brush does: one value, kept in one YAML file."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from calibration import file
from sim.brush import BrushProfile
from sim.errors import InputError

Array = NDArray[np.float64]

LARGEST_CANVAS_M: Final = 3.0
LARGEST_DISTANCE_M: Final = 10.0
LARGEST_OVERSAMPLING: Final = 8
SMALLEST_VIEW_PX: Final = 16


@dataclass(frozen=True, eq=False)
class Camera:
    """A camera that looks at the canvas. Pixels have their centres at whole numbers, as in OpenCV.

    Raises:
        InputError: a value has a wrong shape, is not finite, or is no rigid transform.
    """

    image_size_px: tuple[int, int]
    """Width and height of the frame [px]."""
    matrix: Array
    """(3, 3) intrinsic matrix [px]."""
    distortion: Array
    """(5,) distortion k1, k2, p1, p2, k3 of OpenCV's model."""
    T_base_camera: Array | None
    """(4, 4) pose of `camera_optical_frame` in `base_link`, None when not measured."""
    H_canvas_image: Array
    """(3, 3) homography from undistorted pixels to canvas metres (x right, y up)."""
    reprojection_rms_px: float
    """Residual of the intrinsics [px]."""
    residual_mm: float
    """Residual of the homography on the canvas [mm]."""

    def __post_init__(self) -> None:
        size = _array(self.image_size_px, (2,), "camera.image_size_px")
        if (size % 1).any() or size.min() < 16 or size.max() >= 2**15:
            raise InputError("camera.image_size_px: must be two whole numbers of pixels, width and height")
        matrix = _array(self.matrix, (3, 3), "camera.matrix")
        if matrix[0, 0] <= 0 or matrix[1, 1] <= 0 or not np.array_equal(matrix[2], (0, 0, 1)):
            raise InputError("camera.matrix: must be [[fx, s, cx], [0, fy, cy], [0, 0, 1]] in pixels")
        homography = _array(self.H_canvas_image, (3, 3), "camera.H_canvas_image")
        with np.errstate(all="ignore"):
            condition = np.linalg.cond(homography @ matrix)
        if not condition < 1e8:
            raise InputError("camera.H_canvas_image: cannot be inverted; calibrate the camera again")
        _set(self, "image_size_px", (int(size[0]), int(size[1])))
        _set(self, "matrix", matrix)
        _set(self, "distortion", _array(self.distortion, (5,), "camera.distortion"))
        _set(self, "H_canvas_image", homography)
        if self.T_base_camera is not None:
            _set(self, "T_base_camera", _transform(self.T_base_camera, "camera.T_base_camera"))
        _set(self, "reprojection_rms_px", _residual(self.reprojection_rms_px, "camera.reprojection_rms_px"))
        _set(self, "residual_mm", _residual(self.residual_mm, "camera.residual_mm"))

    def canvas_to_image(self, xy: ArrayLike) -> Array:
        """Map canvas points (n, 2) [m] to pixels (n, 2) of the frame as taken, distortion included."""
        import cv2

        xy = np.asarray(xy, float)
        homogeneous = np.column_stack([xy, np.ones(len(xy))]) @ np.linalg.inv(self.H_canvas_image).T
        pixels: Array = homogeneous[:, :2] / homogeneous[:, 2:]
        if not self.distortion.any():
            return pixels
        rays = np.column_stack([pixels, np.ones(len(pixels))]) @ np.linalg.inv(self.matrix).T
        seen = cv2.projectPoints(rays, np.zeros(3), np.zeros(3), self.matrix, self.distortion)[0]
        return np.asarray(seen, dtype=np.float64).reshape(-1, 2)


@dataclass(frozen=True, eq=False)
class Calibration:
    """Canvas pose, camera and brush of one robot.

    Raises:
        InputError: a field is wrong; the line names it and says what to do.
    """

    robot: str
    """Name of the robot it was measured on."""
    date: str
    """When it was measured, ISO 8601."""
    T_base_canvas: Array
    """(4, 4) pose of the canvas frame in `base_link` (origin lower left, x right, y up, z out of the paper)."""
    canvas_size_m: tuple[float, float]
    """Width and height of the paper [m]."""
    brush: BrushProfile
    camera: Camera | None = None
    canvas_residual_mm: float | None = None
    """Residual of the canvas pose [mm], None when it was not measured."""
    brush_residual_mm: float | None = None
    """Residual of the width-over-depth curve [mm], None when it was not measured."""
    _maps: dict[int, tuple[int, NDArray[np.float32], NDArray[np.float32]]] = field(
        init=False, repr=False, default_factory=dict
    )

    def __post_init__(self) -> None:
        if not isinstance(self.robot, str) or not self.robot:
            raise InputError("robot: must be the name of a robot")
        try:
            datetime.fromisoformat(self.date)
        except (TypeError, ValueError):
            raise InputError(f"date: {self.date!r} is no date; write it as 2030-12-31") from None
        size = _array(self.canvas_size_m, (2,), "canvas.size_m")
        if size.min() < 0.01 or size.max() > LARGEST_CANVAS_M:
            raise InputError(
                f"canvas.size_m: {size[0]:g} x {size[1]:g} is not between 0.01 and {LARGEST_CANVAS_M:g}; give metres"
            )
        _set(self, "canvas_size_m", (float(size[0]), float(size[1])))
        _set(self, "T_base_canvas", _transform(self.T_base_canvas, "canvas.T_base_canvas"))
        for name, label in (("canvas_residual_mm", "canvas.residual_mm"), ("brush_residual_mm", "brush.residual_mm")):
            if (value := getattr(self, name)) is not None:
                _set(self, name, _residual(value, label))
        if self.camera is not None:
            self._check_view(self.camera)

    @property
    def longer_side_m(self) -> float:
        """The canvas's longer side [m], the unit of program coordinates."""
        return max(self.canvas_size_m)

    @property
    def normal(self) -> Array:
        """(3,) unit vector out of the paper, in `base_link`."""
        return self.T_base_canvas[:3, 2]

    def program_to_canvas(self, uv: ArrayLike) -> Array:
        """Map program coordinates (n, 2) (u right, v down) to canvas points (n, 2) [m] (x right, y up)."""
        uv = np.asarray(uv, float)
        return np.stack([uv[..., 0] * self.longer_side_m, self.canvas_size_m[1] - uv[..., 1] * self.longer_side_m], -1)

    def canvas_to_program(self, xy: ArrayLike) -> Array:
        """Map canvas points (n, 2) [m] to program coordinates (n, 2)."""
        xy = np.asarray(xy, float)
        return np.stack(
            [xy[..., 0] / self.longer_side_m, (self.canvas_size_m[1] - xy[..., 1]) / self.longer_side_m], -1
        )

    def canvas_to_base(self, xyz: ArrayLike) -> Array:
        """Map canvas points (n, 3) [m] to `base_link` (n, 3) [m]."""
        return np.asarray(xyz, float) @ self.T_base_canvas[:3, :3].T + self.T_base_canvas[:3, 3]

    def base_to_canvas(self, xyz: ArrayLike) -> Array:
        """Map points (n, 3) [m] in `base_link` to the canvas frame (n, 3) [m]."""
        return (np.asarray(xyz, float) - self.T_base_canvas[:3, 3]) @ self.T_base_canvas[:3, :3]

    def moved(self, shift_m: ArrayLike, rotation_rad: float) -> Calibration:
        """Return the calibration for a paper that lies elsewhere in its own plane than the arm believes.

        Only the arm's idea of the paper changes. The camera's homography is taken from the paper as seen and holds.

        Args:
            shift_m: (2,) movement of the paper's centre along the canvas's x and y [m].
            rotation_rad: turn of the paper about its centre, counter-clockwise seen from the brush [rad].
        """
        centre = np.array(self.canvas_size_m) / 2
        c, s = np.cos(rotation_rad), np.sin(rotation_rad)
        T_old_new = np.eye(4)
        T_old_new[:2, :2] = [[c, -s], [s, c]]
        T_old_new[:2, 3] = centre + np.asarray(shift_m, float) - T_old_new[:2, :2] @ centre
        return replace(self, T_base_canvas=self.T_base_canvas @ T_old_new)

    def moved_from(self, other: Calibration) -> tuple[tuple[float, float], float]:
        """Return the shift [m] and the rotation [rad] with which `other.moved` gives this calibration."""
        T_other_self = np.linalg.inv(other.T_base_canvas) @ self.T_base_canvas
        centre = np.array([*np.array(self.canvas_size_m) / 2, 0.0, 1.0])
        x, y = (T_other_self @ centre - centre)[:2].tolist()
        return (x, y), float(np.arctan2(T_other_self[1, 0], T_other_self[0, 0]))

    def rectify(self, frame: NDArray[np.uint8], resolution_px: int) -> NDArray[np.float32]:
        """Return the canvas as seen from straight above.

        Args:
            frame: (H, W, 3) RGB picture of the camera.
            resolution_px: pixels along the canvas's longer side.

        Returns:
            (h, w, 3) RGB in [0, 1], row 0 the canvas's upper edge (v = 0), pixel i's centre at i + 0.5.

        Raises:
            InputError: there is no camera, or the frame is of another size.
        """
        import cv2

        if self.camera is None:
            raise InputError("camera: this calibration has none; calibrate the camera before looking")
        if frame.shape != (*self.camera.image_size_px[::-1], 3):
            raise InputError(
                f"camera.image_size_px: the calibration is for {self.camera.image_size_px}, the frame has shape "
                f"{frame.shape}; set the camera to that size or calibrate it again"
            )
        if resolution_px not in self._maps:
            self._maps[resolution_px] = self._rectification_maps(self.camera, resolution_px)
        factor, map_x, map_y = self._maps[resolution_px]
        fine = cv2.remap(frame, map_x, map_y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        height, width = map_x.shape
        small = cv2.resize(fine.astype(np.float32), (width // factor, height // factor), interpolation=cv2.INTER_AREA)
        return np.asarray(small / 255, dtype=np.float32)

    def _check_view(self, camera: Camera) -> None:
        corners = np.array([[0.5, 0.5], [0, 0], [1, 1]]) * self.canvas_size_m
        with np.errstate(all="ignore"):
            centre, low, high = camera.canvas_to_image(corners)
        inside = ((centre >= 0) & (centre < camera.image_size_px)).all()
        if not (inside and np.linalg.norm(high - low) >= SMALLEST_VIEW_PX):
            raise InputError("camera.H_canvas_image: the canvas is not in the frame; it must map pixels to metres")

    def _rectification_maps(
        self, camera: Camera, resolution_px: int
    ) -> tuple[int, NDArray[np.float32], NDArray[np.float32]]:
        # Twice the camera's own density, so that the area average sees every pixel of the frame.
        corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * self.canvas_size_m
        sides = np.linalg.norm(np.diff(camera.canvas_to_image(corners), axis=0), axis=1)
        lengths = np.array(self.canvas_size_m)[[0, 1, 0]]
        density = (sides / lengths).max() * self.longer_side_m / resolution_px
        factor = int(np.clip(np.ceil(2 * density), 1, LARGEST_OVERSAMPLING))
        columns, rows = (max(1, round(resolution_px * side / self.longer_side_m)) for side in self.canvas_size_m)
        u, v = np.meshgrid(
            (np.arange(columns * factor) + 0.5) / (factor * resolution_px),
            (np.arange(rows * factor) + 0.5) / (factor * resolution_px),
        )
        pixels = camera.canvas_to_image(self.program_to_canvas(np.column_stack([u.ravel(), v.ravel()])))
        map_x, map_y = pixels.astype(np.float32).T.reshape(2, *u.shape)
        return factor, map_x, map_y

    def save(self, path: str | Path) -> None:
        """Write the YAML file; a failed write leaves the old file as it was."""
        file.write(Path(path), self)

    @classmethod
    def load(cls, path: str | Path, robot: str) -> Calibration:
        """Read the YAML file and check it against the robot in use.

        Raises:
            InputError: the file is unreadable, of another version or robot, or a field is missing or wrong.
        """
        return file.read(Path(path), robot)


def _set(instance: object, name: str, value: object) -> None:
    object.__setattr__(instance, name, value)


def _array(value: object, shape: tuple[int, ...], name: str) -> Array:
    try:
        # Text would silently turn into numbers, so that "1e-5" in the file is refused like any other word.
        array = np.asarray(value)
        if array.dtype.kind not in "fiu":
            raise ValueError
        array = np.array(array, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(f"{name}: must be numbers of shape {shape}") from None
    if array.shape != shape:
        raise InputError(f"{name}: has shape {array.shape}, must have {shape}")
    if not np.isfinite(array).all():
        raise InputError(f"{name}: holds nan or inf; calibrate again")
    array.setflags(write=False)
    return array


def _residual(value: object, name: str) -> float:
    number = float(_array(value, (), name))
    if number < 0:
        raise InputError(f"{name}: {number:g} is negative; a residual is at least 0")
    return number


def _transform(value: object, name: str) -> Array:
    transform = _array(value, (4, 4), name)
    if not np.array_equal(transform[3], (0, 0, 0, 1)):
        raise InputError(f"{name}: the last row must be 0, 0, 0, 1")
    rotation = transform[:3, :3]
    if np.abs(rotation @ rotation.T - np.eye(3)).max() > 1e-6 or np.linalg.det(rotation) < 0:
        raise InputError(f"{name}: its 3x3 part is no rotation (orthonormal, right-handed); calibrate again")
    if np.abs(transform[:3, 3]).max() > LARGEST_DISTANCE_M:
        raise InputError(f"{name}: a position over {LARGEST_DISTANCE_M:g} m from the base; give metres")
    return transform
