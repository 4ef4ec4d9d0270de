"""The learner: actor-critic with V-trace on what actors painted, and the discriminator's lessons.

SPIRAL's learner (Ganin et al. 2018, section 3.3), with two additions. Of K strokes drawn at a canvas all are tried, and
what each earns at once is weighed against what the others earn; only the future needs the critic. And a teacher may
say which stroke was right.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from planner.acting import Trajectory
from planner.actions import ANY_WIDTH, Pen
from planner.discriminator import Discriminator, Pair, discriminator_loss, gradient_penalty
from planner.environment import Engine, Environment
from planner.policy import Policy, View
from planner.rewards import Rewards
from planner.rollout import remembered, try_strokes, weigh_stroke
from planner.vtrace import vtrace
from sim.canvas import Image, paint_batch


@dataclass(frozen=True)
class Costs:
    """Weights of the parts of the loss."""

    gradient: float = 1.0
    """Of the policy gradient."""
    baseline: float = 0.5
    """Of the critic's squared error."""
    entropy: float = 0.01
    """Of the policy's entropy, which is to stay high."""
    imitation: float = 0.0
    """Of the log-likelihood of the teacher's strokes."""
    discount: float = 1.0
    """γ of the rewards to come."""
    future: float = 1.0
    """Of what comes after a stroke, against what it earns at once, where several are tried at a canvas."""


@dataclass
class Painted:
    """What a trajectory painted; in colour, images have an axis more, of 3."""

    canvases: Image
    """(T, B, 64, 64) before each stroke."""
    pens: list[Pen]
    """The B pens before each of T strokes."""
    tries: Image | None
    """(T, B, K, 64, 64) after each of the strokes drawn; None where none was."""
    ends: Image
    """(B, 64, 64) after the last."""


def paint_again(trajectory: Trajectory, engine: Engine = paint_batch) -> Painted:
    """Paint what an actor painted, from its actions and with its engine."""
    world = Environment(trajectory.start.wanted, trajectory.start.canvases, engine)
    world.pen = trajectory.start.pen
    steps, batch, samples = trajectory.log_probability.shape
    canvases, pens, tries = [], [], []
    for step in range(steps):
        canvases.append(world.canvases)
        pens.append(world.pen)
        if samples:
            drawn = trajectory.drawn_at(step)
            tried, _ = try_strokes(world, drawn, samples)
            tries.append(tried.canvases.reshape(batch, samples, *world.canvases.shape[1:]))
            if trajectory.lesson is None:  # the first of them was followed: MyPaint's strokes are dear
                world.take(tried, np.arange(batch) * samples)
                continue
        world.take(try_strokes(world, trajectory.went(step), 1)[0], np.arange(batch))
    return Painted(np.stack(canvases), pens, np.stack(tries) if tries else None, world.canvases)


@dataclass
class Said:
    """What the learner's policy says of a trajectory."""

    log_probability: Tensor
    """(T, B, K) of the strokes drawn."""
    entropy: Tensor
    """Scalar: mean over the strokes drawn."""
    values: Tensor
    """(T, B) the critic, before each stroke."""
    bootstrap: Tensor
    """(B,) the critic after the last; 0 where the episode ended."""
    likelihood: Tensor
    """Scalar: mean log-probability of the lessons; 0 without."""


def views(policy: Policy, canvases: Image, targets: Image) -> list[View]:
    """Return the views, step by step, of canvases (T, B, 64, 64) and their targets (B, 64, 64), all in one pass."""
    target = torch.as_tensor(targets, device=policy.device) if policy.kind.conditional else None
    shown = None if target is None else target.repeat(len(canvases), *(1,) * (target.dim() - 1))
    seen = policy.look(torch.as_tensor(canvases, device=policy.device).flatten(0, 1), shown)
    # Split at once: the gradient of a slice is as large as what it was cut from, at every step anew.
    return [View(*parts) for parts in zip(*(torch.split(part, len(targets)) for part in seen), strict=True)]


def say(policy: Policy, trajectory: Trajectory, painted: Painted, drawn: bool = True) -> Said:
    """Return what the policy says of a trajectory: all images in one pass, then step by step through the LSTM.

    Args:
        policy: The learner's.
        trajectory: What an actor did.
        painted: What that painted.
        drawn: Whether the strokes drawn are of interest, and not the lessons alone.
    """
    start, device = trajectory.start, policy.device
    steps, batch, samples = trajectory.log_probability.shape
    everything = painted.canvases if trajectory.last else np.concatenate((painted.canvases, painted.ends[None]))
    memory, before = start.memory.on(device), start.before.to(device)
    likely, entropy, values, taught = [], [], [], []
    first = torch.arange(batch, device=device) * samples
    each = views(policy, everything, start.wanted)
    for step, view in enumerate(each[:steps]):
        left = torch.full((batch,), start.left - step, device=device)
        advanced = policy.remember(view, before, left, memory)
        values.append(policy.value(advanced.hidden))
        pens = painted.pens[step]
        if samples and drawn:
            stroke = weigh_stroke(policy, view, left, advanced, pens, ANY_WIDTH, trajectory.drawn_at(step))
            likely.append(stroke.log_probability.view(batch, samples))
            entropy.append(stroke.entropy.mean())
        lesson = trajectory.lesson_at(step)
        if lesson is not None:
            stroke = weigh_stroke(policy, view, left, advanced, pens, ANY_WIDTH, lesson)
            taught.append(stroke.log_probability.mean())
        went = trajectory.went(step)
        if lesson is None and drawn:
            memory = stroke.memory.chosen(first)
        elif lesson is not None and trajectory.followed is None:
            memory = stroke.memory
        else:
            memory = remembered(policy, view, left, advanced, went)
        before = torch.as_tensor(went.paint, device=device)
    bootstrap = values[0].new_zeros(batch)
    if not trajectory.last:
        with torch.no_grad():
            left = torch.full((batch,), start.left - steps, device=device)
            ahead = policy.remember(each[steps], before, left, memory)
            bootstrap = policy.value(ahead.hidden)
    nothing = torch.zeros((), device=device)
    return Said(
        torch.stack(likely) if likely else torch.zeros(steps, batch, 0, device=device),
        torch.stack(entropy).mean() if entropy else nothing,
        torch.stack(values),
        bootstrap,
        torch.stack(taught).mean() if taught else nothing,
    )


@torch.no_grad()
def advantages(rewards: Tensor, future: Tensor, log_ratios: Tensor, weight: float) -> Tensor:
    """Return what the policy gradient weighs each of K strokes a state with, (T, B, K).

    With one stroke a state it is V-trace's advantage. With several, what each earns at once is compared with the mean
    of the state's, and what comes later counts for the stroke that was followed; both in units of their mean
    spread over all states. In units of each state's own spread a last stroke would count as much as a first one, of
    whose gain it has a hundredth.

    Args:
        rewards: (T, B, K).
        future: (T, B) V-trace's advantage of the first stroke, the one that was followed.
        log_ratios: (T, B, K) log of the learner's probability over the actor's.
        weight: Of what comes later, where there are several strokes.
    """
    samples = rewards.shape[2]
    if samples == 1:
        return future[..., None]
    centred = rewards - rewards.mean(dim=2, keepdim=True)
    spread = centred.square().mean(dim=2).sqrt().mean() + 1e-8
    ratios = log_ratios.exp().clamp(max=1.0)
    result = ratios * centred / spread
    result[..., 0] += weight * samples * (future - (ratios * centred)[..., 0]) / spread
    return result


def policy_loss(
    policy: Policy,
    discriminator: Discriminator,
    trajectory: Trajectory,
    painted: Painted,
    rewards: Rewards,
    costs: Costs,
) -> tuple[Tensor, dict[str, float]]:
    """Return the policy's loss on a trajectory, and its parts to log."""
    rewarded = bool(costs.gradient or costs.baseline)
    said = say(policy, trajectory, painted, rewarded)
    loss = -costs.imitation * said.likelihood
    log = {"imitation": -float(said.likelihood.detach()), "entropy": float(said.entropy.detach())}
    if painted.tries is None or not rewarded:
        return loss, log
    device = policy.device
    earned = rewards.of_strokes(
        discriminator,
        torch.as_tensor(painted.canvases, device=device),
        torch.as_tensor(painted.tries, device=device),
        torch.as_tensor(trajectory.start.wanted, device=device),
        torch.as_tensor(trajectory.drawn.jumped, device=device),
        trajectory.last,
    )
    ratios = said.log_probability.detach() - torch.as_tensor(trajectory.log_probability, device=device)
    followed = vtrace(ratios[..., 0], earned[..., 0], said.values.detach(), said.bootstrap, costs.discount)
    weights = advantages(earned, followed.advantages, ratios, costs.future)
    gained = (weights * said.log_probability).mean()
    wrong = (followed.targets - said.values).square().mean()
    loss = loss - costs.gradient * gained - costs.entropy * said.entropy + costs.baseline * wrong
    log |= {
        "reward": float(earned[..., 0].sum(dim=0).mean()),
        "baseline": float(wrong.detach()),
        "jumps": float(trajectory.drawn.jumped.mean()),
        "ratio": float(ratios.exp().mean()),
    }
    return loss, log


def teach_discriminator(
    discriminator: Discriminator,
    optimiser: torch.optim.Optimizer,
    real: tuple[Image, Image],
    painted: tuple[Image, Image],
) -> dict[str, float]:
    """Take one step in telling real pictures from painted ones; return what to log.

    Args:
        discriminator: Looks at canvases alone, or beside their targets.
        optimiser: Its own.
        real: Pictures and their targets, each (n, 64, 64); a target beside itself where it is conditional.
        painted: Canvases and their targets, each (m, 64, 64).
    """
    settings = discriminator.settings
    true, false = (_pair(pair, discriminator) for pair in (real, painted))
    true_logits, false_logits = discriminator(*true), discriminator(*false)
    loss = discriminator_loss(settings["kind"], true_logits, false_logits)
    if settings["kind"] == "wgan-gp":
        count = min(len(true[0]), len(false[0]))
        share = torch.rand(count, device=discriminator.device)
        loss = loss + gradient_penalty(discriminator, _first(true, count), _first(false, count), share)
    optimiser.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimiser.step()
    return {
        "loss": float(loss.detach()),
        "real": float(true_logits.detach().mean()),
        "painted": float(false_logits.detach().mean()),
    }


def _pair(pair: tuple[Image, Image], discriminator: Discriminator) -> Pair:
    canvases, targets = (torch.as_tensor(pictures, device=discriminator.device) for pictures in pair)
    return canvases, targets if discriminator.settings["conditional"] else None


def _first(pair: Pair, count: int) -> Pair:
    return pair[0][:count], None if pair[1] is None else pair[1][:count]
