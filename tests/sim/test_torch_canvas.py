"""The paint engine in PyTorch against the compiled one, a union of discs and central differences."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sim import canvas, stroke, torch_canvas
from tests.sim.test_canvas import discs, random_strokes

TOLERANCE = 1e-4
"""Of coverage and shades, between engines that cut strokes into the same capsules, in single precision."""


def gentle(count: int, seed: int) -> np.ndarray:
    """Return strokes (count, 12) whose radius changes by less than 0.9 of the way: there both engines agree."""
    strokes = random_strokes(8 * count, seed)
    points = stroke.points_along(strokes, np.linspace(0, 1, 65))
    way = np.linalg.norm(np.diff(points, axis=1), axis=2).min(axis=1) * 64
    change = np.abs(strokes[:, 7] - strokes[:, 8]) * strokes[:, stroke.SIZE] / 2
    found = strokes[change < 0.9 * way]
    assert len(found) >= count
    return found[:count]


def test_coverage_of_the_same_capsules_is_the_compiled_engines() -> None:
    for one in gentle(40, 0):
        pixels = np.empty(8)
        canvas.in_pixels(one, 64, pixels)
        expected = np.zeros((48, 64), np.float32)
        canvas.cover_stroke(expected, pixels)
        pieces = canvas.pieces_of(pixels)
        found = torch_canvas.coverage(torch.from_numpy(one[None]).float(), 48, 64, pieces)[0].numpy()
        assert np.abs(found - expected).max() < TOLERANCE


@pytest.mark.parametrize("channels", [1, 3])
def test_paintings_are_the_compiled_engines_but_for_how_curves_are_cut(channels: int) -> None:
    strokes = gentle(60, 1).reshape(12, 5, 12)
    images = np.random.default_rng(2).random((12, 64, 64) if channels == 1 else (12, 64, 64, 3), np.float32)
    given = torch.from_numpy(images.copy())
    found = torch_canvas.paint_batch(given, torch.from_numpy(strokes).float()).numpy()
    assert np.array_equal(given.numpy(), images), "the images given stay as they are"
    canvas.paint_batch(images, strokes)
    # Both stray from the true curve by at most FLATNESS_PX, and coverage changes by 1 a pixel.
    assert np.abs(found - images).max() < 2 * canvas.FLATNESS_PX
    assert np.abs(found - images).mean() < 5e-4


@pytest.mark.parametrize("length", [0.0, 1e-9, 0.02, 0.1, 0.3])
@pytest.mark.parametrize("pressures", [(0.1, 1.0), (1.0, 0.1), (0.5, 0.5)])
def test_short_strokes_whose_width_changes_much_are_the_union_of_discs(length: float, pressures) -> None:  # type: ignore[no-untyped-def]
    one = np.array([0.3, 0.5, 0.3 + length / 2, 0.45, 0.3 + length, 0.5, 0.5, *pressures, 0, 0, 0])
    found = torch_canvas.coverage(torch.from_numpy(one[None]), 64, 64)[0].numpy()
    assert np.abs(found - discs(one, 64)).max() < 0.02


def test_a_batch_larger_than_the_memory_for_it_is_painted_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    images, strokes = torch.ones(5, 32, 32), torch.from_numpy(random_strokes(10, 3).reshape(5, 2, 12)).float()
    at_once = torch_canvas.paint_batch(images, strokes)
    monkeypatch.setattr(torch_canvas, "AT_ONCE", 2 * torch_canvas.PIECES * 32 * 32)
    assert torch.equal(torch_canvas.paint_batch(images, strokes), at_once)


@pytest.mark.parametrize("channels", [1, 3])
def test_the_gradient_is_that_of_central_differences(channels: int) -> None:
    rng = np.random.default_rng(4)
    shape = (2, 24, 32) if channels == 1 else (2, 24, 32, 3)
    images = torch.from_numpy(rng.random(shape)).requires_grad_()
    strokes = torch.from_numpy(random_strokes(6, 5).reshape(2, 3, 12)).requires_grad_()
    weights = torch.from_numpy(rng.standard_normal(shape))

    def total(strokes: torch.Tensor) -> torch.Tensor:
        return (weights * torch_canvas.paint_batch(images, strokes)).sum()

    total(strokes).backward()
    assert images.grad is not None
    assert strokes.grad is not None
    step = 1e-6
    with torch.no_grad():
        for place in np.ndindex(2, 3, 12):
            change = torch.zeros_like(strokes)
            change[place] = step
            slope = float(total(strokes + change) - total(strokes - change)) / (2 * step)
            assert float(strokes.grad[place]) == pytest.approx(slope, rel=1e-3, abs=1e-3)
        change = torch.from_numpy(rng.standard_normal(shape))
        images += step * change
        higher = total(strokes)
        images -= 2 * step * change
        slope = float(higher - total(strokes)) / (2 * step)
        assert float((images.grad * change).sum()) == pytest.approx(slope, rel=1e-6)


@pytest.mark.parametrize(
    "one",
    [
        [0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.1, 0.5, 0.5],
        [0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.1, 0.1, 1.0],
        [33 / 64] * 6 + [0.5, 0.5, 0.5],
        [0.25, 0.25, 0.5, 0.5, 0.75, 0.75, 0.1, 0.5, 0.5],
        [0.25, 0.25, 0.75, 0.75, 0.25, 0.25, 0.0, 0.5, 0.5],
        [0.2, 0.2, 0.3, 0.2, 0.4, 0.2, 0.4, 0.1, 1.1],
        [5.0, 5.0, 6.0, 5.0, 5.0, 5.0, 0.1, 0.5, 0.5],
    ],
    ids=["point", "ramp", "centre", "straight", "no-width", "as-steep-as-long", "outside"],
)
@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
def test_the_gradient_is_finite_everywhere(one: list[float], kind: torch.dtype) -> None:
    strokes = torch.tensor([[[*one, 0.2, 0.4, 0.6]]], dtype=kind, requires_grad=True)
    image = torch_canvas.paint_batch(torch.ones(1, 64, 64, 3, dtype=kind), strokes)
    image.square().sum().backward()
    assert strokes.grad is not None
    assert torch.isfinite(image).all()
    assert torch.isfinite(strokes.grad).all()


def test_descending_the_gradient_moves_a_stroke_onto_its_target() -> None:
    wanted = torch.tensor([[[0.3, 0.3, 0.5, 0.2, 0.7, 0.6, 0.12, 1.0, 1.0, 0, 0, 0]]])
    target = torch_canvas.paint_batch(torch.ones(1, 64, 64), wanted)
    found = (wanted + torch.tensor([0.04, -0.03, 0.05, 0.05, -0.04, 0.03, 0.03, 0, 0, 0, 0, 0])).requires_grad_()
    optimiser = torch.optim.Adam([found], 5e-3)
    errors = []
    for _ in range(60):
        error = (torch_canvas.paint_batch(torch.ones(1, 64, 64), found) - target).square().mean()
        errors.append(float(error.detach()))
        optimiser.zero_grad()
        error.backward()
        optimiser.step()
    assert errors[-1] < 0.02 * errors[0]
