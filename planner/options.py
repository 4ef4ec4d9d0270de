"""The options of `spiral-train`: which values make sense, and how they are written on the command line."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

from sim.errors import InputError

if TYPE_CHECKING:
    from planner.train import Args

LEAST = {
    **{"batch": 1, "samples": 1, "trials": 1, "unroll": 1, "replay": 1, "discriminator_updates": 1},
    **{"imitation_updates": 0, "critic_updates": 0, "updates": 0, "actors": 0, "seed": 0},
    **{"population": 0, "population_updates": 1},
}
NOT_NEGATIVE = (
    *("entropy_cost", "baseline_cost", "imitation", "checkpoint_minutes"),
    *("discriminator_reward", "error_reward", "stroke_cost", "jump_cost", "blank_penalty"),
)
IDLE = (
    *("credit", "discriminator_reward", "error_reward", "stroke_cost", "jump_cost", "blank_penalty"),
    *("discount", "future", "baseline_cost", "trials"),
)
"""Options that the exact gradient does not know."""
SHARES = ("begun_share", "discount", "future", "averaging")


def check(args: Args) -> None:
    """Refuse values that make no sense, before anything is loaded.

    Raises:
        InputError: An option is out of its range, or two do not go together.
    """
    for name, lowest in LEAST.items():
        if getattr(args, name) < lowest:
            raise InputError(f"{option(name)} {getattr(args, name)}: give {lowest} or more")
    if args.strokes is not None and args.strokes < 1:
        raise InputError(f"--strokes {args.strokes}: give 1 or more")
    for name in ("learning_rate", "discriminator_learning_rate"):
        if not 0 < getattr(args, name) < 1:
            raise InputError(f"{option(name)} {getattr(args, name)}: give a number between 0 and 1")
    for name in NOT_NEGATIVE:
        if not 0 <= getattr(args, name) < 1e6:
            raise InputError(f"{option(name)} {getattr(args, name)}: give 0 or more")
    for name in SHARES:
        if not 0 <= getattr(args, name) <= 1:
            raise InputError(f"{option(name)} {getattr(args, name)}: give a number from 0 to 1")
    if args.population == 1:
        raise InputError("--population 1: give 2 or more, or 0 for none")
    if args.population and (args.actors or args.recordings):
        raise InputError(
            "--population: each member is one process and learns without recordings; drop the other option"
        )
    if args.population and args.device.startswith("cuda"):
        raise InputError(f"--population --device {args.device}: its members learn on CPUs; drop one of them")
    if args.mnist_share is not None and not 0 < args.mnist_share <= 1:
        raise InputError(f"--mnist-share {args.mnist_share}: give a number above 0, at most 1")
    if args.gradient == "exact":
        if args.colour or args.unconditional or args.engine != "solid":
            raise InputError(
                "--gradient exact: learns in black, on targets and from solid strokes; drop the option that differs"
            )
        if args.imitation_updates or args.critic_updates or args.imitation or args.samples > 1:
            raise InputError(
                "--gradient exact: learns in --updates alone, from all choices at once; drop imitation, "
                "--critic-updates and --samples"
            )
        idle = next((name for name in IDLE if getattr(args, name) != getattr(type(args), name)), None)
        if idle:
            raise InputError(
                f"--gradient exact: learns from the squared error alone; {option(idle)} says nothing, drop it"
            )
    if args.colour and args.recordings:
        raise InputError("--colour --recordings: recorded paintings are read in grey; drop one of them")
    if args.unconditional and args.error_reward:
        raise InputError("--unconditional --error-reward: without a target there is no error; drop one of them")
    if args.unconditional and args.complement:
        raise InputError("--unconditional --complement: without a target there is nothing to hide; drop one of them")
    if args.demonstrator and not args.unconditional:
        raise InputError("--demonstrator: a conditional policy imitates search; drop it or add --unconditional")
    if args.unconditional and not args.demonstrator and (args.imitation_updates or args.imitation):
        raise InputError("--unconditional with imitation: name whom to imitate, such as --demonstrator line-art")


def option(name: str) -> str:
    """Return a field's name as it is given on the command line."""
    return f"--{name.replace('_', '-')}"


def words_of(args: Args) -> str:
    """Return the options that differ from their defaults, but for folders, as they are given on the command line."""
    words = []
    for field in fields(args):
        value = getattr(args, field.name)
        if field.name in ("data", "out", "recordings") or value == field.default:
            continue
        given = "" if value is True else " " + (" ".join(value) if isinstance(value, tuple) else str(value))
        words.append(option(field.name) + given)
    return " ".join(words)
