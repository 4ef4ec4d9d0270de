"""V-trace: the off-policy correction of an actor's returns.

Espeholt et al. 2018, IMPALA: Scalable Distributed Deep-RL with Importance Weighted Actor-Learner Architectures,
section 4.1, which SPIRAL trains with (Ganin et al. 2018, section 3.3).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class VTrace(NamedTuple):
    """What the critic and the policy learn from; no gradient flows through either."""

    targets: Tensor
    """(T, B) v_s of equation 1: what the critic should say of each state."""
    advantages: Tensor
    """(T, B) ρ_s (r_s + γ v_{s+1} − V(x_s)): what the policy gradient weighs each action with."""


@torch.no_grad()
def vtrace(
    log_ratios: Tensor,
    rewards: Tensor,
    values: Tensor,
    bootstrap: Tensor,
    discount: float,
    rho_clip: float = 1.0,
    c_clip: float = 1.0,
) -> VTrace:
    """Return targets and advantages of T steps in B episodes.

    Args:
        log_ratios: (T, B) log of the learner's probability of each action over the actor's.
        rewards: (T, B).
        values: (T, B) V(x_s) before each action.
        bootstrap: (B,) V after the last; 0 where the episode ended there.
        discount: γ.
        rho_clip: ρ̄, the largest weight of a temporal difference.
        c_clip: c̄, the largest weight of what follows it.
    """
    ratios = log_ratios.exp()
    rhos, cs = ratios.clamp(max=rho_clip), ratios.clamp(max=c_clip)
    after = torch.cat((values[1:], bootstrap[None]))
    differences = rhos * (rewards + discount * after - values)
    corrections = torch.empty_like(values)
    correction = torch.zeros_like(bootstrap)
    for step in range(len(values) - 1, -1, -1):
        correction = differences[step] + discount * cs[step] * correction
        corrections[step] = correction
    targets = values + corrections
    after = torch.cat((targets[1:], bootstrap[None]))
    return VTrace(targets, rhos * (rewards + discount * after - values))
