"""`spiral-train`: imitation of search in the simulated canvas, then adversarial policy gradient."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tyro

from sim.errors import InputError

if TYPE_CHECKING:
    import torch

    from planner.datasets import Pictures
    from planner.discriminator import Discriminator
    from planner.policy import Policy

DIGITS_SHARE = 0.6
"""Share of the batches that are MNIST where other sets are there too; the others share the rest alike."""
BEGUN_SHARE = 0.2
"""Share of the updates that begin on canvases partly painted, as the closed loop does after each look."""


@dataclass
class Args:
    """Train the painting agent on line art.

    A run that was stopped, in whatever way, goes on where its last checkpoint stands when the same command is given.
    """

    data: Path = Path("../shared/data")
    """Folder with mnist/, omniglot/ and sketches/, or any folder of images."""
    out: Path = Path("runs/line-art")
    """Folder of the run: checkpoints, TensorBoard log, sample sheets and, at the end, the weights."""
    weights: str | None = None
    """Checkpoint to start from instead of from nothing: a shipped name or a file."""
    recordings: Path | None = None
    """Folder of recorded paintings (out folders of spiral-paint); the discriminator also learns what the camera saw."""
    imitation_updates: int = 500
    """Updates of the first stage: imitation of search."""
    gradient_updates: int = 9500
    """Updates of the second stage: policy gradient on the change of the discriminator's verdict and of the error."""
    batch: int = 16
    """Episodes an update."""
    samples: int = 8
    """Strokes tried at each canvas; their mean reward is the baseline."""
    trials: int = 60
    """The teacher's tries a canvas."""
    learning_rate: float = 5e-4
    """Of the policy, at the start of a stage; falls to a tenth along the second, by a cosine."""
    discriminator_learning_rate: float = 2e-4
    """Of the discriminator."""
    entropy_cost: float = 5e-3
    """Weight of the policy's entropy in the second stage."""
    discriminator_reward: float = 0.03
    """Reward per unit of change of the discriminator's logit."""
    error_reward: float = 100.0
    """Reward per unit of change of the mean squared error."""
    gradient_imitation: float = 0.15
    """Weight of imitation at the start of the second stage; falls to 0 along it."""
    seed: int = 0
    """Of everything random."""
    checkpoint_minutes: float = 2.5
    """Time between checkpoints."""


@dataclass
class State:
    """All that a run needs to go on."""

    policy: Policy
    discriminator: Discriminator
    policy_optimiser: torch.optim.Optimizer
    discriminator_optimiser: torch.optim.Optimizer
    rng: np.random.Generator
    update: int = 0
    seconds: float = 0.0
    history: list[dict[str, Any]] = field(default_factory=list)
    """The settings by the update from which they held."""
    begun: tuple[np.ndarray, np.ndarray] | None = None
    """Targets and canvases (B, 64, 64) as they stood at some step of the last update."""


def begin(args: Args) -> State:
    """Return a fresh state, or the one that the run's folder holds."""
    import torch

    from planner import checkpoint
    from planner.discriminator import Discriminator
    from planner.policy import Policy

    torch.manual_seed(args.seed)
    policy, discriminator = Policy(), Discriminator()
    if args.weights:
        policy, discriminator, _ = checkpoint.load(checkpoint.find(args.weights))
    policy.train()
    discriminator.train()
    state = State(
        policy,
        discriminator,
        torch.optim.Adam(policy.parameters(), args.learning_rate),
        torch.optim.Adam(discriminator.parameters(), args.discriminator_learning_rate, betas=(0.5, 0.99)),
        np.random.default_rng(args.seed),
    )
    saved = args.out / "state.pt"
    if saved.exists():
        try:
            kept: dict[str, Any] = torch.load(saved, weights_only=False)
            policy.load_state_dict(kept["policy"])
            discriminator.load_state_dict(kept["discriminator"])
            state.policy_optimiser.load_state_dict(kept["policy_optimiser"])
            state.discriminator_optimiser.load_state_dict(kept["discriminator_optimiser"])
            state.rng.bit_generator.state = kept["rng"]
            torch.set_rng_state(kept["torch_rng"])
            state.update, state.seconds, state.history = kept["update"], kept["seconds"], kept["history"]
        except Exception as error:
            raise InputError(
                f"{saved}: cannot go on from this checkpoint ({str(error).splitlines()[0]}); "
                "remove it to start anew, or give another --out"
            ) from error
    words = words_of(args)
    if not state.history or state.history[-1]["words"] != words:
        state.history.append({"update": state.update, "words": words})
    return state


def words_of(args: Args) -> str:
    """Return the options that differ from their defaults, but for folders, as they are given on the command line."""
    changed = [
        (field.name, getattr(args, field.name))
        for field in fields(args)
        if field.name not in ("data", "out", "recordings") and getattr(args, field.name) != field.default
    ]
    return " ".join(f"--{name.replace('_', '-')} {value}" for name, value in changed)


def keep(args: Args, state: State) -> None:
    """Write the state; the old one stays whole until the new one is complete."""
    import torch

    partial = args.out / "state.partial"
    try:
        torch.save(
            {
                "policy": state.policy.state_dict(),
                "discriminator": state.discriminator.state_dict(),
                "policy_optimiser": state.policy_optimiser.state_dict(),
                "discriminator_optimiser": state.discriminator_optimiser.state_dict(),
                "rng": state.rng.bit_generator.state,
                "torch_rng": torch.get_rng_state(),
                "update": state.update,
                "seconds": state.seconds,
                "history": state.history,
            },
            partial,
        )
        os.replace(partial, args.out / "state.pt")
    except (OSError, RuntimeError) as error:
        partial.unlink(missing_ok=True)
        reason = str(error).splitlines()[0]
        raise InputError(f"{args.out}: cannot write the checkpoint ({reason}); the last one is whole") from error


def costs_at(args: Args, update: int) -> tuple[Any, float]:
    """Return the loss weights and the learning rate of an update."""
    from planner.learner import Costs

    if update < args.imitation_updates:
        return Costs(1.0, 0.0, 0.0, 0.0, args.error_reward), args.learning_rate
    progress = min(1.0, (update - args.imitation_updates) / max(1, args.gradient_updates))
    falling = 0.1 + 0.9 * (1 + np.cos(np.pi * progress)) / 2
    imitation = args.gradient_imitation * (1 - progress)
    costs = Costs(imitation, 1.0, args.entropy_cost, args.discriminator_reward, args.error_reward)
    return costs, args.learning_rate * float(falling)


def draw(sets: dict[str, Pictures], rng: np.random.Generator, batch: int) -> tuple[np.ndarray, int]:
    """Return a batch of targets of one data set and the number of strokes to paint them in."""
    names = list(sets)
    share = np.ones(len(names))
    if "mnist" in sets and len(names) > 1:
        share[:] = (1 - DIGITS_SHARE) / (len(names) - 1)
        share[names.index("mnist")] = DIGITS_SHARE
    name = names[rng.choice(len(names), p=share / share.sum())]
    pictures = sets[name]
    return pictures[rng.integers(0, len(pictures), batch)].astype(np.float32) / 255, 8 if name == "mnist" else 10


def update_once(args: Args, state: State, sets: dict[str, Pictures], recorded: Any) -> dict[str, float]:
    """Learn from one batch and return what to log."""
    import torch

    from planner.learner import discriminator_step, unroll

    costs, rate = costs_at(args, state.update)
    targets, strokes = draw(sets, state.rng, args.batch)
    canvases = None
    if state.begun is not None and state.rng.random() < BEGUN_SHARE:
        targets, canvases = state.begun
    episode = unroll(
        state.policy, state.discriminator, targets, canvases, strokes, args.samples, args.trials, costs, state.rng
    )
    state.begun = targets, episode.seen
    if not torch.isfinite(episode.loss):
        raise InputError(f"update {state.update}: the loss is not finite; the last checkpoint in {args.out} is good")
    for group in state.policy_optimiser.param_groups:
        group["lr"] = rate
    state.policy_optimiser.zero_grad()
    episode.loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(state.policy.parameters(), 1.0)
    state.policy_optimiser.step()
    judged = discriminator_step(state.discriminator, state.discriminator_optimiser, episode, recorded)
    log = {f"policy/{name}": value for name, value in episode.log.items()}
    log |= {f"discriminator/{name}": value for name, value in judged.items()}
    return log | {"policy/loss": float(episode.loss.detach()), "policy/error": float(episode.errors.mean())}


def validate(state: State, pictures: dict[str, Pictures], folder: Path) -> dict[str, float]:
    """Paint the validation pictures greedily; return the mean errors and write the sample sheet."""
    import cv2
    import torch

    from planner.actions import WidthLimits
    from planner.agent import rollout
    from sim.canvas import render

    errors: dict[str, float] = {}
    rows: list[np.ndarray] = []
    state.policy.eval()
    with torch.no_grad():
        for name, some in pictures.items():
            targets = some.astype(np.float32) / np.float32(255)
            paper = np.ones_like(targets)
            programs = rollout(state.policy, targets, paper, 8 if name == "mnist" else 12, WidthLimits())
            painted = np.stack([render(strokes) for strokes in programs])
            errors[f"validation/{name}"] = float(np.mean((painted - targets) ** 2))
            rows += [np.concatenate(targets[:16], axis=1), np.concatenate(painted[:16], axis=1)]
    state.policy.train()
    sheet = np.rint(255 * np.concatenate(rows)).astype(np.uint8)
    cv2.imwrite(str(folder / f"sheet-{state.update:06d}.png"), sheet)
    return errors


def train(args: Args) -> Path:
    """Run both stages and return the written weights."""
    import torch
    from torch.utils.tensorboard import SummaryWriter
    from tqdm import tqdm

    from planner import checkpoint, datasets, recordings
    from planner.model_card import model_card
    from sim import whole_file

    torch.set_num_threads(1)  # on two busy cores two threads are slower than one
    sets, held = datasets.line_art(args.data)
    judged = {name: pictures[: 512 if name == "mnist" else 64] for name, pictures in held.items()}
    recorded = recordings.read(args.recordings) if args.recordings else None
    args.out.mkdir(parents=True, exist_ok=True)
    state = begin(args)
    writer = SummaryWriter(str(args.out / "log"))
    total = args.imitation_updates + args.gradient_updates
    progress = tqdm(total=total, initial=state.update, unit="update", disable=None)
    checked = time.monotonic()
    errors: dict[str, float] = {}
    while state.update < total:
        started = time.monotonic()
        log = update_once(args, state, sets, recorded)
        state.update += 1
        state.seconds += time.monotonic() - started
        progress.update()
        for name, value in log.items():
            writer.add_scalar(name, value, state.update)
        if time.monotonic() - checked > 60 * args.checkpoint_minutes or state.update == total:
            keep(args, state)
            errors = validate(state, judged, args.out)
            for name, value in errors.items():
                writer.add_scalar(name, value, state.update)
            figures = ", ".join(f"{name.removeprefix('validation/')} {value:.4f}" for name, value in errors.items())
            tqdm.write(f"update {state.update}, {state.seconds / 60:.1f} min: {figures}")
            sys.stdout.flush()
            checked = time.monotonic()
    progress.close()
    weights = args.out / f"{args.out.name}.safetensors"
    about = {
        "data": {name: len(pictures) for name, pictures in sets.items()},
        "history": state.history,
        "updates": state.update,
        "minutes": round(state.seconds / 60),
        "seed": args.seed,
        "validation": errors or validate(state, judged, args.out),
    }
    checkpoint.save(weights, state.policy, state.discriminator, about)
    whole_file.write(weights.with_suffix(".md"), model_card(args.out.name, about))
    return weights


def main() -> int:
    """Run the command; return its exit code."""
    args = tyro.cli(Args)
    try:
        print(f"weights: {train(args)}")
    except InputError as error:
        print(f"spiral-train: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
