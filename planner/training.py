"""A training run: where its trajectories come from, and the update itself."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np
import torch

from planner import checkpoint, datasets, device
from planner.acting import Acting, Actor, Schooling, Trajectory
from planner.actors import Actors
from planner.beginning import refuse_other_colours
from planner.demonstrations import Demonstrations, demonstrate
from planner.environment import ENGINES
from planner.exact_gradient import expected_loss
from planner.learner import paint_again, policy_loss, teach_discriminator
from planner.policy import Policy
from planner.recordings import Recordings
from planner.rewards import Rewards
from planner.schedule import Schedule, schedule
from planner.shared_pictures import share
from planner.training_state import State
from sim.canvas import Image
from sim.errors import InputError

if TYPE_CHECKING:
    from planner.train import Args

CLIP = 1.0
"""Norm above which the policy's gradient is scaled down."""
FOLLOWED = 0.5
"""Share of the episodes that go on from the teacher's stroke in the first stage."""


class Source(Protocol):
    """Where trajectories come from."""

    def next(self, schooling: Schooling) -> Trajectory:
        """Return one."""

    def publish(self, policy: Policy, version: int) -> None:
        """Let the actors go on with a newer policy."""

    def state(self) -> dict[str, Any] | None:
        """Return what a checkpoint needs to go on exactly, if that is possible."""

    def close(self) -> None:
        """End the actors."""


class InTurn:
    """One actor in this process, which paints with the learner's own policy."""

    def __init__(self, actor: Actor, state: dict[str, Any] | None) -> None:
        """Go on from a kept state, or begin."""
        self.actor, self.version = actor, 0
        if state is not None:
            actor.restore(state)

    def next(self, schooling: Schooling) -> Trajectory:
        """Paint and return one trajectory."""
        return self.actor.act(schooling, self.version)

    def publish(self, policy: Policy, version: int) -> None:
        """The actor has the policy already."""
        self.version = version

    def state(self) -> dict[str, Any]:
        """Return where the actor stands."""
        return self.actor.state()

    def close(self) -> None:
        """There is nothing to end."""


class Run:
    """A run in progress."""

    def __init__(self, args: Args, state: State, sets: dict[str, datasets.Source], recorded: Recordings | None) -> None:
        """Start the actors.

        Raises:
            InputError: The demonstrator is missing or not a conditional agent.
        """
        self.args, self.state, self.sets, self.recorded = args, state, sets, recorded
        self.rewards = Rewards(
            args.credit,
            args.discriminator_reward,
            args.error_reward,
            args.stroke_cost,
            args.jump_cost,
            args.blank_penalty,
        )
        self.demonstrations = self.demonstrated()
        self.source = self.actors()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.source.close()

    def actors(self) -> Source:
        """Return where trajectories come from."""
        args, state = self.args, self.state
        acting = Acting(
            args.batch,
            args.samples,
            args.strokes,
            args.unroll,
            args.begun_share,
            args.mnist_share,
            args.engine,
        )
        if args.cluster:
            from planner.cluster import ClusterActors

            count = args.actors or 1
            return ClusterActors(args.cluster, count, state.policy, state.update, self.sets, acting, args.seed)
        if args.actors:
            return Actors(args.actors, state.policy, state.update, share(self.sets), acting, args.seed)
        return InTurn(Actor(state.policy, self.sets, acting, args.seed), state.acting)

    def demonstrated(self) -> Demonstrations | None:
        """Return the demonstrator's programs, painted once a run and kept in its folder."""
        if not self.args.demonstrator:
            return None
        kept = self.args.out / "demonstrations.npz"
        if kept.exists():
            return Demonstrations.load(kept)
        path = checkpoint.find(self.args.demonstrator)
        policy, _, _ = checkpoint.load(path)
        if not policy.kind.conditional:
            raise InputError(f"--demonstrator {path}: paints without a target; name a model that reproduces pictures")
        refuse_other_colours(f"--demonstrator {path}", policy.kind, self.args.colour)
        with device.seeded(self.args.seed, self.state.policy.device):
            (pictures, *more) = self.sets.values()
            if more:
                raise InputError(f"--demonstrator: one data set at a time; give --sets {next(iter(self.sets))}")
            strokes = self.args.strokes or 8
            demonstrations = demonstrate(
                policy.to(self.state.policy.device), pictures, strokes, ENGINES[self.args.engine]
            )
        demonstrations.save(kept)
        return demonstrations

    def keep(self, folder: Path | None = None) -> None:
        """Write a checkpoint, into the run's own folder or into another."""
        self.state.acting = self.source.state()
        self.state.keep(folder or self.args.out)

    def update(self) -> dict[str, float]:
        """Learn from one batch and return what to log.

        Raises:
            InputError: The loss or its gradient is not finite.
        """
        state = self.state
        now = schedule(self.args, state.update)
        exact = self.args.gradient == "exact"
        state.discriminator.eval()  # spectral norm's estimate moves only where the discriminator learns
        log: dict[str, float] = {}
        loss = torch.zeros((), device=state.policy.device)
        trajectory = None
        if now.stage != "imitation" or self.demonstrations is None:
            schooling = Schooling(exact=exact)
            if now.costs.imitation > 0 and self.demonstrations is None:
                schooling = Schooling(self.args.trials, FOLLOWED if now.stage == "imitation" else 0.0)
            trajectory = self.source.next(schooling)
            painted = paint_again(trajectory, ENGINES[state.engine])
            if exact:
                part, log = expected_loss(state.policy, trajectory, painted, now.costs.entropy)
            else:
                part, log = policy_loss(state.policy, state.discriminator, trajectory, painted, self.rewards, now.costs)
            loss = loss + part
            state.steps += trajectory.log_probability.size
        real = None
        if self.demonstrations is not None:
            shown = self.demonstrations.trajectory(state.policy, self.args.batch, state.rng)
            repeated = paint_again(shown, ENGINES[state.engine])
            real = repeated.ends
            if now.costs.imitation:
                part, more = policy_loss(state.policy, state.discriminator, shown, repeated, self.rewards, now.costs)
                loss, log = loss + part, log | {"imitation": more["imitation"]}
        self.step(loss, now)
        if trajectory is not None:
            log |= self.judge(trajectory, painted.ends, real)
        state.update += 1
        self.source.publish(state.policy, state.update)
        return {f"policy/{name}": value for name, value in log.items()}

    def step(self, loss: torch.Tensor, now: Schedule) -> None:
        """Let the policy take a step down its loss; the critic alone in its own stage.

        Raises:
            InputError: The loss or its gradient is not finite.
        """
        state = self.state
        state.policy_optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        if now.stage == "critic":
            for name, parameter in state.policy.named_parameters():
                if not name.startswith("critic."):
                    parameter.grad = None
        norm = torch.nn.utils.clip_grad_norm_(state.policy.parameters(), CLIP)
        if not torch.isfinite(loss + norm):
            raise InputError(
                f"update {state.update}: the loss or its gradient is not finite; the last checkpoint in "
                f"{self.args.out} is good, go on from it with a lower --learning-rate"
            )
        state.step(now.learning_rate, self.args.averaging)

    def judge(self, trajectory: Trajectory, ends: Image, real: Image | None) -> dict[str, float]:
        """Let the discriminator learn from final canvases and return what to log.

        Args:
            trajectory: Whose targets are the real pictures, each its own target.
            ends: (B, 64, 64), or (B, 64, 64, 3) in colour, the canvases at its end.
            real: Likewise, what is real instead: the demonstrator's paintings. Beside pictures with soft edges any
                hard-edged stroke is told at a glance, and the verdict says nothing of its shape.
        """
        state = self.state
        targets = trajectory.start.wanted
        log = {"error": float(np.mean(np.square(ends - targets)))}
        if trajectory.last:
            state.replay.add(ends, targets)
        if not len(state.replay.canvases):
            return log
        state.discriminator.train()
        for _ in range(self.args.discriminator_updates):
            canvases, wanted = state.replay.draw(len(targets), state.rng)
            if self.recorded is not None:
                some = state.rng.integers(0, len(self.recorded.canvases), len(targets))
                canvases = np.concatenate((canvases, self.recorded.canvases[some]))
                wanted = np.concatenate((wanted, self.recorded.targets[some]))
            judged = teach_discriminator(
                state.discriminator,
                state.discriminator_optimiser,
                (targets if real is None else real, targets),
                (canvases, wanted),
            )
        return log | {f"discriminator_{name}": value for name, value in judged.items()}
