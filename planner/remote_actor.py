"""An actor in a process of its own, and the messages between it and the learner."""

from __future__ import annotations

import pickle
import sys
import traceback
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import safetensors.torch
import torch
from tqdm import tqdm

from planner.acting import Acting, Actor, Schooling, Trajectory
from planner.datasets import Source
from planner.policy import Kind, Policy, build
from planner.rollout import Choice
from sim.errors import InputError

LEVEL: Final = 1
"""Of zlib: line art shrinks twentyfold in a few milliseconds."""
NARROW: Final = np.int16
"""Holds any component of an action: the largest is 1024."""


AHEAD: Final = 2
"""Jobs an actor has at a time, so that none waits while the learner is busy."""
PATIENCE_S: Final = 300.0
"""The longest that the learner waits for a trajectory [s]; the first may need compiled code."""
DEATHS: Final = 3
"""Times that each actor may die, before any has painted again."""


class RemoteActor:
    """An actor with a policy of its own, which gets its weights from the learner."""

    def __init__(
        self, kind: Kind, sets: Mapping[str, Source], settings: Acting, seed: tuple[int, ...], threads: int = 1
    ) -> None:
        """Build the policy; `seed` also seeds torch, from which actions are sampled."""
        torch.set_num_threads(threads)
        mine, sampled = (int(word) for word in np.random.SeedSequence(seed).generate_state(2))
        torch.manual_seed(sampled)
        self.actor = Actor(build(kind).eval(), dict(sets), settings, mine)
        self.version = -1

    def learn(self, weights: bytes, version: int) -> None:
        """Take over newer weights."""
        self.actor.policy.load_state_dict(safetensors.torch.load(weights))
        self.version = version

    def act(self, schooling: Schooling) -> bytes:
        """Paint one trajectory and return it packed."""
        return pack(self.actor.act(schooling, self.version))


class Losses:
    """Counts the actors that were lost one after another."""

    def __init__(self) -> None:
        self.count = 0

    def none(self) -> None:
        """Forget them: an actor has painted."""
        self.count = 0

    def add(self, name: str, why: str, others: int) -> None:
        """Tell the user that one was lost of so many others.

        Raises:
            InputError: None has painted for long: another one would be lost, too.
        """
        self.count += 1
        if self.count > DEATHS * (others + 1):
            raise InputError(
                f"actors die as they start (the last: {why}); see whether memory is short, or give fewer --actors"
            )
        tqdm.write(f"{name} was lost ({why}); another takes its place", file=sys.stderr)


def weights_of(policy: Policy) -> bytes:
    """Return a policy's weights as `RemoteActor.learn` takes them."""
    return safetensors.torch.save({name: tensor.cpu().contiguous() for name, tensor in policy.state_dict().items()})


def pack(trajectory: Trajectory) -> bytes:
    """Return a trajectory in as few bytes as is cheap; nothing is lost."""
    lesson = trajectory.lesson and _cast(trajectory.lesson, NARROW)
    content = (
        trajectory.start,
        _cast(trajectory.drawn, NARROW),
        trajectory.log_probability,
        lesson,
        trajectory.followed,
        trajectory.version,
        trajectory.losses,
    )
    return zlib.compress(pickle.dumps(content, pickle.HIGHEST_PROTOCOL), LEVEL)


def unpack(content: bytes) -> Trajectory:
    """Return the trajectory that was packed. The bytes are trusted: they come from the learner's own actors."""
    start, drawn, log_probability, lesson, followed, version, lost = pickle.loads(zlib.decompress(content))
    wide = _cast(drawn, np.int64)
    return Trajectory(start, wide, log_probability, lesson and _cast(lesson, np.int64), followed, version, lost)


def _cast(choice: Choice, kind: Any) -> Choice:
    return Choice(choice.jumped, choice.jump.astype(kind), choice.paint.astype(kind))


def reason(error: BaseException) -> str:
    """Return one line for what ended an actor: the user's to mend, or ours with its place in the code."""
    said = (str(error) or type(error).__name__).splitlines()[0]
    if isinstance(error, InputError):
        return said
    place = traceback.extract_tb(error.__traceback__)[-1:]
    where = f", {Path(place[0].filename).name} line {place[0].lineno}" if place else ""
    return f"an actor failed ({type(error).__name__}: {said}{where})"
