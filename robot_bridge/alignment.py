"""How the paper lies against where the arm believes it: from strokes as seen against strokes as meant.

Signs. The paper lies at T_base_canvas · M, M a turn about the canvas's middle and a shift, and the arm believes
T_base_canvas. A stroke meant at p is painted at T_base_canvas · p, which is M⁻¹ · p on the paper, and the camera, whose
homography is taken from the paper itself, sees it there. So seen(p) = meant(M · p); the M that explains the picture is
what `Calibration.moved` takes, and the strokes to come land right.

M is found by Gauss-Newton on blurred pictures, from coarse to fine, together with the contrast of paint and the
brightness of paper. Pixels that do not fit, as where a stroke left no paint, lose their weight (Cauchy). A prior of
what papers usually do keeps a direction at rest that the strokes do not show, such as along a single straight line.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from calibration.calibration import Calibration
from sim.canvas import paint
from sim.stroke import CONTROL, END, START

Array = NDArray[np.float64]
Image = NDArray[np.float32]

USUAL: Final = np.array([0.0, 0.0, 0.0, 1.0, 0.0])
"""Shift along x and y [m], turn [rad], contrast and brightness, as they usually are."""
PRIOR: Final = 1 / np.array([0.006, 0.006, 0.04, 0.3, 0.1]) ** 2
"""How sure that is: inverse variances."""
BLURS: Final = (0.03, 0.015, 0.008)
"""Standard deviations of the blur, as fractions of the canvas's longer side, from coarse to fine."""
STEPS: Final = 12
LEAST_INK: Final = 0.002
"""Share of the canvas that must be painted for an estimate."""
LEAST_CORRELATION: Final = 0.6
SMALLEST_NOISE: Final = 0.01
"""Least standard deviation assumed for a pixel: pictures differ by more than the camera's noise."""
LEAST_VISIBLE_PX: Final = 4.0
SURE_CORRELATION: Final = 0.93
PERFECT_CORRELATION: Final = 0.99
HALF_PAINTED: Final = 0.5


@dataclass(frozen=True)
class Alignment:
    """Where the paper lies against the calibration; `Calibration.moved(shift_m, rotation_rad)` mends it."""

    shift_m: tuple[float, float]
    """Shift of the paper's middle along the canvas's x and y [m]."""
    rotation_rad: float
    """Turn of the paper about its middle, counter-clockwise seen from the brush [rad]."""
    shift_std_m: tuple[float, float]
    """Standard deviation of the shift [m]."""
    rotation_std_rad: float
    """Standard deviation of the turn [rad]."""
    correlation: float
    """Correlation of the seen and the moved predicted paint, at most 1."""


def estimate(seen: Image, predicted: Image, canvas_size_m: tuple[float, float]) -> Alignment | None:
    """Estimate the paper's movement in its own plane.

    Args:
        seen: (H, W) rectified grey picture of the canvas, 1 is white.
        predicted: (H, W) the same if the calibration were right; strokes that were painted with an older calibration
            are drawn where they are now believed to be (`relocated`).
        canvas_size_m: width and height of the paper [m].

    Returns:
        The movement, None where there is too little paint or the pictures do not resemble each other.
    """
    ink_seen = 1 - np.asarray(seen, dtype=np.float32)
    ink_meant = 1 - np.asarray(predicted, dtype=np.float32)
    if ink_meant.mean() < LEAST_INK or np.clip(ink_seen - np.median(ink_seen), 0, 1).mean() < LEAST_INK / 2:
        return None
    levels = [_Level(ink_seen, ink_meant, canvas_size_m, blur) for blur in BLURS]
    # From coarse to fine finds large movements; but where strokes are missing, coarse pictures can lead astray.
    state, covariance, left = _descend(levels)
    if levels[-1].correlation(state) < PERFECT_CORRELATION:
        state, covariance, _ = min((state, covariance, left), _descend(levels[1:]), key=lambda result: result[2])
    correlation = levels[-1].correlation(state)
    if not correlation >= LEAST_CORRELATION:
        return None
    deviation = np.sqrt(np.diag(covariance))
    return Alignment(
        (float(state[0]), float(state[1])),
        float(state[2]),
        (float(deviation[0]), float(deviation[1])),
        float(deviation[2]),
        correlation,
    )


def compare(seen: Image, strokes: Array, calibration: Calibration) -> tuple[Alignment | None, Array]:
    """Estimate the paper's movement from strokes of which some may have left no paint, and say how much each left.

    Args:
        seen: (H, W) rectified grey picture of the canvas, 1 is white.
        strokes: (n, 12) all strokes sent so far in painting order, where they are believed to lie (`relocated`).
        calibration: the calibration in use.

    Returns:
        The movement as from `estimate`, and the (n,) shares as from `painted_shares`.
    """

    def fit(chosen: NDArray[np.bool_]) -> tuple[Alignment | None, Array]:
        predicted = np.ones(seen.shape, np.float32)
        paint(predicted, strokes[chosen])
        alignment = estimate(seen, predicted, calibration.canvas_size_m)
        now = calibration.moved(alignment.shift_m, alignment.rotation_rad) if alignment else calibration
        return alignment, painted_shares(seen, relocated(strokes, calibration, now))

    def fit_what_is_there(chosen: NDArray[np.bool_]) -> tuple[Alignment | None, Array]:
        first = fit(chosen)
        there = ~(first[1] < HALF_PAINTED)
        if there.all() or not there.any() or _quality(first) > PERFECT_CORRELATION:
            return first
        return max(first, fit(there), key=_quality)

    everything = np.ones(len(strokes), np.bool_)
    best = fit_what_is_there(everything)
    if _quality(best) < SURE_CORRELATION:
        # A missing stroke can pull the others out of place: see whether the rest fits without any one of them.
        for left_out in np.eye(len(strokes), dtype=np.bool_):
            best = max(best, fit_what_is_there(~left_out), key=_quality)
    return best


def _quality(result: tuple[Alignment | None, Array]) -> float:
    return result[0].correlation if result[0] else -1.0


def relocated(strokes: Array, painted_with: Calibration, now: Calibration) -> Array:
    """Return strokes (n, 12) where they lie on the paper as believed now, in program coordinates.

    Args:
        strokes: (n, 12) strokes as they were sent to the arm.
        painted_with: the calibration that the arm painted them with.
        now: the calibration that is believed now.
    """
    moved = np.array(strokes, dtype=np.float64)
    for part in (START, CONTROL, END):
        plane = painted_with.program_to_canvas(moved[:, part])
        in_base = painted_with.canvas_to_base(np.column_stack([plane, np.zeros(len(plane))]))
        moved[:, part] = now.canvas_to_program(now.base_to_canvas(in_base)[:, :2])
    return moved


def painted_shares(seen: Image, strokes: ArrayLike) -> Array:
    """Return how much of each stroke is there.

    Args:
        seen: (H, W) rectified grey picture of the canvas, 1 is white.
        strokes: (n, 12) all strokes on the canvas in painting order, where they lie on the paper (`relocated`).

    Returns:
        (n,) share of the paint that the stroke alone should have left, from 0, none, to 1; nan where other strokes
        cover it or its colour does not show on white.
    """
    strokes = np.asarray(strokes, dtype=np.float64)
    coverages = np.zeros((len(strokes), *seen.shape), np.float32)
    for coverage, stroke in zip(coverages, strokes, strict=True):
        image = np.ones(seen.shape, np.float32)
        black = stroke.copy()
        black[9:12] = 0.0
        paint(image, black[None])
        coverage[:] = 1 - image
    everything = coverages.sum(0)
    paper = float(np.median(seen[everything < 0.01])) if (everything < 0.01).any() else 1.0
    ink = np.clip((paper - seen) / max(paper, 1e-3), 0, None)
    darkness = 1 - strokes[:, 9:12] @ (0.299, 0.587, 0.114)
    shares = np.full(len(strokes), np.nan)
    for index, coverage in enumerate(coverages):
        # Only where no other stroke can have left paint.
        alone = (coverage > 0.5) & (everything - coverage < 0.02)
        if coverage[alone].sum() >= LEAST_VISIBLE_PX and darkness[index] >= 0.1:
            shares[index] = min(1.0, float(ink[alone].sum() / (darkness[index] * coverage[alone].sum())))
    return shares


def _descend(levels: list[_Level]) -> tuple[Array, Array, float]:
    """Return the state (5,), its covariance (5, 5) and what remains unexplained, from coarse to fine.

    The state is dx, dy [m], turn [rad], contrast of paint and brightness of paper.
    """
    state, covariance = USUAL, np.zeros((5, 5))
    for level in levels:
        for _ in range(STEPS):
            step, covariance = level.gauss_newton(state)
            state = state + step
            if np.abs(step[:2]).max() < 2e-6 and abs(step[2]) < 2e-5:
                break
    return state, covariance, levels[-1].unexplained(state)


class _Level:
    """The two pictures at one blur, as pictures of canvas points relative to the canvas's middle."""

    def __init__(self, ink_seen: Image, ink_meant: Image, canvas_size_m: tuple[float, float], blur: float) -> None:
        import cv2

        height, width = ink_seen.shape
        self._sigma = max(blur * max(height, width), 0.7)
        pictures = [ink_seen, ink_meant]
        while self._sigma >= 2 and width % 2 == 0 and height % 2 == 0:
            height, width, self._sigma = height // 2, width // 2, self._sigma / 2
            pictures = [cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA) for picture in pictures]
        pictures = [cv2.GaussianBlur(picture, (0, 0), self._sigma) for picture in pictures]
        self._seen, self._meant = pictures
        scale = max(canvas_size_m) / max(height, width)
        self._slope_y, self._slope_x = (slope / scale for slope in np.gradient(self._meant))
        # From pixels (centres at whole numbers) to metres about the canvas's middle, y up.
        self._canvas_px = np.array(
            [[scale, 0, (0.5 - width / 2) * scale], [0, -scale, (height / 2 - 0.5) * scale], [0, 0, 1]]
        )
        self._x = (np.arange(width) * scale + self._canvas_px[0, 2])[None, :]
        self._y = (self._canvas_px[1, 2] - np.arange(height) * scale)[:, None]

    def gauss_newton(self, state: Array) -> tuple[Array, Array]:
        """Return the step (5,) of the state and its covariance (5, 5)."""
        meant = self._warp(self._meant, state)
        along_x, along_y = self._warp(self._slope_x, state), -self._warp(self._slope_y, state)
        c, s = np.cos(state[2]), np.sin(state[2])
        turn = along_y * (c * self._x - s * self._y) - along_x * (s * self._x + c * self._y)
        contrast, brightness = state[3:]
        near = (meant > 0.01) | (self._seen - brightness > 0.01)
        columns = (contrast * along_x, contrast * along_y, contrast * turn, meant, np.ones_like(meant))
        jacobian = np.stack([column[near] for column in columns], axis=1).astype(np.float64)
        residual = (self._seen - contrast * meant - brightness)[near].astype(np.float64)
        noise = max(1.4826 * float(np.median(np.abs(residual))), SMALLEST_NOISE)
        weight = 1 / (1 + (residual / (3 * noise)) ** 2)
        # Blurred pixels share their noise with their neighbours: this many speak as one.
        alike = 4 * np.pi * self._sigma**2
        variance = max(float((weight * residual**2).sum() / weight.sum()), SMALLEST_NOISE**2) * alike
        information = jacobian.T @ (weight[:, None] * jacobian) / variance + np.diag(PRIOR)
        gradient = jacobian.T @ (weight * residual) / variance + PRIOR * (USUAL - state)
        covariance = np.linalg.inv(information)
        return covariance @ gradient, covariance

    def unexplained(self, state: Array) -> float:
        """Return the mean absolute difference of the pictures, which a missing stroke does not rule."""
        meant = self._warp(self._meant, state)
        return float(np.abs(self._seen - state[3] * meant - state[4]).mean())

    def correlation(self, state: Array) -> float:
        """Return the correlation of the two pictures."""
        return float(np.corrcoef(self._warp(self._meant, state).ravel(), self._seen.ravel())[0, 1])

    def _warp(self, image: Image, state: Array) -> Image:
        """Return the image (H, W) at M · p for each pixel p, M the movement of the state."""
        import cv2

        c, s = np.cos(state[2]), np.sin(state[2])
        moved = np.array([[c, -s, state[0]], [s, c, state[1]], [0, 0, 1]])
        pixels = np.linalg.inv(self._canvas_px) @ moved @ self._canvas_px
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        warped = cv2.warpAffine(image, pixels[:2], image.shape[::-1], flags=flags, borderMode=cv2.BORDER_CONSTANT)
        return np.asarray(warped, dtype=np.float32)
