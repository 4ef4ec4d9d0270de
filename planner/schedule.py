"""The stages of a training run, and what holds in each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from planner.learner import Costs

if TYPE_CHECKING:
    from planner.train import Args

Stage = Literal["imitation", "critic", "reward"]


def total(args: Args) -> int:
    """Return the updates of a run, all stages together."""
    return args.imitation_updates + args.critic_updates + args.updates


@dataclass
class Schedule:
    """What holds at an update."""

    stage: Stage
    costs: Costs
    learning_rate: float


def schedule(args: Args, update: int) -> Schedule:
    """Return the stage of an update, the loss's weights and the learning rate."""
    if update < args.imitation_updates:
        costs = Costs(0.0, 0.0, 0.0, 1.0, args.discount)
        return Schedule("imitation", costs, args.learning_rate)
    update -= args.imitation_updates
    if update < args.critic_updates:
        return Schedule("critic", Costs(0.0, args.baseline_cost, 0.0, discount=args.discount), args.learning_rate)
    progress = min(1.0, (update - args.critic_updates) / max(1, args.updates))
    falling = 0.1 + 0.9 * (1 + np.cos(np.pi * progress)) / 2
    imitation = args.imitation * (1 - progress)
    costs = Costs(1.0, args.baseline_cost, args.entropy_cost, imitation, args.discount, args.future)
    return Schedule("reward", costs, args.learning_rate * float(falling))
