"""How a training run begins: fresh, with given weights, or where its folder says that it stands."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from planner import checkpoint, device
from planner.discriminator import Discriminator, build_discriminator
from planner.options import words_of
from planner.policy import Kind, Policy, build
from planner.training_state import State
from sim.errors import InputError

if TYPE_CHECKING:
    from planner.train import Args


def begin(args: Args) -> State:
    """Return a fresh state, or the one that the run's folder holds.

    Raises:
        InputError: There is no such device, the folder's state cannot be gone on from, or the given weights cannot be
            read or are of another configuration.
    """
    torch.manual_seed(args.seed)
    kind = Kind(args.net, not args.unconditional, args.colour)
    policy = build(kind)
    discriminator = build_discriminator(args.judge, kind.conditional, kind.colour, args.complement)
    parent = None
    if args.weights:
        parent = initialise(policy, discriminator, checkpoint.find(args.weights))
    # Built on the CPU, so that a seed gives the same networks everywhere. A population's members are CPU processes.
    where = device.find("cpu" if args.population else args.device)
    state = State.fresh(
        policy.to(where),
        discriminator.to(where),
        args.learning_rate,
        args.discriminator_learning_rate,
        args.replay * args.batch,
        args.seed,
        args.engine,
    )
    state.parent = parent
    if state.go_on(args.out):
        print(f"{args.out}: goes on at update {state.update}")
    words = words_of(args)
    if not state.history or state.history[-1]["words"] != words:
        state.history.append({"update": state.update, "words": words})
    return state


def initialise(policy: Policy, discriminator: Discriminator, path: Path) -> dict[str, Any]:
    """Take over the weights of a checkpoint; of one for the other task, conditional or not, those that fit.

    Returns:
        What is known about them: name, updates, minutes, history and their own parent.

    Raises:
        InputError: The checkpoint's net is another.
    """
    given, judge, about = checkpoint.load(path)
    refuse_other_colours(str(path), given.kind, policy.kind.colour)
    if given.kind.net != policy.kind.net:
        raise InputError(f"{path}: weights of the {given.kind.net} net; give --net {given.kind.net} or drop --weights")
    policy.load_state_dict(given.state_dict(), strict=given.kind == policy.kind)
    if judge.settings == discriminator.settings:
        discriminator.load_state_dict(judge.state_dict())
    return {"name": path.stem} | {
        key: about[key] for key in ("updates", "minutes", "history", "parent") if key in about
    }


def refuse_other_colours(place: str, given: Kind, colour: bool) -> None:
    """Refuse a model that paints in colour where the run does not, and the reverse.

    Raises:
        InputError: It does.
    """
    if given.colour != colour:
        found, mend = ("in colour", "add --colour") if given.colour else ("in black", "drop --colour")
        raise InputError(f"{place}: paints {found}; {mend}, or name another model")
