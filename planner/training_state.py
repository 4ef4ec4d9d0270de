"""All that a training run needs to go on, in memory and in the run's folder."""

from __future__ import annotations

import contextlib
import fcntl
import io
import pickle
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from planner import checkpoint
from planner.discriminator import Discriminator, build_discriminator
from planner.policy import Kind, Policy, build
from sim import whole_file
from sim.errors import InputError

NAME = "state.pt"


@dataclass
class State:
    """A run as it stands."""

    policy: Policy
    discriminator: Discriminator
    policy_optimiser: torch.optim.Optimizer
    discriminator_optimiser: torch.optim.Optimizer
    rng: np.random.Generator
    update: int = 0
    seconds: float = 0.0
    """Time spent on updates [s]."""
    history: list[dict[str, Any]] = field(default_factory=list)
    """The settings, `words`, by the `update` from which they held."""
    begun: tuple[np.ndarray, np.ndarray] | None = None
    """Targets and canvases (B, 64, 64) as they stood at some step of the last update."""

    @classmethod
    def fresh(cls, seed: int, weights: str | None, rate: float, discriminator_rate: float) -> State:
        """Return the state of a new run, from nothing or from a checkpoint.

        Raises:
            InputError: The checkpoint is missing or cannot be read.
        """
        torch.manual_seed(seed)
        policy, discriminator = build(Kind()), build_discriminator("spectral", conditional=True, colour=False)
        if weights:
            policy, discriminator, _ = checkpoint.load(checkpoint.find(weights))
        policy.train()
        discriminator.train()
        return cls(
            policy,
            discriminator,
            torch.optim.Adam(policy.parameters(), rate),
            torch.optim.Adam(discriminator.parameters(), discriminator_rate, betas=(0.5, 0.99)),
            np.random.default_rng(seed),
        )

    def keep(self, folder: Path) -> None:
        """Write the state; the old one stays whole until the new one is complete.

        Raises:
            InputError: It cannot be written.
        """
        content = io.BytesIO()
        torch.save(
            {
                "policy": self.policy.state_dict(),
                "discriminator": self.discriminator.state_dict(),
                "policy_optimiser": self.policy_optimiser.state_dict(),
                "discriminator_optimiser": self.discriminator_optimiser.state_dict(),
                "rng": self.rng.bit_generator.state,
                "torch_rng": torch.get_rng_state(),
                "update": self.update,
                "seconds": self.seconds,
                "history": self.history,
                "begun": None if self.begun is None else [torch.from_numpy(images) for images in self.begun],
            },
            content,
        )
        whole_file.write(folder / NAME, content.getvalue())

    def go_on(self, folder: Path) -> bool:
        """Take over the state that the folder holds; return whether there was one.

        Raises:
            InputError: There is one, but it cannot be gone on from.
        """
        saved = folder / NAME
        if not saved.exists():
            return False
        try:
            kept: dict[str, Any] = torch.load(saved, weights_only=True)
            self.policy.load_state_dict(self.policy.with_critic(kept["policy"]))
            self.discriminator.load_state_dict(kept["discriminator"])
            # A state of before there was a critic: the optimiser knows nothing of its parameters yet.
            known = len(list(self.policy.parameters()))
            kept["policy_optimiser"]["param_groups"][0]["params"] = list(range(known))
            self.policy_optimiser.load_state_dict(kept["policy_optimiser"])
            self.discriminator_optimiser.load_state_dict(kept["discriminator_optimiser"])
            self.rng.bit_generator.state = kept["rng"]
            torch.set_rng_state(kept["torch_rng"])
            self.update, self.seconds, self.history = kept["update"], kept["seconds"], kept["history"]
            begun = kept["begun"]
            self.begun = None if begun is None else (begun[0].numpy(), begun[1].numpy())
        except (OSError, RuntimeError, EOFError, KeyError, ValueError, TypeError, pickle.UnpicklingError) as error:
            reason = (str(error) or type(error).__name__).splitlines()[0]
            raise InputError(
                f"{saved}: cannot go on from this checkpoint ({reason}); remove it to start anew, or give another --out"
            ) from error
        return True


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
