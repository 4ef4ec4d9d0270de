"""The two stages of learning: imitation of search, then policy gradient on discriminator and squared error."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from planner.actions import WidthLimits
from planner.discriminator import Discriminator, discriminator_loss
from planner.environment import Environment
from planner.policy import Memory, Policy
from planner.recordings import Recordings
from planner.rollout import decode_stroke, merged, no_action, try_strokes
from planner.teacher import actions_of, choices_of, teach
from sim.canvas import Image
from sim.stroke import START

ANY_WIDTH = WidthLimits()


@dataclass(frozen=True)
class Costs:
    """Weights of what the policy learns from."""

    imitation: float
    """Weight of the log-likelihood of the teacher's stroke."""
    gradient: float
    """Weight of the policy gradient."""
    entropy: float
    """Entropy cost, as in SPIRAL."""
    discriminator_reward: float
    """Reward per unit of change of the discriminator's logit."""
    error_reward: float
    """Reward per unit of change of the mean squared error."""


@dataclass
class Episode:
    """What one batch of episodes gave."""

    targets: Image
    """(B, 64, 64) what was to be painted."""
    loss: Tensor
    """Scalar to minimise."""
    errors: NDArray[np.float32]
    """(B,) mean squared errors at the end."""
    canvases: Image
    """(B, 64, 64) at the end."""
    seen: Image
    """(B, 64, 64) each canvas at a random step: what the discriminator learns from, beside the end."""
    log: dict[str, float]
    """Means over the batch, for TensorBoard."""


def advantages(rewards: Tensor) -> Tensor:
    """Return advantages (B, K) of K samples a state: less the state's mean, over its spread.

    The spread is never taken below a third of the batch's own, so that states where all samples are alike stay quiet.
    """
    centred = rewards - rewards.mean(dim=1, keepdim=True)
    spread = centred.square().mean(dim=1, keepdim=True).sqrt()
    return centred / (spread + spread.mean() / 3 + 1e-8)


def unroll(
    policy: Policy,
    discriminator: Discriminator,
    targets: Image,
    canvases: Image | None,
    strokes: int,
    samples: int,
    trials: int,
    costs: Costs,
    rng: np.random.Generator,
) -> Episode:
    """Paint a batch of targets and return the loss.

    At each canvas the policy draws `samples` strokes, all are tried, and each one's reward less the mean of the others
    is its advantage. Where imitation has a weight, a teacher improves on the samples in `trials` tries. The episode
    goes on from a sample, from the best of them or from the teacher's stroke.

    Args:
        policy: The policy.
        discriminator: Gives a part of the reward; learns elsewhere.
        targets: (B, 64, 64).
        canvases: (B, 64, 64) to begin on; None for white paper.
        strokes: Strokes an episode.
        samples: Samples a canvas, K.
        trials: The teacher's tries a canvas; 0 for no teacher.
        costs: Weights of the loss.
        rng: Decides what the episode goes on from.
    """
    batch = len(targets)
    world = Environment(targets, canvases)
    memory, before = policy.initial_memory(batch), no_action(batch)
    target = torch.from_numpy(targets)
    repeated = target.repeat_interleave(samples, dim=0)
    loss = torch.zeros(())
    log = {"imitation": 0.0, "entropy": 0.0, "reward": 0.0, "jumps": 0.0}
    snapshot, seen = rng.integers(1, strokes + 1, batch), np.empty_like(targets)
    score: Tensor | None = None
    for step in range(strokes):
        left = torch.full((batch,), strokes - step)
        canvas = torch.from_numpy(world.canvases)
        view = policy.look(canvas, target)
        advanced = policy.remember(view, before, left, memory)
        with torch.set_grad_enabled(costs.gradient > 0):
            drawn = decode_stroke(policy, view, left, advanced, world.pen, ANY_WIDTH, batch * samples)
        errors = world.errors()
        tried, tried_strokes = try_strokes(world, drawn, samples)
        rewards = torch.from_numpy(np.repeat(errors, samples) - tried.errors()).float() * costs.error_reward
        if costs.discriminator_reward and costs.gradient:
            with torch.no_grad():
                score = discriminator(canvas, target) if score is None else score
                scores = discriminator(torch.from_numpy(tried.canvases), repeated)
                rewards += costs.discriminator_reward * (scores - score.repeat_interleave(samples))
        rewards = rewards.view(batch, samples)
        if costs.gradient:
            advantage = advantages(rewards).flatten()
            loss = loss - costs.gradient * (advantage * drawn.log_probability).mean()
            loss = loss - costs.entropy * drawn.entropy.mean()
        # Half the episodes go on from what the policy would have done, half from the best that was tried.
        best = rewards.argmax(dim=1).numpy()
        chosen = np.where(rng.random(batch) < 0.5, best, 0) + np.arange(batch) * samples
        jumped, paint, reached = (
            drawn.jumped[chosen],
            drawn.paint[chosen],
            drawn.memory.chosen(torch.from_numpy(chosen)),
        )
        if costs.imitation:
            begun = choices_of(drawn.jumped, tried_strokes[:, START], drawn.paint).reshape(batch, samples, 9)
            choices, _ = teach(world.canvases, targets, world.pen, begun, trials, rng, ANY_WIDTH)
            lesson = actions_of(choices)
            given = decode_stroke(policy, view, left, advanced, world.pen, ANY_WIDTH, batch, lesson)
            loss = loss - costs.imitation * given.log_probability.mean()
            log["imitation"] -= float(given.log_probability.detach().mean()) / strokes
            follow = rng.random(batch) < 0.5
            taught, _ = try_strokes(world, given, 1)
            world.take(tried, chosen)
            world.canvases[follow], world.pen = taught.canvases[follow], merged(follow, taught.pen, world.pen)
            paint = np.where(follow[:, None], given.paint, paint)
            jumped = np.where(follow, given.jumped, jumped)
            mask = torch.from_numpy(follow)[:, None]
            reached = Memory(
                torch.where(mask, given.memory.hidden, reached.hidden),
                torch.where(mask, given.memory.cell, reached.cell),
            )
            score = None
        else:
            world.take(tried, chosen)
            score = scores[torch.from_numpy(chosen)] if score is not None else None
        seen[snapshot == step + 1] = world.canvases[snapshot == step + 1]
        memory, before = reached, torch.from_numpy(paint)
        log["entropy"] += float(drawn.entropy.detach().mean()) / strokes
        log["reward"] += float(rewards.mean())
        log["jumps"] += float(jumped.mean())
    return Episode(targets, loss / strokes, world.errors(), world.canvases, seen, log)


def discriminator_step(
    discriminator: Discriminator,
    optimiser: torch.optim.Optimizer,
    episode: Episode,
    recorded: Recordings | None = None,
) -> dict[str, float]:
    """Teach the discriminator to tell (target, target) from (canvas, target); return its log.

    What a camera saw of real paintings counts as painted too.
    """
    target = torch.from_numpy(episode.targets)
    canvases, wanted = [episode.canvases, episode.seen], [episode.targets, episode.targets]
    if recorded is not None:
        some = np.random.default_rng(int(torch.randint(1 << 31, (1,)))).integers(0, len(recorded.canvases), len(target))
        canvases.append(recorded.canvases[some])
        wanted.append(recorded.targets[some])
    real = discriminator(target, target)
    painted = discriminator(torch.from_numpy(np.concatenate(canvases)), torch.from_numpy(np.concatenate(wanted)))
    loss = discriminator_loss(real, painted)
    optimiser.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimiser.step()
    return {
        "loss": float(loss.detach()),
        "real": float(real.detach().mean()),
        "painted": float(painted.detach().mean()),
    }
