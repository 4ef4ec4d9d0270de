"""Search over strokes in the simulated canvas: place them one by one, then improve all of them jointly.

Strokes change continuously here, not on the policy's grid, and all have one colour: coverages then multiply and their
order does not matter. A trial is one stroke painted and compared with the target, a canvas render.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from planner.actions import CANVAS_PX, WidthLimits
from planner.foresight import excess, squared
from sim.canvas import Image, cover_stroke, nearest_on, pieces_of
from sim.stroke import COLOUR, COLUMNS, CONTROL, END, PRESSURE_END, PRESSURE_START, SIZE, START, Array

Curves = NDArray[np.float64]
"""(n, 8) start, control and end x, y and the radius at start and end, in pixels of the 64-pixel canvas."""

BLACK: Final = np.float32(0.0)
PLAIN: Final = np.float32(1.0)
"""Weight of ink where none belongs, once all strokes are placed."""
NARROWEST_PX: Final = 0.5
"""Narrowest width that search paints: half a pixel; thinner lines are fainter, not finer."""
WIDEST_PX: Final = 16.0
"""Widest width that search proposes for line art."""
LONGEST_STEP_PX: Final = 3.0
"""A point moves no further in one Gauss-Newton step; radii a third of it."""
HOLD: Final = 6
"""Trials in a row on one stroke, for which the canvas without it is composed once."""
PROPOSALS: Final = 6
"""Places tried for a stroke that is put elsewhere."""
STEPS: Final = 6
"""Gauss-Newton steps from the best of them."""


@dataclass(frozen=True)
class Tuning:
    """How the joint improvement changes strokes."""

    coarse_px: float
    """Typical change of a point at the start [px]."""
    fine_px: float
    """Typical change of a point at the end [px]."""
    newton: float
    """Share of the visits to a stroke that take Gauss-Newton steps instead of random ones."""
    replace: float
    """Share of the visits in which the stroke of least use is tried elsewhere."""


@njit(cache=True, fastmath=True)
def _gain(canvas, target, coverage, curve, weight=PLAIN):  # type: ignore[no-untyped-def]
    """Return by how much a stroke lowers the summed squared error of `canvas`; leaves `coverage` clear."""
    top, bottom, left, right = cover_stroke(coverage, curve)
    gain = np.float32(0)
    for row in range(top, bottom):
        paper, wanted, cover = canvas[row], target[row], coverage[row]
        for column in range(left, right):
            before = paper[column] - wanted[column]
            after = before + cover[column] * (BLACK - paper[column])
            gain += squared(before, weight) - squared(after, weight)
            cover[column] = 0
    return gain


@njit(cache=True, fastmath=True)
def _missing(canvas, target, places):  # type: ignore[no-untyped-def]
    """Fill `places` with pixels that want ink and return their number."""
    count = 0
    height, width = canvas.shape
    for row in range(height):
        for column in range(width):
            if canvas[row, column] - target[row, column] > 0.35:
                places[count, 0], places[count, 1] = column + 0.5, row + 0.5
                count += 1
    return count


@njit(cache=True)
def _propose(curve, places, count, narrowest, widest, rng):  # type: ignore[no-untyped-def]
    """Fill `curve` with a stroke between two places that want ink."""
    a, b = rng.integers(0, count), rng.integers(0, count)
    for axis in range(2):
        start, end = places[a, axis], places[b, axis]
        curve[axis], curve[4 + axis] = start, end
        curve[2 + axis] = (start + end) / 2 + 8 * rng.standard_normal()
    curve[6] = curve[7] = min(widest, max(narrowest, 1.0 + 3.0 * rng.random()))
    _keep_inside(curve, narrowest, widest)


@njit(cache=True)
def _keep_inside(curve, narrowest, widest):  # type: ignore[no-untyped-def]
    for column in range(6):
        curve[column] = min(CANVAS_PX, max(0.0, curve[column]))
    for column in range(6, 8):
        curve[column] = min(widest, max(narrowest, curve[column]))


@njit(cache=True)
def _mutate(curve, spread, narrowest, widest, rng):  # type: ignore[no-untyped-def]
    """Change one property of a stroke by about `spread` pixels."""
    kind = rng.integers(0, 10)
    scale = spread * np.exp(0.7 * rng.standard_normal())
    if kind < 7:
        moves = (1, 2, 4, 1, 4, 2, 7)[kind]  # bits: start, control, end
        x, y = scale * rng.standard_normal(), scale * rng.standard_normal()
        for point in range(3):
            if moves >> point & 1:
                # the middle of the curve moves half as far as its control point
                factor = 2.0 if point == 1 and moves == 2 else 1.0
                curve[2 * point] += factor * x
                curve[2 * point + 1] += factor * y
    elif kind == 7:
        change = 0.4 * scale * rng.standard_normal()
        curve[6] += change
        curve[7] += change
    else:
        curve[kind - 2] += 0.5 * scale * rng.standard_normal()
    _keep_inside(curve, narrowest, widest)


@njit(cache=True, fastmath=True)
def _darken(canvas, coverage, curve):  # type: ignore[no-untyped-def]
    """Paint a stroke on `canvas`; leaves `coverage` clear."""
    top, bottom, left, right = cover_stroke(coverage, curve)
    for row in range(top, bottom):
        for column in range(left, right):
            canvas[row, column] += coverage[row, column] * (BLACK - canvas[row, column])
            coverage[row, column] = 0


@njit(cache=True)
def _settle(canvas, target, coverage, curve, trials, rng, narrowest, widest, weight):  # type: ignore[no-untyped-def]
    """Improve a stroke that is not painted yet by random changes, ever smaller ones; `weight` as in `_gain`."""
    trial, best_gain = np.empty(8), _gain(canvas, target, coverage, curve, weight)
    for attempt in range(1, trials):
        trial[:] = curve
        progress = attempt / trials
        _mutate(trial, 3.0 * (1 - progress) + 0.4 * progress, narrowest, widest, rng)
        gain = _gain(canvas, target, coverage, trial, weight)
        if gain > best_gain:
            best_gain = gain
            curve[:] = trial


@njit(cache=True)
def _place(canvas, target, curves, trials, rng, narrowest, widest):  # type: ignore[no-untyped-def]
    """Fill `curves` one by one, each the best of `trials`: proposals, then changes of the best; paints on `canvas`."""
    coverage = np.zeros(canvas.shape, np.float32)
    places = np.empty((canvas.size, 2))
    trial = np.empty(8)
    for index in range(len(curves)):
        weight = excess(len(curves) - index)
        count = _missing(canvas, target, places)
        if not count:  # nothing is missing: paint over what is there, which changes nothing
            curves[index] = curves[index - 1] if index else np.full(8, narrowest)
            continue
        best_gain = -1e9
        proposals = max(1, int(0.3 * trials))
        for _ in range(proposals):
            _propose(trial, places, count, narrowest, widest, rng)
            gain = _gain(canvas, target, coverage, trial, weight)
            if gain > best_gain:
                best_gain = gain
                curves[index] = trial
        _settle(canvas, target, coverage, curves[index], trials - proposals, rng, narrowest, widest, weight)
        _darken(canvas, coverage, curves[index])


@njit(cache=True, fastmath=True)
def _linearise(canvas, target, coverage, curve, normal, slope):  # type: ignore[no-untyped-def]
    """Return a stroke's gain as `_gain` does, and its Gauss-Newton equations `normal` (8, 8) and `slope` (8,).

    Only the pixels at the stroke's edge depend on it. With t the parameter of the nearest point and n the direction
    from there, coverage rises by n·B(t) as the points of the curve move (B the Bernstein polynomials) and by 1 − t and
    t as the radii grow.
    """
    normal[:] = 0.0
    slope[:] = 0.0
    top, bottom, left, right = cover_stroke(coverage, curve)
    pieces = pieces_of(curve)
    row_of = np.empty(8)
    gain = 0.0
    for row in range(top, bottom):
        for column in range(left, right):
            cover = coverage[row, column]
            coverage[row, column] = 0
            if cover <= 0:
                continue
            paper = canvas[row, column] - BLACK
            before = canvas[row, column] - target[row, column]
            after = before - cover * paper
            gain += before * before - after * after
            if cover >= 1 or paper < 0.02:
                continue
            t, away_x, away_y = nearest_on(curve, pieces, column + 0.5, row + 0.5)
            weights = ((1 - t) * (1 - t), 2 * t * (1 - t), t * t)
            for point in range(3):
                row_of[2 * point] = -paper * weights[point] * away_x
                row_of[2 * point + 1] = -paper * weights[point] * away_y
            row_of[6] = -paper * (1 - t)
            row_of[7] = -paper * t
            for a in range(8):
                slope[a] -= row_of[a] * after
                for b in range(a, 8):
                    normal[a, b] += row_of[a] * row_of[b]
    for a in range(8):
        for b in range(a):
            normal[a, b] = normal[b, a]
    return gain


@njit(cache=True)
def _newton(trial, curve, normal, slope, damping, narrowest, widest):  # type: ignore[no-untyped-def]
    """Fill `trial` with the curve after one damped Gauss-Newton step (Levenberg-Marquardt)."""
    damped = normal.copy()
    for a in range(8):
        damped[a, a] += damping * normal[a, a] + 0.05
    step = np.linalg.solve(damped, slope)
    for a in range(8):
        most = LONGEST_STEP_PX if a < 6 else LONGEST_STEP_PX / 3
        trial[a] = curve[a] + min(most, max(-most, step[a]))
    _keep_inside(trial, narrowest, widest)


@njit(cache=True, fastmath=True)
def _replace(without, target, coverage, curve, places, rng, narrowest, widest):  # type: ignore[no-untyped-def]
    """Put a stroke where ink is missing if it is of more use there; return the number of renders."""
    trial, fresh, slope, normal = np.empty(8), np.empty(8), np.empty(8), np.empty((8, 8))
    count = _missing(without, target, places)
    if not count:
        return 1
    before = _gain(without, target, coverage, curve)
    best = -1e9
    for _ in range(PROPOSALS):
        _propose(trial, places, count, narrowest, widest, rng)
        gain = _gain(without, target, coverage, trial)
        if gain > best:
            best = gain
            fresh[:] = trial
    done, damping = 1 + PROPOSALS, 0.1
    for _ in range(STEPS):
        _linearise(without, target, coverage, fresh, normal, slope)
        _newton(trial, fresh, normal, slope, damping, narrowest, widest)
        gain = _gain(without, target, coverage, trial)
        done += 2
        if gain > best:
            best = gain
            fresh[:] = trial
            damping *= 0.4
        else:
            damping *= 5
    if best > before:
        curve[:] = fresh
    return done


@njit(cache=True, fastmath=True)
def _improve(canvas, target, curves, trials, rng, narrowest, widest, coarse, fine, newton, replace):  # type: ignore[no-untyped-def]
    """Improve all `curves` jointly, in place: each visit to a stroke is Gauss-Newton steps or random changes."""
    coverage = np.zeros(canvas.shape, np.float32)
    without = np.empty(canvas.shape, np.float32)
    trial, slope, normal = np.empty(8), np.empty(8), np.empty((8, 8))
    damping = np.full(len(curves), 0.1)
    places = np.empty((canvas.size, 2))
    worth = np.zeros(len(curves))
    done, index = 0, 0
    while done < trials:
        replaces = rng.random() < replace
        if replaces:
            index = int(np.argmin(worth))
        else:
            index = (index + 1 + rng.integers(0, max(1, len(curves) - 1))) % len(curves)
        without[:] = canvas
        for other in range(len(curves)):
            if other != index:
                _darken(without, coverage, curves[other])
        if replaces:
            done += _replace(without, target, coverage, curves[index], places, rng, narrowest, widest)
            # A stroke that stays is left alone for a while: it is the next to be tried when others are of less use.
            worth[index] = _gain(without, target, coverage, curves[index]) * (1 + rng.random())
            continue
        if rng.random() < newton:
            best_gain = _linearise(without, target, coverage, curves[index], normal, slope)
            done += 1
            for _ in range(2):
                _newton(trial, curves[index], normal, slope, damping[index], narrowest, widest)
                gain = _gain(without, target, coverage, trial)
                done += 1
                if gain > best_gain:
                    curves[index] = trial
                    damping[index] = max(1e-3, 0.4 * damping[index])
                    break
                damping[index] = min(1e3, 5 * damping[index])
            worth[index] = best_gain
            continue
        best_gain = _gain(without, target, coverage, curves[index])
        for _ in range(min(HOLD, trials - done)):
            trial[:] = curves[index]
            _mutate(trial, coarse * (fine / coarse) ** (done / trials), narrowest, widest, rng)
            gain = _gain(without, target, coverage, trial)
            if gain > best_gain:
                best_gain = gain
                curves[index] = trial
            done += 1
        worth[index] = best_gain


def to_curves(strokes: Array) -> Curves:
    """Return strokes (n, 12) as curves (n, 8)."""
    curves = np.empty((len(strokes), 8))
    curves[:, :6] = strokes[:, :6] * CANVAS_PX
    curves[:, 6] = strokes[:, SIZE] * strokes[:, PRESSURE_START] * CANVAS_PX / 2
    curves[:, 7] = strokes[:, SIZE] * strokes[:, PRESSURE_END] * CANVAS_PX / 2
    return curves


def to_strokes(curves: Curves) -> Array:
    """Return curves (n, 8) as black strokes (n, 12); the larger radius is pressure 1."""
    strokes = np.zeros((len(curves), len(COLUMNS)))
    widest = curves[:, 6:8].max(axis=1)
    for part, columns in ((START, slice(0, 2)), (CONTROL, slice(2, 4)), (END, slice(4, 6))):
        strokes[:, part] = curves[:, columns] / CANVAS_PX
    strokes[:, SIZE] = 2 * widest / CANVAS_PX
    strokes[:, PRESSURE_START], strokes[:, PRESSURE_END] = curves[:, 6] / widest, curves[:, 7] / widest
    strokes[:, COLOUR] = 0.0
    return strokes


def radii(limits: WidthLimits) -> tuple[float, float]:
    """Return the narrowest and widest radius [px] that search may use."""
    narrowest = max(NARROWEST_PX, limits.narrowest * CANVAS_PX) / 2
    return narrowest, max(narrowest, min(WIDEST_PX, limits.widest * CANVAS_PX) / 2)


def place(
    canvas: Image, target: Image, strokes: int, trials: int, rng: np.random.Generator, limits: WidthLimits
) -> Curves:
    """Return curves placed one by one without a policy, `trials` for each.

    Args:
        canvas: (64, 64) what is painted so far; stays as it is.
        target: (64, 64).
        strokes: How many.
        trials: Renders for each.
        rng: Of the proposals.
        limits: Widths that the brush can paint.
    """
    curves = np.empty((strokes, 8))
    _place(canvas.copy(), target, curves, trials, rng, *radii(limits))
    return curves


def settle(
    canvas: Image, target: Image, curve: Curves, trials: int, rng: np.random.Generator, limits: WidthLimits, left: int
) -> Curves:
    """Return a curve (8,) that is not painted yet improved by random changes.

    Args:
        canvas: (64, 64) what is painted so far.
        target: (64, 64).
        curve: (8,)
        trials: Renders, one of them of the curve as it is.
        rng: Of the changes.
        limits: Widths that the brush can paint.
        left: Strokes still to paint, this one among them.
    """
    better, coverage = curve.copy(), np.zeros_like(canvas)
    _settle(canvas, target, coverage, better, trials, rng, *radii(limits), excess(left))
    return better


def improve(
    canvas: Image,
    target: Image,
    curves: Curves,
    trials: int,
    rng: np.random.Generator,
    limits: WidthLimits,
    tuning: Tuning,
) -> Curves:
    """Return the curves (n, 8) improved jointly by `trials` changes, each kept if the error falls."""
    better = curves.copy()
    narrowest, widest = radii(limits)
    if len(better) and trials:
        _improve(
            canvas,
            target,
            better,
            trials,
            rng,
            narrowest,
            widest,
            tuning.coarse_px,
            tuning.fine_px,
            tuning.newton,
            tuning.replace,
        )
    return better
