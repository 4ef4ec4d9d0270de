"""The discriminator of canvas and target, with spectral norm (Mellor et al. 2019, section 2)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm


class Discriminator(nn.Module):
    """How much a canvas looks like the target itself, as a logit."""

    def __init__(self) -> None:
        super().__init__()
        self.settings: dict[str, Any] = {"kind": "spectral", "conditional": True, "colour": False, "complement": False}
        """What `build_discriminator` was given."""
        self.body = nn.Sequential(
            spectral_norm(nn.Conv2d(2, 16, 4, stride=4)),
            nn.LeakyReLU(0.2),
            spectral_norm(nn.Conv2d(16, 32, 4, stride=2, padding=1)),
            nn.LeakyReLU(0.2),
            spectral_norm(nn.Conv2d(32, 64, 4, stride=2, padding=1)),
            nn.LeakyReLU(0.2),
            nn.Flatten(),
            spectral_norm(nn.Linear(64 * 4 * 4, 1)),
        )

    def forward(self, canvas: Tensor, target: Tensor) -> Tensor:
        """Return logits (n,) for canvases and targets (n, 64, 64) in [0, 1]; high means like the target."""
        # Spectral norm bounds the slope to 1: ink differences count in units that reach the loss's range.
        pair = torch.stack((1 - canvas, 1 - target), dim=1) * 4
        logits: Tensor = self.body(pair)[:, 0]
        return logits


def discriminator_loss(real: Tensor, painted: Tensor) -> Tensor:
    """Return the standard (non-saturating) loss of logits (n,) of real pairs and of painted ones."""
    return functional.softplus(-real).mean() + functional.softplus(painted).mean()


def build_discriminator(kind: str, conditional: bool, colour: bool, complement: bool = False) -> Discriminator:
    """Return a discriminator with fresh weights."""
    assert (kind, conditional, colour, complement) == ("spectral", True, False, False)
    return Discriminator()
