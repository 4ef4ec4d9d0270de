"""The trained agent at work."""

from __future__ import annotations

import numpy as np
import torch

from planner.actions import Pen, WidthLimits, apply
from planner.environment import Environment
from planner.policy import Policy
from planner.rollout import next_stroke, no_action
from sim.canvas import Image
from sim.stroke import Array


def greedy_strokes(policy: Policy, targets: Image, strokes: int, limits: WidthLimits | None = None) -> Array:
    """Return the programs (n, strokes, 12) of one greedy rollout for targets (n, 64, 64)."""
    world = Environment(targets)
    memory, before = policy.initial_memory(len(targets)), no_action(len(targets))
    target = torch.from_numpy(targets)
    programs = []
    for step in range(strokes):
        view = policy.look(torch.from_numpy(world.canvases), target)
        left = torch.full((len(targets),), strokes - step)
        stroke = next_stroke(policy, view, before, left, memory, world.pen, limits or WidthLimits(), greedy=True)
        _, _, landed = apply(stroke.jump, world.pen)
        world.pen = Pen(
            np.where(stroke.jumped[:, None], landed.position, world.pen.position),
            np.where(stroke.jumped, landed.pressure, world.pen.pressure),
        )
        programs.append(apply(stroke.paint, world.pen)[0])
        world.step(stroke.paint)
        memory, before = stroke.memory, torch.from_numpy(stroke.paint)
    return np.stack(programs, axis=1)
