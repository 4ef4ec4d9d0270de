"""Search over strokes in the simulated canvas: place them one by one, then improve all of them jointly.

A trial is one stroke painted and compared with the target, a canvas render.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numba import njit

from planner.actions import WidthLimits
from planner.curves import BLACK, Curves, darken, earned, keep_inside, missing, mutate, propose, radii
from planner.foresight import excess
from sim.canvas import Image, cover_stroke, nearest_on, pieces_of

LONGEST_STEP_PX: Final = 3.0
"""A point moves no further in one Gauss-Newton step; radii a third of it."""
PROPOSED: Final = 0.3
"""Share of the trials of a stroke that are proposals."""
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


@njit(cache=True)
def _settle(canvas, target, coverage, places, count, curve, proposals, trials, rng, narrowest, widest, weight):  # type: ignore[no-untyped-def]
    """Improve a stroke that is not painted yet by `trials`, itself among them: proposals, then ever smaller changes."""
    trial, best_gain = np.empty(8), earned(canvas, target, coverage, curve, weight)
    for attempt in range(1, trials):
        if attempt < proposals and count:
            propose(trial, places, count, narrowest, widest, rng)
        else:
            trial[:] = curve
            progress = (attempt - proposals) / (trials - proposals)
            mutate(trial, 3.0 * (1 - progress) + 0.4 * progress, narrowest, widest, rng)
        gain = earned(canvas, target, coverage, trial, weight)
        if gain > best_gain:
            best_gain = gain
            curve[:] = trial


@njit(cache=True)
def _place(canvas, target, curves, trials, rng, narrowest, widest):  # type: ignore[no-untyped-def]
    """Fill `curves` one by one, each the best of `trials`: proposals, then changes of the best; paints on `canvas`."""
    coverage = np.zeros(canvas.shape, np.float32)
    places = np.empty((canvas.size, 2))
    proposals = max(1, int(PROPOSED * trials))
    for index in range(len(curves)):
        curve, weight = curves[index], excess(len(curves) - index)
        count = missing(canvas, target, places)
        if not count:  # nothing is missing: paint over what is there, which changes nothing
            curve[:] = curves[index - 1] if index else np.full(8, narrowest)
            continue
        propose(curve, places, count, narrowest, widest, rng)
        _settle(canvas, target, coverage, places, count, curve, proposals, trials, rng, narrowest, widest, weight)
        darken(canvas, coverage, curve)


@njit(cache=True, fastmath=True)
def _linearise(canvas, target, coverage, curve, normal, slope):  # type: ignore[no-untyped-def]
    """Return a stroke's gain as `earned` does, and its Gauss-Newton equations `normal` (8, 8) and `slope` (8,).

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
    keep_inside(trial, narrowest, widest)


@njit(cache=True, fastmath=True)
def _replace(without, target, coverage, curve, places, rng, narrowest, widest):  # type: ignore[no-untyped-def]
    """Put a stroke where ink is missing if it is of more use there; return the number of renders."""
    trial, fresh, slope, normal = np.empty(8), np.empty(8), np.empty(8), np.empty((8, 8))
    count = missing(without, target, places)
    if not count:
        return 1
    before = earned(without, target, coverage, curve)
    best = -1e9
    for _ in range(PROPOSALS):
        propose(trial, places, count, narrowest, widest, rng)
        gain = earned(without, target, coverage, trial)
        if gain > best:
            best = gain
            fresh[:] = trial
    done, damping = 1 + PROPOSALS, 0.1
    for _ in range(STEPS):
        _linearise(without, target, coverage, fresh, normal, slope)
        _newton(trial, fresh, normal, slope, damping, narrowest, widest)
        gain = earned(without, target, coverage, trial)
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
                darken(without, coverage, curves[other])
        if replaces:
            done += _replace(without, target, coverage, curves[index], places, rng, narrowest, widest)
            # A stroke that stays is left alone for a while: it is the next to be tried when others are of less use.
            worth[index] = earned(without, target, coverage, curves[index]) * (1 + rng.random())
            continue
        if rng.random() < newton:
            best_gain = _linearise(without, target, coverage, curves[index], normal, slope)
            done += 1
            for _ in range(2):
                _newton(trial, curves[index], normal, slope, damping[index], narrowest, widest)
                gain = earned(without, target, coverage, trial)
                done += 1
                if gain > best_gain:
                    curves[index] = trial
                    damping[index] = max(1e-3, 0.4 * damping[index])
                    break
                damping[index] = min(1e3, 5 * damping[index])
            worth[index] = best_gain
            continue
        best_gain = earned(without, target, coverage, curves[index])
        for _ in range(min(HOLD, trials - done)):
            trial[:] = curves[index]
            mutate(trial, coarse * (fine / coarse) ** (done / trials), narrowest, widest, rng)
            gain = earned(without, target, coverage, trial)
            if gain > best_gain:
                best_gain = gain
                curves[index] = trial
            done += 1
        worth[index] = best_gain


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
    """Return a curve (8,) that is not painted yet, or a better one: the best of proposals, then of changes of that.

    Args:
        canvas: (64, 64) what is painted so far.
        target: (64, 64).
        curve: (8,)
        trials: Renders, one of them of the curve as it is.
        rng: Of proposals and changes.
        limits: Widths that the brush can paint.
        left: Strokes still to paint, this one among them.
    """
    better, coverage, places = curve.copy(), np.zeros_like(canvas), np.empty((canvas.size, 2))
    count, proposals = missing(canvas, target, places), max(1, int(PROPOSED * trials))
    _settle(canvas, target, coverage, places, count, better, proposals, trials, rng, *radii(limits), excess(left))
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
