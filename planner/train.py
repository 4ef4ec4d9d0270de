"""`spiral-train`: a SPIRAL agent learns to paint, by imitation first where that helps, then for its discriminator."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from planner.options import check
from sim.errors import InputError

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

    from planner import datasets
    from planner.training import Run
    from planner.training_state import State


@dataclass
class Args:
    """Train the painting agent: to reproduce pictures, or with --unconditional to paint by itself.

    A run that was stopped, in whatever way, goes on where its last checkpoint stands when the same command is given.
    The rewards' defaults are SPIRAL's; the model cards in planner/weights have the options behind the shipped weights.
    """

    data: Path = Path("data")
    """Folder with mnist/, omniglot/ and sketches/, for --colour with celeba/, or any folder of images; `spiral-data`
    checks it."""
    sets: tuple[str, ...] = ()
    """Data sets to use of those the folder holds; all by default."""
    out: Path = Path("runs/line-art")
    """Folder of the run: checkpoints, TensorBoard log, sample sheets and, at the end, the weights."""
    weights: str | None = None
    """Checkpoint to start from instead of from nothing: a shipped name or a file."""
    recordings: Path | None = None
    """Folder of recorded paintings (out folders of spiral-paint); the discriminator also learns what the camera saw."""

    net: Literal["lean", "paper"] = "lean"
    """The policy: the lean net for two CPU cores, or the papers' own."""
    unconditional: bool = False
    """Paint from noise instead of reproducing a target."""
    colour: bool = False
    """Paint in colour, on CelebA or any photos, instead of line art in black."""
    engine: Literal["solid", "mypaint"] = "solid"
    """What paints: the solid strokes of an arm's brush, or MyPaint with the brush of the papers."""
    judge: Literal["spectral", "wgan-gp"] = "spectral"
    """The discriminator: spectral norm with the standard loss (SPIRAL++), or WGAN-GP (SPIRAL)."""
    complement: bool = False
    """The discriminator never sees the same place of canvas and target (SPIRAL++)."""

    imitation_updates: int = 0
    """Updates of the first stage: imitation of search, or of --demonstrator."""
    critic_updates: int = 0
    """Updates after it in which critic and discriminator learn and the policy does not."""
    updates: int = 10_000
    """Updates of the last stage: actor-critic on the rewards, or the exact gradient."""
    demonstrator: str | None = None
    """Model whose programs for the training pictures an unconditional policy imitates, and whose paintings are the
    discriminator's real pictures: a shipped name or a file."""
    imitation: float = 0.0
    """Weight of imitation at the start of the last stage; falls to 0 along it."""
    trials: int = 60
    """Tries a canvas of the search that is imitated."""
    gradient: Literal["sampled", "exact"] = "sampled"
    """The policy gradient in --updates: of the strokes drawn and their rewards, or the exact one of what the policy may
    expect to lose of squared error, for which hundreds of other strokes are painted beside each."""

    batch: int = 16
    """Episodes an update."""
    samples: int = 1
    """Strokes tried at each canvas. SPIRAL tries one; of several each is weighed against the others."""
    strokes: int | None = None
    """Strokes an episode; by default 8 for MNIST, 20 for Quick, Draw!, kanji and CelebA, 12 for everything else."""
    unroll: int = 10
    """Strokes an update at most; longer episodes are cut, and the critic says what the rest is worth."""
    begun_share: float = 0.0
    """Share of the episodes that begin on canvases partly painted, as the closed loop does after each look."""
    mnist_share: float | None = None
    """Share of the episodes that are MNIST where other sets are there too; all sets alike by default."""

    credit: Literal["end", "change"] = "end"
    """Verdict and error at the end of an episode (SPIRAL), or their change at each stroke (SPIRAL++)."""
    discriminator_reward: float = 1.0
    """Reward per unit of the discriminator's score."""
    error_reward: float = 0.0
    """Reward per unit by which the mean squared error falls."""
    stroke_cost: float = 0.0
    """Cost of each stroke."""
    jump_cost: float = 0.0
    """Cost of each jump, a lift of the brush."""
    blank_penalty: float = 0.0
    """Cost of a canvas that is blank at the end."""

    discount: float = 1.0
    """Of rewards to come."""
    future: float = 1.0
    """With several --samples: weight of what comes after a stroke, against what it earns at once."""
    entropy_cost: float = 0.01
    """Weight of the policy's entropy."""
    baseline_cost: float = 0.5
    """Weight of the critic's squared error."""
    learning_rate: float = 5e-4
    """Of the policy; falls to a tenth along the last stage, by a cosine."""
    averaging: float = 0.999
    """Share of the policy's running average that an update keeps; the average is what is validated and shipped."""
    discriminator_learning_rate: float = 2e-4
    """Of the discriminator."""
    discriminator_updates: int = 1
    """Updates of the discriminator for each of the policy."""
    replay: int = 20
    """Batches of final canvases that the discriminator learns from beside the newest."""

    device: str = "auto"
    """Where this process learns: auto (CUDA if torch finds it, else the CPU), cpu, cuda or cuda:N. With --actors 0 the
    policy paints there, too; other actors and a population's members paint and learn on CPUs by design."""
    actors: Annotated[int, tyro.conf.arg(metavar="N")] = 0
    """Processes that paint while this one learns; 0 does both in turn and resumes bit for bit."""
    cluster: str | None = None
    """Address of a Ray cluster, or `local`; the actors then run on its nodes."""
    population: Annotated[int, tyro.conf.arg(metavar="N")] = 0
    """Members of a population that tunes learning rate and entropy cost as it trains, by Ray Tune; 0 for none."""
    population_updates: int = 250
    """Updates between two comparisons of the members."""
    seed: int = 0
    """Of everything random."""
    checkpoint_minutes: float = 2.5
    """Time between checkpoints."""


def train(args: Args) -> Path:
    """Run all stages and return the written weights.

    Raises:
        InputError: Data, options or the run's folder are not what they should be.
        KeyboardInterrupt: The run was stopped; its state is kept.
    """
    check(args)
    import torch

    from planner import datasets, device, recordings
    from planner.beginning import begin
    from planner.training import Run
    from planner.training_state import alone
    from sim import mypaint, whole_file

    device.find(args.device)
    torch.set_num_threads(1)  # on two busy cores two threads are slower than one
    if args.engine == "mypaint":
        mypaint.Sheet()  # where it is not installed it is told now, not by an actor
    read = datasets.colour if args.colour else datasets.line_art
    sets, held = read(args.data, args.sets or None)
    recorded = recordings.read(args.recordings) if args.recordings else None
    whole_file.make_folder(args.out)
    with alone(args.out):
        if args.population:
            from planner.population import train_population

            return write(args, *train_population(args, sets, held), sets)
        state = begin(args)
        with Run(args, state, sets, recorded) as run_:
            try:
                errors = run(args, run_, held)
            except KeyboardInterrupt:
                run_.keep()
                raise
        return write(args, state, errors, sets)


def write(args: Args, state: State, errors: dict[str, float], sets: dict[str, datasets.Source]) -> Path:
    """Write a run's weights and their model card, and return the weights' file."""
    from planner import checkpoint
    from planner.model_card import model_card
    from sim import whole_file

    weights = args.out / f"{args.out.name}.safetensors"
    about: dict[str, object] = {
        "data": {name: len(pictures) for name, pictures in sets.items()},
        "history": state.history,
        "parent": state.parent,
        "updates": state.update,
        "steps": state.steps,
        "minutes": round(state.seconds / 60),
        "seed": args.seed,
        "validation": errors,
    }
    checkpoint.save(weights, state.average, state.discriminator, about)
    whole_file.write(weights.with_suffix(".md"), model_card(args.out.name, about, state.average.kind))
    return weights


def run(args: Args, run: Run, held: dict[str, datasets.Source]) -> dict[str, float]:
    """Train until the last update and return the mean errors on the pictures to validate on."""
    from torch.utils.tensorboard import SummaryWriter
    from tqdm import tqdm

    from planner.schedule import total
    from planner.validation import validate

    state = run.state
    writer = SummaryWriter(str(args.out / "log"))
    end = total(args)
    checked = time.monotonic()
    with tqdm(total=end, initial=state.update, unit="update", disable=None) as progress, interruptible() as stopped:
        while state.update < end:
            started = time.monotonic()
            log = run.update()
            state.seconds += time.monotonic() - started
            progress.update()
            for name, value in log.items():
                writer.add_scalar(name, value, state.update)
            if stopped():
                raise KeyboardInterrupt
            if time.monotonic() - checked > 60 * args.checkpoint_minutes:
                run.keep()
                tell(state, writer, validate(state, held, args.out))
                checked = time.monotonic()
        run.keep()
        errors = validate(state, held, args.out)
        tell(state, writer, errors)
    return errors


def tell(state: State, writer: SummaryWriter, errors: dict[str, float]) -> None:
    """Log and print the errors of a validation."""
    from tqdm import tqdm

    for name, value in errors.items():
        writer.add_scalar(f"validation/{name}", value, state.update)
    figures = ", ".join(f"{name} {value:.4f}" for name, value in errors.items()) or "see the sheet"
    tqdm.write(f"update {state.update}, {state.seconds / 60:.1f} min, {state.steps} steps: {figures}")
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
        print(f"spiral-train: {error}", file=sys.stderr, flush=True)
        if args.cluster:
            # Ray's own threads, which may go on trying to join, now and then abort an interpreter that ends.
            sys.stdout.flush()
            os._exit(2)
        return 2
    except KeyboardInterrupt:
        print(f"spiral-train: stopped; the same command goes on where {args.out} stands", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
