"""The exact policy gradient: what the policy may expect to lose, over all choices instead of those that were drawn."""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from torch import Tensor

from planner.acting import Trajectory
from planner.actions import ANY_WIDTH
from planner.learner import Painted, views
from planner.policy import Policy
from planner.rollout import weigh_stroke

UNIT_PX2: Final = 10.0
"""Summed squared error [px²] that counts as 1 in the loss."""
MOST_PX2: Final = 100.0
"""What any loss counts less than, lest strokes right across a dense picture outweigh all else; a small one counts in
proportion."""


def expected_loss(
    policy: Policy, trajectory: Trajectory, painted: Painted, entropy_cost: float
) -> tuple[Tensor, dict[str, float]]:
    """Return what the policy may expect to lose against the best choice of each component, and what to log.

    In units of the error itself: a first stroke that goes wrong costs ten times what a last one does, which advantages
    in units of a state's own spread hide.

    Args:
        policy: The learner's.
        trajectory: What an actor did, with what other choices would have earned.
        painted: What that painted.
        entropy_cost: Of the entropy of each component, which is to stay high, as `--entropy-cost`.
    """
    start, device, every = trajectory.start, policy.device, trajectory.losses
    assert every is not None
    memory, before = start.memory.on(device), start.before.to(device)
    terms: dict[str, list[Tensor]] = {name: [] for name in every._fields}
    entropies = []
    for step, view in enumerate(views(policy, painted.canvases, start.wanted)):
        lost = {
            name: counted(torch.as_tensor(part[step], device=device).float()) for name, part in every._asdict().items()
        }
        left = torch.full((len(before),), start.left - step, device=device)
        advanced = policy.remember(view, before, left, memory)
        went = trajectory.went(step)
        stroke = weigh_stroke(policy, view, left, advanced, painted.pens[step], ANY_WIDTH, went)
        first = stroke.paint if stroke.jump is None else stroke.jump
        log_p = dict(zip(every._fields, [*first.log_p[:2], *stroke.paint.log_p[1:]], strict=True))
        for name, other in lost.items():
            terms[name].append((log_p[name].exp() * other).sum(dim=1))
        entropies.append(stroke.entropy)
        memory, before = stroke.memory, torch.as_tensor(went.paint, device=device)
    sums = {name: torch.stack(parts).mean() for name, parts in terms.items()}
    entropy = torch.stack(entropies).mean()
    loss = torch.stack(list(sums.values())).sum() - entropy_cost * entropy
    log = {f"lost_{name}": float(value.detach()) for name, value in sums.items()}
    return loss, log | {"entropy": float(entropy.detach()), "jumps": float(np.mean(trajectory.drawn.jumped))}


def counted(lost: Tensor) -> Tensor:
    """Return what losses [px²] count."""
    return lost / (1 + lost / MOST_PX2) / UNIT_PX2
