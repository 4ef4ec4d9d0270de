"""A pinhole camera in the simulated world, and the real painting put into what it renders."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
Frame = NDArray[np.uint8]

NEAR_M, FAR_M = 0.05, 6.0


@dataclass(frozen=True, eq=False)
class Pinhole:
    """Intrinsics and pose of a camera without distortion. Whole numbers are the centres of its pixels."""

    size_px: tuple[int, int]
    """Width and height of the frame [px]."""
    focal_px: float
    """Focal length, the same along both axes [px]."""
    T_base_camera: Array
    """(4, 4) pose of the optical frame (z forward, x right, y down) in `base_link`."""

    @classmethod
    def looking_at(
        cls, eye_m: ArrayLike, target_m: ArrayLike, up: ArrayLike, size_px: tuple[int, int], focal_px: float
    ) -> Pinhole:
        """Return a camera at one point of `base_link` [m] that looks at another, `up` being up in its picture."""
        eye = np.asarray(eye_m, float)
        forward = np.asarray(target_m, float) - eye
        forward /= np.linalg.norm(forward)
        right = np.cross(forward, np.asarray(up, float))
        right /= np.linalg.norm(right)
        pose = np.eye(4)
        pose[:3, :3] = np.column_stack([right, np.cross(forward, right), forward])
        pose[:3, 3] = eye
        return cls(size_px, focal_px, pose)

    @property
    def matrix(self) -> Array:
        """(3, 3) intrinsic matrix [px]; its principal point is where TinyRenderer's is."""
        width, height = self.size_px
        return np.array([[self.focal_px, 0.0, width / 2], [0.0, self.focal_px, height / 2 - 1], [0.0, 0.0, 1.0]])

    def finer(self, factor: int) -> Pinhole:
        """Return the same view with `factor` times as many pixels a side."""
        return Pinhole((self.size_px[0] * factor, self.size_px[1] * factor), self.focal_px * factor, self.T_base_camera)

    def project(self, points: ArrayLike) -> Array:
        """Return the pixels (n, 2) of points (n, 3) in `base_link` [m]."""
        camera_base = np.linalg.inv(self.T_base_camera)
        rays = (np.asarray(points, float) @ camera_base[:3, :3].T + camera_base[:3, 3]) @ self.matrix.T
        return np.asarray(rays[:, :2] / rays[:, 2:])

    def H_image_plane(self, T_base_plane: Array) -> Array:
        """Return the homography (3, 3) from x, y [m] on a plane to pixels."""
        T_camera_plane = np.linalg.inv(self.T_base_camera) @ T_base_plane
        return self.matrix @ T_camera_plane[:3, [0, 1, 3]]

    def opengl_matrices(self) -> tuple[list[float], list[float]]:
        """Return the view and projection matrices, column-major, as PyBullet takes them."""
        view = np.linalg.inv(self.T_base_camera @ np.diag([1.0, -1.0, -1.0, 1.0]))
        width, height = self.size_px
        projection = np.zeros((4, 4))
        projection[0, 0], projection[1, 1] = 2 * self.focal_px / width, 2 * self.focal_px / height
        projection[2, 2] = -(FAR_M + NEAR_M) / (FAR_M - NEAR_M)
        projection[2, 3] = -2 * FAR_M * NEAR_M / (FAR_M - NEAR_M)
        projection[3, 2] = -1.0
        return view.T.ravel().tolist(), projection.T.ravel().tolist()


def above_paper(T_base_paper: Array, paper_size_m: tuple[float, float], size_px: tuple[int, int]) -> Pinhole:
    """Return a camera a metre above the middle of the paper that sees all of it, its upper edge up.

    It stands a little towards the paper's lower edge, so that the picture is a perspective one and the arm, which
    reaches in from the other side, is soon out of it.
    """
    width, height = paper_size_m
    centre = np.array([width / 2, height / 2, 0.0])
    distance = max(1.0, 4 * max(paper_size_m))
    eye, target = (T_base_paper @ [*p, 1.0] for p in (centre + [0.0, -0.12 * distance, distance], centre))
    focal_px = 0.88 * distance * min(size_px[0] / width, size_px[1] / height)
    return Pinhole.looking_at(eye[:3], target[:3], T_base_paper[:3, 1], size_px, focal_px)


def with_painting(
    frame: Frame, paper: NDArray[np.bool_], painting: Frame, H_image_painting: Array, shaded: bool = False
) -> Frame:
    """Return a rendered frame with the painting where the renderer shows bare paper.

    Args:
        frame: (H, W, 3) RGB.
        paper: (H, W) where the paper is seen and nothing hides it.
        painting: (h, w, 3) RGB.
        H_image_painting: (3, 3) homography from the painting's pixels to the frame's, centres at whole numbers.
        shaded: whether the light and the shadows on the bare paper fall on the painting as well; without, the picture
            is that of a camera whose white balance is the paper.
    """
    rows, columns = np.nonzero(paper)
    if not len(rows):
        return frame
    top, left = int(rows.min()), int(columns.min())
    height, width = int(rows.max()) + 1 - top, int(columns.max()) + 1 - left
    # Twice the frame's density and an area average: the painting is finer than the frame and would alias.
    doubled = np.array([[2.0, 0.0, 0.5 - 2 * left], [0.0, 2.0, 0.5 - 2 * top], [0.0, 0.0, 1.0]]) @ H_image_painting
    size = (2 * width, 2 * height)
    fine = cv2.warpPerspective(painting, doubled, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    seen = cv2.resize(fine, (width, height), interpolation=cv2.INTER_AREA)
    result = frame.copy()
    box, mask = result[top : top + height, left : left + width], paper[top : top + height, left : left + width]
    colours = seen[mask]
    if shaded:
        light = box[mask].astype(np.float32)
        colours = (colours * np.minimum(light / np.percentile(light, 90), 1.0)).astype(np.uint8)
    box[mask] = colours
    return result


def film_view(centre_m: Array) -> Pinhole:
    """Return the view for films of an arm whose base is at the origin and whose paper has its middle at `centre_m`."""
    reach = math.hypot(*centre_m[:2])
    target = [0.58 * centre_m[0], 0.58 * centre_m[1], 0.27]
    eye = [target[0] + 2.0 * reach, target[1] - 0.9 * reach, 0.27 + 1.5 * reach]
    return Pinhole.looking_at(eye, target, [0.0, 0.0, 1.0], (640, 480), 620.0)
