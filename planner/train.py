"""`spiral-train`: imitation of search in the simulated canvas, then adversarial policy gradient."""

from __future__ import annotations

import contextlib
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tyro

from sim.errors import InputError

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

    from planner.datasets import Pictures, Source
    from planner.recordings import Recordings
    from planner.training_state import State

DIGITS_SHARE = 0.6
"""Share of the batches that are MNIST where other sets are there too; the others share the rest alike."""
SHEET = 16
"""Pictures in a row of a sample sheet."""
BEGUN_SHARE = 0.2
"""Share of the updates that begin on canvases partly painted, as the closed loop does after each look."""


@dataclass
class Args:
    """Train the painting agent on line art.

    A run that was stopped, in whatever way, goes on where its last checkpoint stands when the same command is given.
    """

    data: Path = Path("data")
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


def check(args: Args) -> None:
    """Refuse values that make no sense, before anything is loaded.

    Raises:
        InputError: An option is out of its range.
    """
    least = {"batch": 1, "samples": 2, "trials": 1, "imitation_updates": 0, "gradient_updates": 0, "seed": 0}
    for name, lowest in least.items():
        if getattr(args, name) < lowest:
            raise InputError(f"--{name.replace('_', '-')} {getattr(args, name)}: give {lowest} or more")
    for name in ("learning_rate", "discriminator_learning_rate"):
        if not 0 < getattr(args, name) < 1:
            raise InputError(f"--{name.replace('_', '-')} {getattr(args, name)}: give a number between 0 and 1")
    for name in ("entropy_cost", "discriminator_reward", "error_reward", "gradient_imitation", "checkpoint_minutes"):
        if not 0 <= getattr(args, name) < 1e6:
            raise InputError(f"--{name.replace('_', '-')} {getattr(args, name)}: give 0 or more")


def begin(args: Args) -> State:
    """Return a fresh state, or the one that the run's folder holds.

    Raises:
        InputError: The folder's state cannot be gone on from, or the given weights cannot be read.
    """
    from planner.training_state import State

    state = State.fresh(args.seed, args.weights, args.learning_rate, args.discriminator_learning_rate)
    if state.go_on(args.out):
        print(f"{args.out}: goes on at update {state.update}")
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


def draw(sets: dict[str, Source], rng: np.random.Generator, batch: int) -> tuple[np.ndarray, int]:
    """Return a batch of targets of one data set and the number of strokes to paint them in."""
    names = list(sets)
    share = np.ones(len(names))
    if "mnist" in sets and len(names) > 1:
        share[:] = (1 - DIGITS_SHARE) / (len(names) - 1)
        share[names.index("mnist")] = DIGITS_SHARE
    name = names[rng.choice(len(names), p=share / share.sum())]
    pictures = sets[name]
    return pictures[rng.integers(0, len(pictures), batch)].astype(np.float32) / 255, 8 if name == "mnist" else 10


def update_once(args: Args, state: State, sets: dict[str, Source], recorded: Any) -> dict[str, float]:
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
    import torch

    from planner.actions import WidthLimits
    from planner.episode import rollout
    from sim import whole_file
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
            rows += [strip(targets), strip(painted)]
    state.policy.train()
    whole_file.write_image(folder / f"sheet-{state.update:06d}.png", np.concatenate(rows))
    return errors


def strip(pictures: np.ndarray) -> np.ndarray:
    """Return up to 16 pictures (n, 64, 64) side by side (64, 1024), white where there are fewer."""
    row = np.ones((64, SHEET * 64), np.float32)
    some = pictures[:SHEET]
    row[:, : 64 * len(some)] = np.concatenate(list(some), axis=1)
    return row


def train(args: Args) -> Path:
    """Run both stages and return the written weights.

    Raises:
        InputError: Data, options or the run's folder are not what they should be.
        KeyboardInterrupt: The run was stopped; its state is kept.
    """
    import torch

    from planner import checkpoint, datasets, recordings
    from planner.model_card import model_card
    from planner.training_state import alone
    from sim import whole_file

    check(args)
    torch.set_num_threads(1)  # on two busy cores two threads are slower than one
    sets, held = datasets.line_art(args.data)
    judged = {name: pictures[: 512 if name == "mnist" else 64] for name, pictures in held.items()}
    recorded = recordings.read(args.recordings) if args.recordings else None
    whole_file.make_folder(args.out)
    with alone(args.out):
        state = begin(args)
        try:
            errors = run(args, state, sets, judged, recorded)
        except KeyboardInterrupt:
            state.keep(args.out)
            raise
        weights = args.out / f"{args.out.name}.safetensors"
        about = {
            "data": {name: len(pictures) for name, pictures in sets.items()},
            "history": state.history,
            "updates": state.update,
            "minutes": round(state.seconds / 60),
            "seed": args.seed,
            "validation": errors,
        }
        checkpoint.save(weights, state.policy, state.discriminator, about)
        whole_file.write(weights.with_suffix(".md"), model_card(args.out.name, about))
        return weights


def run(
    args: Args, state: State, sets: dict[str, Source], judged: dict[str, Pictures], recorded: Recordings | None
) -> dict[str, float]:
    """Train until the last update and return the mean errors on the pictures to validate on."""
    from torch.utils.tensorboard import SummaryWriter
    from tqdm import tqdm

    writer = SummaryWriter(str(args.out / "log"))
    total = args.imitation_updates + args.gradient_updates
    checked = time.monotonic()
    with tqdm(total=total, initial=state.update, unit="update", disable=None) as progress, interruptible() as stopped:
        while state.update < total:
            started = time.monotonic()
            log = update_once(args, state, sets, recorded)
            state.update += 1
            state.seconds += time.monotonic() - started
            progress.update()
            for name, value in log.items():
                writer.add_scalar(name, value, state.update)
            if stopped():
                raise KeyboardInterrupt
            if time.monotonic() - checked > 60 * args.checkpoint_minutes:
                state.keep(args.out)
                tell(state, writer, validate(state, judged, args.out))
                checked = time.monotonic()
        state.keep(args.out)
        errors = validate(state, judged, args.out)
        tell(state, writer, errors)
    return errors


def tell(state: State, writer: SummaryWriter, errors: dict[str, float]) -> None:
    """Log and print the errors of a validation."""
    from tqdm import tqdm

    for name, value in errors.items():
        writer.add_scalar(name, value, state.update)
    figures = ", ".join(f"{name.removeprefix('validation/')} {value:.4f}" for name, value in errors.items())
    tqdm.write(f"update {state.update}, {state.seconds / 60:.1f} min: {figures}")
    sys.stdout.flush()


@contextlib.contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
    """Let an update end before Ctrl-C or SIGTERM ends the run; yield what tells whether one came."""
    came: list[int] = []
    before = {number: signal.signal(number, lambda *_: came.append(1)) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(came)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def main() -> int:
    """Run the command; return its exit code."""
    args = tyro.cli(Args, prog="spiral-train")
    try:
        print(f"weights: {train(args)}")
    except InputError as error:
        print(f"spiral-train: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"spiral-train: stopped; the same command goes on where {args.out} stands", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
