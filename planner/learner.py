"""The two stages of learning: imitation of search, then policy gradient on discriminator and squared error."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from planner.actions import Actions, Pen, WidthLimits
from planner.discriminator import Discriminator, discriminator_loss
from planner.environment import Environment
from planner.policy import Memory, Policy
from planner.recordings import Recordings
from planner.rollout import Stroke, decode_stroke, merged, no_action, try_strokes
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


@dataclass
class Branch:
    """Where each of B episodes may go on from."""

    canvases: Image
    """(B, 64, 64)"""
    pen: Pen
    jumped: NDArray[np.bool_]
    """(B,) whether the pen jumped on the way here."""
    paint: Actions
    """(B, 5) the painting action that led here."""
    memory: Memory
    """The LSTM's state (B) at that action."""

    @classmethod
    def of(cls, stroke: Stroke, tried: Environment, index: NDArray[np.int64]) -> Branch:
        """Return the tried strokes at `index`."""
        memory = stroke.memory.chosen(torch.from_numpy(index))
        return cls(tried.canvases[index], tried.pen.chosen(index), stroke.jumped[index], stroke.paint[index], memory)

    def where(self, mask: NDArray[np.bool_], other: Branch) -> Branch:
        """Return this branch where `mask` (B,) holds and the other elsewhere."""
        rows = torch.from_numpy(mask)[:, None]
        return Branch(
            np.where(mask[:, None, None], self.canvases, other.canvases),
            merged(mask, self.pen, other.pen),
            np.where(mask, self.jumped, other.jumped),
            np.where(mask[:, None], self.paint, other.paint),
            Memory(*(torch.where(rows, a, b) for a, b in zip(self.memory, other.memory, strict=True))),
        )


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
    loss = torch.zeros(())
    log = {"imitation": 0.0, "entropy": 0.0, "reward": 0.0, "jumps": 0.0}
    snapshot, seen = rng.integers(1, strokes + 1, batch), np.empty_like(targets)
    for step in range(strokes):
        left = torch.full((batch,), strokes - step)
        view = policy.look(torch.from_numpy(world.canvases), torch.from_numpy(targets))
        advanced = policy.remember(view, before, left, memory)
        with torch.set_grad_enabled(costs.gradient > 0):
            drawn = decode_stroke(policy, view, left, advanced, world.pen, ANY_WIDTH, batch * samples)
        tried, tried_strokes = try_strokes(world, drawn, samples)
        rewards = rewards_of(discriminator, world, tried, costs)
        if costs.gradient:
            gained = (advantages(rewards).flatten() * drawn.log_probability).mean()
            loss = loss - costs.gradient * gained - costs.entropy * drawn.entropy.mean()
        # Half the episodes go on from what the policy would have done, half from the best that was tried.
        chosen = np.where(rng.random(batch) < 0.5, rewards.argmax(dim=1).numpy(), 0) + np.arange(batch) * samples
        branch = Branch.of(drawn, tried, chosen)
        if costs.imitation:
            begun = choices_of(drawn.jumped, tried_strokes[:, START], drawn.paint).reshape(batch, samples, 9)
            choices, _ = teach(world.canvases, targets, world.pen, begun, trials, rng, ANY_WIDTH)
            lesson = actions_of(choices)
            given = decode_stroke(policy, view, left, advanced, world.pen, ANY_WIDTH, batch, lesson)
            likelihood = given.log_probability.mean()
            loss = loss - costs.imitation * likelihood
            log["imitation"] -= float(likelihood.detach()) / strokes
            taught = Branch.of(given, try_strokes(world, given, 1)[0], np.arange(batch))
            branch = taught.where(rng.random(batch) < 0.5, branch)
        world.canvases, world.pen = branch.canvases, branch.pen
        seen[snapshot == step + 1] = world.canvases[snapshot == step + 1]
        memory, before = branch.memory, torch.from_numpy(branch.paint)
        log["entropy"] += float(drawn.entropy.detach().mean()) / strokes
        log["reward"] += float(rewards.mean())
        log["jumps"] += float(branch.jumped.mean())
    return Episode(targets, loss / strokes, world.errors(), world.canvases, seen, log)


@torch.no_grad()
def rewards_of(discriminator: Discriminator, world: Environment, tried: Environment, costs: Costs) -> Tensor:
    """Return the rewards (B, K) of K strokes tried at each of B canvases: the changes of error and verdict."""
    samples = len(tried.targets) // len(world.targets)
    fallen = np.repeat(world.errors(), samples) - tried.errors()
    rewards = costs.error_reward * torch.from_numpy(fallen).float()
    if costs.discriminator_reward:
        before = discriminator(torch.from_numpy(world.canvases), torch.from_numpy(world.targets))
        after = discriminator(torch.from_numpy(tried.canvases), torch.from_numpy(tried.targets))
        rewards += costs.discriminator_reward * (after - before.repeat_interleave(samples))
    return rewards.view(-1, samples)


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
    loss = discriminator_loss(discriminator.settings["kind"], real, painted)
    optimiser.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimiser.step()
    return {
        "loss": float(loss.detach()),
        "real": float(real.detach().mean()),
        "painted": float(painted.detach().mean()),
    }
