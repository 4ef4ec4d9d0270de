"""Discriminators: how much a canvas looks like a target, or like a picture of the data set, as a logit.

Two kinds: `spectral`, with spectral norm and the standard loss (Mellor et al. 2019, section 2.1), and `wgan-gp`, the
Wasserstein critic with a gradient penalty (Ganin et al. 2018, as Gulrajani et al. 2017). Both papers' nets are of the
DCGAN kind (Radford et al. 2016: 4×4 convolutions of stride 2, leaky ReLU); these have fewer channels, for a CPU.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal, TypedDict, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm

from planner.actions import CANVAS_PX
from planner.policy import planes

Loss = Literal["spectral", "wgan-gp"]
PENALTY: Final = 10.0
"""Weight of the gradient penalty (Gulrajani et al. 2017, section 4)."""
HALVES: Final = 4
"""Masks of the complement discriminator: left, right, top and bottom half."""
Pair = tuple[Tensor, Tensor | None]
"""Canvases and targets, each (n, 64, 64) or (n, 64, 64, 3) in [0, 1]; the target is None without a condition."""


class Settings(TypedDict):
    """Which discriminator: what a checkpoint stores of it."""

    kind: Loss
    conditional: bool
    colour: bool
    complement: bool


class Discriminator(nn.Module):
    """How much a canvas looks like its target, or like a picture of the data set, as a logit."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.settings = settings
        """What it is."""
        inputs = (3 if settings["colour"] else 1) * (2 if settings["conditional"] else 1) + settings["complement"]
        self.scale = 1.0
        spectral = settings["kind"] == "spectral"
        if spectral:
            # Spectral norm bounds the slope to 1: ink differences count in units that reach the loss's range.
            self.scale = 4.0
        channels, stem = ((16, 32, 64), 4) if spectral and settings["conditional"] else ((16, 32, 64, 128), 2)
        self.body = trunk(inputs, channels, stem, spectral_norm if spectral else unchanged)
        self.register_buffer("halves", halves(), persistent=False)

    @property
    def device(self) -> torch.device:
        """Where it computes: every tensor that it is given is made there."""
        masks: Tensor = self.halves  # type: ignore[assignment]
        return masks.device

    def forward(self, canvas: Tensor, target: Tensor | None) -> Tensor:
        """Return logits (n,); high means like the target, or like a picture of the data set.

        A complement discriminator (Mellor et al. 2019, section 2.3) sees one half of the canvas and the other half of
        the target, so that it cannot compare them pixel by pixel. In training mode the half is drawn for each pair; in
        evaluation mode the logit is the mean over all four, so that rewards are not noisy.

        Args:
            canvas: (n, 64, 64) in [0, 1]; (n, 64, 64, 3) in colour.
            target: Likewise; None for an unconditional discriminator, which takes no notice of it.
        """
        ink = self.scale * (1 - planes(canvas))
        if not self.settings["conditional"]:
            return self._logits(ink)
        assert target is not None, "a conditional discriminator compares with a target"
        wanted = self.scale * (1 - planes(target))
        if not self.settings["complement"]:
            return self._logits(torch.cat((ink, wanted), dim=1))
        masks: Tensor = self.halves  # type: ignore[assignment]
        if self.training:
            return self._masked(ink, wanted, masks[torch.randint(HALVES, (len(ink),), device=ink.device)])
        return torch.stack([self._masked(ink, wanted, mask.expand(len(ink), -1, -1, -1)) for mask in masks]).mean(dim=0)

    def _masked(self, ink: Tensor, wanted: Tensor, mask: Tensor) -> Tensor:
        # The mask is an input too: white paper is 0 here, as is what is masked.
        return self._logits(torch.cat((mask * ink, (1 - mask) * wanted, mask), dim=1))

    def _logits(self, images: Tensor) -> Tensor:
        logits: Tensor = self.body(images.contiguous(memory_format=torch.channels_last))[:, 0]
        return logits


def unchanged(module: nn.Module) -> nn.Module:
    """Return a module without any norm."""
    return module


def trunk(inputs: int, channels: tuple[int, ...], stem: int, normed: Callable[[nn.Module], nn.Module]) -> nn.Sequential:
    """Return 4×4 convolutions of stride 2, the first of stride `stem`, and a linear layer to one logit.

    There is no batch norm: each canvas is judged by itself (Gulrajani et al. 2017, section 4).
    """
    layers: list[nn.Module] = []
    size = CANVAS_PX
    for index, outputs in enumerate(channels):
        stride = stem if index == 0 else 2
        convolution = nn.Conv2d(inputs, outputs, 4, stride=stride, padding=(4 - stride) // 2)
        layers += [normed(convolution), nn.LeakyReLU(0.2)]
        inputs, size = outputs, size // stride
    return nn.Sequential(*layers, nn.Flatten(), normed(nn.Linear(inputs * size * size, 1)))


def halves() -> Tensor:
    """Return the masks (4, 1, 64, 64) of the complement discriminator, 1 where the canvas is seen."""
    first = (torch.arange(CANVAS_PX) < CANVAS_PX // 2).float()
    left, top = first.expand(CANVAS_PX, -1), first[:, None].expand(-1, CANVAS_PX)
    return torch.stack((left, 1 - left, top, 1 - top))[:, None]


def build_discriminator(kind: Loss, conditional: bool, colour: bool, complement: bool = False) -> Discriminator:
    """Return a discriminator with fresh weights.

    Args:
        kind: Of norm and loss.
        conditional: Whether it compares the canvas with a target.
        colour: Whether canvases have colours.
        complement: Whether it never sees the same region of canvas and target.

    Raises:
        ValueError: There is no such discriminator.
    """
    if kind not in get_args(Loss):
        raise ValueError(f"no such kind of discriminator: {kind}")
    if complement and not conditional:
        raise ValueError("a complement discriminator needs a target")
    discriminator = Discriminator(Settings(kind=kind, conditional=conditional, colour=colour, complement=complement))
    # Convolutions with the channels last are a tenth faster on a CPU.
    discriminator.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return discriminator


def discriminator_loss(kind: Loss, real: Tensor, painted: Tensor) -> Tensor:
    """Return the loss of logits (n,) of real canvases and (m,) of painted ones, without the gradient penalty.

    The standard one (Goodfellow et al. 2014) of the spectral kind, or Wasserstein's (Arjovsky et al. 2017).
    """
    if kind == "wgan-gp":
        return painted.mean() - real.mean()
    return functional.softplus(-real).mean() + functional.softplus(painted).mean()


def gradient_penalty(discriminator: Discriminator, real: Pair, painted: Pair, share: Tensor) -> Tensor:
    """Return the penalty on slopes other than 1 between real and painted (Gulrajani et al. 2017, section 4).

    Args:
        discriminator: Whose slope it is, with regard to canvas and target together.
        real: Of which the penalty is taken at a share `share`.
        painted: Of which it is taken at a share 1 − `share`; as many.
        share: (n,) in [0, 1], drawn uniformly by who trains.
    """

    def between(one: Tensor, other: Tensor) -> Tensor:
        weight = share.view(-1, *(1,) * (one.dim() - 1))
        return (weight * one + (1 - weight) * other).detach().requires_grad_()

    canvas = between(real[0], painted[0])
    target = None if real[1] is None or painted[1] is None else between(real[1], painted[1])
    inputs = [canvas] if target is None else [canvas, target]
    slopes = torch.autograd.grad(discriminator(canvas, target).sum(), inputs, create_graph=True)
    # The tiny number keeps the root's own gradient finite where the slope is 0.
    squares = torch.stack([slope.flatten(1).square().sum(dim=1) for slope in slopes]).sum(dim=0) + 1e-12
    return PENALTY * (squares.sqrt() - 1).square().mean()
