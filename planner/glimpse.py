"""Glimpses: small pictures cut out of large ones around a place, turned and scaled to it.

As in the recurrent attention model (Mnih et al. 2014, section 3) and spatial transformers (Jaderberg et al. 2015): the
convolutions say where something is, a glimpse how it is bent there.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from planner.actions import CANVAS_PX


def lattice(side: int, reach: float) -> Tensor:
    """Return side² points (side², 2) along and across, from −reach to reach, row by row."""
    steps = torch.linspace(-reach, reach, side)
    across, along = torch.meshgrid(steps, steps, indexing="ij")
    return torch.stack((along.flatten(), across.flatten()), dim=1)


def turned(along: Tensor) -> Tensor:
    """Return vectors (n, 2) turned by 90° from x to y."""
    return torch.stack((-along[:, 1], along[:, 0]), dim=1)


def glimpses(images: Tensor, centres: Tensor, along: Tensor, points: Tensor) -> Tensor:
    """Return what images show at points around centres, (n, C·p), 0 outside.

    Args:
        images: (m, C, 64, 64), n a multiple of m: n/m glimpses of each.
        centres: (n, 2) x, y [px].
        along: (n, 2) x, y [px], the unit vector of the points; the other one is turned by 90° from x to y.
        points: (p, 2) in these units.
    """
    places = centres[:, None] + points[:, :1] * along[:, None] + points[:, 1:] * turned(along)[:, None]
    grid = (places / (CANVAS_PX / 2) - 1).view(len(images), -1, len(points), 2)
    found = functional.grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    return found.transpose(1, 2).reshape(len(centres), -1)
