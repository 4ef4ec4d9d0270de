"""The solid paint engine in PyTorch: batched, differentiable, on any device.

It paints what `sim.canvas` paints by the same definition: coverage is clamp(r + 0.5 − d, 0, 1) at the point of the
stroke where r − d is largest, opaque, colour over. It flattens every stroke into the same number of tapered capsules
and looks at every pixel for each, which suits a GPU; the compiled engine looks only where there is paint.

Gradients: where r − d is largest, moving along the stroke changes nothing. So the place is found without a gradient and
then held, which leaves no division by a length in the graph: the gradient is finite for strokes of no length, too.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from sim.canvas import LUMA
from sim.stroke import COLOUR, CONTROL, END, PRESSURE_END, PRESSURE_START, SIZE, START

PIECES: Final = 24
"""Capsules a stroke: on 64×64 none that bends within the canvas strays from its curve by more than
`sim.canvas.FLATNESS_PX`. A quadratic split into k steps lies within bend / (4 k²), and no bend is above 2·√2·64 px."""
AT_ONCE: Final = 2**22
"""Distances, each of a pixel to a capsule, that are held at a time; some ten numbers for each."""
TINY: Final = 1e-12
"""Added to squared distances [px²], so that the root's gradient is finite in a stroke's very middle."""


def paint_batch(images: Tensor, strokes: Tensor, pieces: int = PIECES) -> Tensor:
    """Return a batch of images with strokes painted on them in order; the images given stay as they are.

    Gradients flow to images and strokes. What a stroke's pixels need for them is computed again on the way back:
    memory grows with images times strokes, not with pieces.

    Args:
        images: (B, H, W) grey or (B, H, W, 3) RGB, 0 black to 1 white; a grey image takes the colour's luma.
        strokes: (B, n, 12) columns as in `sim.stroke.COLUMNS`, of the same type and on the same device; program
            coordinates are fractions of the image's longer side.
        pieces: Capsules a stroke.
    """
    height, width = images.shape[1:3]
    each = max(1, AT_ONCE // (pieces * height * width))
    painted = []
    for some, theirs in zip(torch.split(images, each), torch.split(strokes, each), strict=True):
        for stroke in theirs.unbind(dim=1):
            some = checkpoint(_over, some, stroke, pieces, use_reentrant=False, preserve_rng_state=False)
        painted.append(some)
    return torch.cat(painted)


def coverage(strokes: Tensor, height: int, width: int, pieces: int = PIECES) -> Tensor:
    """Return the coverage (B, height, width) in [0, 1] of strokes (B, 12), one for each image of so many pixels."""
    side = max(height, width)
    t = torch.linspace(0, 1, pieces + 1, dtype=strokes.dtype, device=strokes.device)
    start, control, end = (side * strokes[:, None, part] for part in (START, CONTROL, END))
    along = t[:, None]
    points = (1 - along) ** 2 * start + 2 * along * (1 - along) * control + along**2 * end
    ramp = torch.lerp(strokes[:, PRESSURE_START, None], strokes[:, PRESSURE_END, None], t)
    radii = side / 2 * strokes[:, SIZE, None] * ramp
    rows = torch.arange(height, dtype=strokes.dtype, device=strokes.device) + 0.5
    columns = torch.arange(width, dtype=strokes.dtype, device=strokes.device) + 0.5
    # (B, pieces, height, width) from here on, or what broadcasts to it.
    x, y = points[..., 0, None, None], points[..., 1, None, None]
    radius = radii[..., None, None]
    share = _deepest(x.detach(), y.detach(), radius.detach(), rows[:, None], columns)
    away_x = columns - torch.lerp(x[:, :-1], x[:, 1:], share)
    away_y = rows[:, None] - torch.lerp(y[:, :-1], y[:, 1:], share)
    inside = torch.lerp(radius[:, :-1], radius[:, 1:], share) - (away_x.square() + away_y.square() + TINY).sqrt()
    return (inside.amax(dim=1) + 0.5).clamp(0, 1)


@torch.no_grad()
def _deepest(x: Tensor, y: Tensor, radius: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Return the share of each capsule's length (B, pieces, H, W) at which r − d is largest for each pixel.

    With a the position along the capsule, h the distance from its line and s the radius' slope below 1 that is at
    a + h·s/√(1 − s²), clamped to the capsule. At a steeper slope the larger end covers the whole.
    """
    dx, dy, rise = (ends[:, 1:] - ends[:, :-1] for ends in (x, y, radius))
    length = (dx.square() + dy.square()).sqrt()
    steep = rise.abs() >= length
    unit = torch.where(steep, 1, length).clamp(min=TINY)
    slope = torch.where(steep, 0, rise / unit)
    px, py = columns - x[:, :-1], rows - y[:, :-1]
    position, aside = (px * dx + py * dy) / unit, (px * dy - py * dx).abs() / unit
    share = (position + aside * slope / (1 - slope.square()).clamp(min=TINY).sqrt()) / unit
    return torch.where(steep, (rise > 0).to(share.dtype), share.clamp(0, 1))


def _over(images: Tensor, strokes: Tensor, pieces: int) -> Tensor:
    """Return images (B, H, W) or (B, H, W, 3) with one stroke (B, 12) each painted on them."""
    cover = coverage(strokes, images.shape[1], images.shape[2], pieces)
    colour = strokes[:, None, None, COLOUR]
    if images.dim() == 3:
        luma = sum(weight * channel for weight, channel in zip(map(float, LUMA), colour.unbind(dim=-1), strict=True))
        return images + cover * (luma - images)
    return images + cover[..., None] * (colour - images)
