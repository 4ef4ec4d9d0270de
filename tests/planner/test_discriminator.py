"""Discriminators: sizes, what they may see, losses against their formulas, the gradient penalty against differences."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from planner.discriminator import (
    PENALTY,
    Discriminator,
    Loss,
    build_discriminator,
    discriminator_loss,
    gradient_penalty,
)


def pictures(count: int, colour: bool = False) -> torch.Tensor:
    return torch.rand(count, 64, 64, 3) if colour else torch.rand(count, 64, 64)


def conditional(discriminator: Discriminator, count: int) -> torch.Tensor | None:
    settings = discriminator.settings
    return pictures(count, settings["colour"]) if settings["conditional"] else None


@pytest.mark.parametrize(
    ("kind", "has_target", "colour", "complement", "size"),
    [
        ("spectral", True, False, False, 16 * (2 * 16) + 32 * (16 * 16) + 64 * (32 * 16) + 64 * 16 + 113),
        ("spectral", True, True, False, 16 * (6 * 16) + 32 * (16 * 16) + 64 * (32 * 16) + 64 * 16 + 113),
        ("spectral", True, False, True, 16 * (3 * 16) + 32 * (16 * 16) + 64 * (32 * 16) + 64 * 16 + 113),
        ("spectral", False, False, False, 16 * 16 + 16 * (32 * 16 + 64 * 32 + 128 * 64) + 128 * 16 + 241),
        ("spectral", False, True, False, 16 * 48 + 16 * (32 * 16 + 64 * 32 + 128 * 64) + 128 * 16 + 241),
        ("wgan-gp", True, False, False, 16 * 32 + 16 * (32 * 16 + 64 * 32 + 128 * 64) + 128 * 16 + 241),
        ("wgan-gp", True, True, True, 16 * 112 + 16 * (32 * 16 + 64 * 32 + 128 * 64) + 128 * 16 + 241),
        ("wgan-gp", False, False, False, 16 * 16 + 16 * (32 * 16 + 64 * 32 + 128 * 64) + 128 * 16 + 241),
    ],
)
def test_each_has_the_parameters_that_its_convolutions_need_and_gives_one_logit(
    kind: Loss, has_target: bool, colour: bool, complement: bool, size: int
) -> None:
    discriminator = build_discriminator(kind, has_target, colour, complement)
    assert sum(parameter.numel() for parameter in discriminator.parameters()) == size
    logits = discriminator(pictures(3, colour), conditional(discriminator, 3))
    assert logits.shape == (3,)
    assert discriminator.settings == {
        "kind": kind,
        "conditional": has_target,
        "colour": colour,
        "complement": complement,
    }


def test_spectral_norm_bounds_every_layer_s_largest_singular_value() -> None:
    torch.manual_seed(0)
    discriminator = build_discriminator("spectral", conditional=False, colour=False)
    for _ in range(60):  # power iteration goes on with every pass in training mode
        discriminator(pictures(1), None)
    discriminator.eval()
    layers = [layer for layer in discriminator.body if isinstance(layer, nn.Conv2d | nn.Linear)]
    assert len(layers) == 5
    for layer in layers:
        largest = torch.linalg.svdvals(layer.weight.detach().flatten(1))[0]
        assert float(largest) == pytest.approx(1, abs=0.02)


def test_a_complement_discriminator_never_sees_the_same_region_of_canvas_and_target() -> None:
    discriminator = build_discriminator("wgan-gp", conditional=True, colour=False, complement=True)
    seen_halves = set()
    for _ in range(40):
        canvas, target = pictures(1).requires_grad_(), pictures(1).requires_grad_()
        of_canvas, of_target = torch.autograd.grad(discriminator(canvas, target).sum(), (canvas, target))
        on_canvas, on_target = (slope[0].abs() > 0 for slope in (of_canvas, of_target))
        assert not (on_canvas & on_target).any()
        assert (on_canvas | on_target).float().mean() > 0.9, "and together they see nearly everything"
        seen_halves.add(tuple(bool(on_canvas[row, column]) for row, column in ((20, 20), (20, 44), (44, 20), (44, 44))))
    assert seen_halves == {(True, False) * 2, (False, True) * 2, (True, True, False, False), (False, False, True, True)}


def test_a_complement_discriminator_scores_alike_when_it_is_evaluated() -> None:
    discriminator = build_discriminator("spectral", conditional=True, colour=True, complement=True)
    canvas, target = pictures(4, colour=True), pictures(4, colour=True)
    drawn = {round(float(discriminator(canvas, target)[0].detach()), 6) for _ in range(30)}
    assert len(drawn) > 1
    discriminator.eval()
    assert torch.equal(discriminator(canvas, target), discriminator(canvas, target))


def test_an_unconditional_discriminator_takes_no_notice_of_a_target() -> None:
    discriminator = build_discriminator("spectral", conditional=False, colour=False).eval()
    canvas = pictures(2)
    assert torch.equal(discriminator(canvas, None), discriminator(canvas, pictures(2)))


def test_combinations_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="needs a target"):
        build_discriminator("spectral", conditional=False, colour=False, complement=True)
    with pytest.raises(ValueError, match="no such kind"):
        build_discriminator("hinge", conditional=True, colour=False)  # type: ignore[arg-type]


def test_losses_follow_their_formulas() -> None:
    real, painted = [0.3, -1.2], [2.0, -0.5, 0.1]
    cross_entropy = -sum(math.log(1 / (1 + math.exp(-x))) for x in real) / 2
    cross_entropy -= sum(math.log(1 - 1 / (1 + math.exp(-x))) for x in painted) / 3
    tensors = torch.tensor(real), torch.tensor(painted)
    assert float(discriminator_loss("spectral", *tensors)) == pytest.approx(cross_entropy, rel=1e-5)
    assert float(discriminator_loss("wgan-gp", *tensors)) == pytest.approx(sum(painted) / 3 - sum(real) / 2, rel=1e-5)
    far = torch.tensor([1e4]), torch.tensor([-1e4])
    assert float(discriminator_loss("spectral", *far)) == 0
    assert math.isfinite(float(discriminator_loss("spectral", *reversed(far))))


def slope(discriminator: Discriminator, *images: torch.Tensor) -> float:
    """Return the norm of the slope at one pair by central differences, pixel by pixel."""
    step, squares = 1e-4, 0.0
    for which, image in enumerate(images):
        for rows in torch.eye(64 * 64, dtype=torch.float64).view(-1, 64, 64).split(256):
            inputs = [[other.expand(len(rows), 64, 64) for other in images] for _ in range(2)]
            inputs[0][which], inputs[1][which] = image + step * rows, image - step * rows
            with torch.no_grad():
                up, down = (discriminator(*pair) for pair in inputs)
            squares += float(((up - down) / (2 * step)).square().sum())
    return math.sqrt(squares)


def test_the_gradient_penalty_is_that_of_a_numerical_derivative() -> None:
    torch.manual_seed(1)
    discriminator = build_discriminator("spectral", conditional=True, colour=False).double().eval()
    target, painted = pictures(1).double(), pictures(1).double()
    share = torch.tensor([0.3], dtype=torch.float64)
    found = float(gradient_penalty(discriminator, (target, target), (painted, target), share).detach())
    expected = PENALTY * (slope(discriminator, 0.3 * target + 0.7 * painted, target) - 1) ** 2
    assert found == pytest.approx(expected, rel=1e-4)


def test_the_gradient_penalty_s_own_gradient_is_that_of_a_numerical_derivative() -> None:
    """Training differentiates the penalty once more, with regard to the weights."""
    torch.manual_seed(2)
    discriminator = build_discriminator("wgan-gp", conditional=False, colour=False).double()
    real, painted, share = pictures(3).double(), pictures(3).double(), torch.rand(3).double()

    def penalty() -> torch.Tensor:
        return gradient_penalty(discriminator, (real, None), (painted, None), share)

    penalty().backward()
    for layer in (0, 2, 4, 6, 9):
        weight = discriminator.body[layer].weight
        index = tuple((weight.grad.abs() == weight.grad.abs().max()).nonzero()[0])
        values = []
        for step in (1e-5, -1e-5):
            with torch.no_grad():
                weight[index] += step
            values.append(float(penalty().detach()))
            with torch.no_grad():
                weight[index] -= step
        assert float(weight.grad[index]) == pytest.approx((values[0] - values[1]) / 2e-5, rel=1e-3)


def test_the_penalty_pulls_the_slope_to_one() -> None:
    torch.manual_seed(3)
    discriminator = build_discriminator("wgan-gp", conditional=False, colour=False)
    optimiser = torch.optim.Adam(discriminator.parameters(), 1e-3)
    penalties = []
    for _ in range(40):
        real, painted, share = pictures(4), pictures(4), torch.rand(4)
        penalty = gradient_penalty(discriminator, (real, None), (painted, None), share)
        optimiser.zero_grad()
        penalty.backward()
        optimiser.step()
        penalties.append(float(penalty.detach()))
    assert max(penalties[-5:]) < 0.05 * penalties[0]


def test_the_penalty_s_gradient_is_finite_where_the_slope_is_zero() -> None:
    discriminator = build_discriminator("wgan-gp", conditional=False, colour=False)
    for parameter in discriminator.parameters():
        nn.init.zeros_(parameter)
    penalty = gradient_penalty(discriminator, (pictures(2), None), (pictures(2), None), torch.rand(2))
    penalty.backward()
    assert float(penalty.detach()) == pytest.approx(PENALTY, rel=1e-4)
    assert all(torch.isfinite(p.grad).all() for p in discriminator.parameters() if p.grad is not None)
