"""All that a training run needs to go on, in memory and in the run's folder."""

from __future__ import annotations

import contextlib
import copy
import fcntl
import io
import pickle
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from planner import device
from planner.discriminator import Discriminator
from planner.environment import EngineName
from planner.policy import Policy
from planner.replay import Replay
from sim import whole_file
from sim.errors import InputError

NAME: Final = "state.pt"
POLICY_BETAS: Final = (0.9, 0.999)
DISCRIMINATOR_BETAS: Final = (0.5, 0.99)


@dataclass
class State:
    """A run as it stands."""

    policy: Policy
    average: Policy
    """The policy's running average over the updates: steadier than the policy, and what is shipped."""
    discriminator: Discriminator
    policy_optimiser: torch.optim.Optimizer
    discriminator_optimiser: torch.optim.Optimizer
    rng: np.random.Generator
    replay: Replay
    engine: EngineName = "solid"
    """What paints the episodes."""
    update: int = 0
    steps: int = 0
    """Environment steps learned from."""
    seconds: float = 0.0
    """Time spent on updates [s]."""
    history: list[dict[str, Any]] = field(default_factory=list)
    """The settings, `words`, by the `update` from which they held."""
    parent: dict[str, Any] | None = None
    """What is known about the weights it started from."""
    acting: dict[str, Any] | None = None
    """Where the actor stands, on the single-process path."""

    @classmethod
    def fresh(
        cls,
        policy: Policy,
        discriminator: Discriminator,
        rate: float,
        discriminator_rate: float,
        remembered: int,
        seed: int,
        engine: EngineName = "solid",
    ) -> State:
        """Return the state of a new run.

        Args:
            policy: Untrained, or to be trained on.
            discriminator: Likewise.
            rate: The policy's learning rate.
            discriminator_rate: The discriminator's.
            remembered: Final canvases in the replay.
            seed: Of everything random.
            engine: What paints.
        """
        return cls(
            policy.train(),
            copy.deepcopy(policy).eval(),
            discriminator.train(),
            torch.optim.Adam(policy.parameters(), rate, POLICY_BETAS),
            torch.optim.Adam(discriminator.parameters(), discriminator_rate, DISCRIMINATOR_BETAS),
            np.random.default_rng(seed),
            Replay(remembered, policy.kind.colour),
            engine=engine,
        )

    def keep(self, folder: Path) -> None:
        """Write the state; the old one stays whole until the new one is complete.

        Raises:
            InputError: It cannot be written.
        """
        content = io.BytesIO()
        kept = {
            "kind": self.kind(),
            "policy": self.policy.state_dict(),
            "average": self.average.state_dict(),
            "discriminator": self.discriminator.state_dict(),
            "policy_optimiser": self.policy_optimiser.state_dict(),
            "discriminator_optimiser": self.discriminator_optimiser.state_dict(),
            "rng": self.rng.bit_generator.state,
            "torch_rng": torch.get_rng_state(),
            "device_rng": device.rng_state(self.policy.device),
            "replay": self.replay.state(),
            "acting": self.acting,
            "update": self.update,
            "steps": self.steps,
            "seconds": self.seconds,
            "history": self.history,
            "parent": self.parent,
        }
        torch.save(kept, content)
        whole_file.write(folder / NAME, content.getvalue())

    def go_on(self, folder: Path) -> bool:
        """Take over the state that the folder holds, onto the device in use; return whether there was one.

        Raises:
            InputError: There is one, but it cannot be gone on from.
        """
        saved = folder / NAME
        if not saved.exists():
            return False
        try:
            kept: dict[str, Any] = torch.load(saved, map_location="cpu", weights_only=True)
            self.check(kept["kind"])
            self.policy.load_state_dict(kept["policy"])
            self.average.load_state_dict(kept["average"])
            self.discriminator.load_state_dict(kept["discriminator"])
            self.policy_optimiser.load_state_dict(kept["policy_optimiser"])
            self.discriminator_optimiser.load_state_dict(kept["discriminator_optimiser"])
            self.rng.bit_generator.state = kept["rng"]
            torch.set_rng_state(kept["torch_rng"])
            device.set_rng_state(kept.get("device_rng"), self.policy.device)
            self.replay.restore(kept["replay"])
            self.acting = kept["acting"]
            self.update, self.steps = kept["update"], kept["steps"]
            self.seconds, self.history, self.parent = kept["seconds"], kept["history"], kept["parent"]
        except (
            OSError,
            RuntimeError,
            EOFError,
            LookupError,
            AttributeError,
            ValueError,
            TypeError,
            pickle.UnpicklingError,
        ) as error:
            reason = (str(error) or type(error).__name__).splitlines()[0]
            raise InputError(
                f"{saved}: cannot go on from this checkpoint ({reason}); remove it to start anew, or give another --out"
            ) from error
        return True

    @torch.no_grad()
    def step(self, learning_rate: float, averaging: float) -> None:
        """Let the policy take a step down its gradients, and its average follow: of the last 1/(1 − averaging)."""
        for group in self.policy_optimiser.param_groups:
            group["lr"] = learning_rate
        self.policy_optimiser.step()
        weight = 1 - min(averaging, (1 + self.update) / (10 + self.update))
        for mean, new in zip(self.average.parameters(), self.policy.parameters(), strict=True):
            mean.lerp_(new, weight)

    def kind(self) -> dict[str, Any]:
        """Return which networks they are, and the engine that they learn in."""
        judge = {f"judge {name}": value for name, value in self.discriminator.settings.items()}
        return asdict(self.policy.kind) | judge | {"engine": self.engine}

    def check(self, kind: dict[str, Any]) -> None:
        """Refuse the checkpoint of another configuration.

        Raises:
            ValueError: It was made with other networks or another engine.
        """
        own, kind = self.kind(), {"engine": "solid"} | kind  # the only engine of earlier checkpoints
        other = [f"{name} {kind.get(name)} there, {own[name]} here" for name in own if kind.get(name) != own[name]]
        if other:
            raise ValueError(f"it is of other networks or another engine: {', '.join(other)}")


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold a run's folder, so that two processes do not write one run.

    Raises:
        InputError: Another process holds it.
    """
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise InputError(f"{folder}: another process trains in it; end that one or give another --out") from error
        yield
