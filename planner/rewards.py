"""What an agent is rewarded for: the discriminator's verdict, the error, and what strokes cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from planner.discriminator import Discriminator

BLANK_INK = 1e-3
"""A canvas with a smaller mean of ink is blank."""


@dataclass(frozen=True)
class Rewards:
    """Weights of the parts of the reward. The defaults are SPIRAL's (Ganin et al. 2018, section 3)."""

    credit: Literal["end", "change"] = "end"
    """Verdict and error at the end of the episode (SPIRAL), or their change at each stroke: temporal credit
    assignment (Mellor et al. 2019, section 2)."""
    discriminator: float = 1.0
    """Per unit of the discriminator's score."""
    error: float = 0.0
    """Per unit of the mean squared error, which is to fall."""
    stroke_cost: float = 0.0
    """Of each painted stroke."""
    jump_cost: float = 0.0
    """Of each jump: a lift of the brush."""
    blank_penalty: float = 0.0
    """Of a canvas that is still blank at the end."""

    @torch.no_grad()
    def worth(self, discriminator: Discriminator, canvases: Tensor, targets: Tensor) -> Tensor:
        """Return what canvases are worth (n,) in discriminator's score and squared error.

        Args:
            discriminator: Judges them, alone or beside the targets, as it was built.
            canvases: (n, 64, 64), or (n, 64, 64, 3) in colour.
            targets: Likewise.
        """
        worth = canvases.new_zeros(len(canvases))
        if self.discriminator:
            seen = targets if discriminator.settings["conditional"] else None
            worth += self.discriminator * discriminator(canvases, seen)
        if self.error:
            worth -= self.error * (canvases - targets).square().flatten(1).mean(dim=1)
        return worth

    def of_strokes(
        self, discriminator: Discriminator, before: Tensor, tries: Tensor, targets: Tensor, jumped: Tensor, last: bool
    ) -> Tensor:
        """Return the rewards (T, B, K) of K strokes tried at each of B canvases, T times.

        Args:
            discriminator: As in `worth`.
            before: (T, B, 64, 64) canvases before the strokes.
            tries: (T, B, K, 64, 64) canvases after each.
            targets: (B, 64, 64); in colour, these and all canvases have an axis more, of 3.
            jumped: (T, B, K) bool, whether the pen jumped first.
            last: Whether the T-th stroke is the episode's last.
        """
        steps, batch, samples = tries.shape[:3]
        rewards = -self.stroke_cost - self.jump_cost * jumped.float()
        if self.credit == "change":
            beside = targets.expand(steps, *targets.shape)
            after = self.worth(discriminator, tries.flatten(0, 2), _repeated(beside, samples)).view(tries.shape[:3])
            rewards = (
                rewards
                + after
                - self.worth(discriminator, before.flatten(0, 1), beside.flatten(0, 1)).view(steps, batch, 1)
            )
        elif last:
            ends = self.worth(discriminator, tries[-1].flatten(0, 1), _repeated(targets[None], samples))
            rewards[-1] += ends.view(batch, samples)
        if self.blank_penalty and last:
            blank = (1 - tries[-1]).flatten(2).mean(dim=2) < BLANK_INK
            rewards[-1] -= self.blank_penalty * blank.float()
        return rewards


def _repeated(targets: Tensor, samples: int) -> Tensor:
    """Return targets (T, B, 64, 64) once for each sample (T·B·samples, 64, 64)."""
    return targets.flatten(0, 1).repeat_interleave(samples, dim=0)
