"""`spiral-evaluate`: how near a model's programs come to their targets, in what time, and what it paints by itself."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import tyro

from sim.errors import InputError

if TYPE_CHECKING:
    from planner.agent import Agent
    from planner.reproduction import Item, Run
    from sim.canvas import Image
    from sim.stroke import Array

MANUAL: Final = """\
Measure a model in the simulated canvas: what it makes of targets, or what it paints by itself.

Targets are a folder's images or a part of a data set. The error is the mean squared error over 64×64 pixels in [0, 1].
A 64×64 grey image is used exactly as it is; others become targets as in spiral-paint.

Dreams are what an unconditional model paints by itself. A digit classifier, trained on MNIST by this command and used
for no reward, looks at them, at real digits and at random strokes. Its Fréchet distances are to MNIST's test digits.

Prints a Markdown table.

examples:
  spiral-evaluate --images examples --strokes 20
  spiral-evaluate --data data --set mnist-test --count 1000 --renders 500 2000 --against-search
  spiral-evaluate --data data --dreams 1000 --model digits --sheet digits.png
"""
OF_TARGETS: Final = ("first", "count", "every", "renders", "search", "against_search")
OF_DREAMS: Final = ("temperature", "classifier", "sheet")
Whole = Annotated[int, tyro.conf.arg(metavar="N")]
File = Annotated[Path | None, tyro.conf.arg(metavar="FILE", help_behavior_hint="")]
Folder = Annotated[Path | None, tyro.conf.arg(metavar="FOLDER", help_behavior_hint="")]


@dataclass
class Args:
    """What to measure, and where the figures go."""

    images: Folder = None
    """Folder of PNG, JPEG or WebP images."""
    part: Annotated[str | None, tyro.conf.arg(name="set", metavar="NAME", help_behavior_hint="")] = None
    """Part of a data set, such as mnist-test."""
    dreams: Annotated[int | None, tyro.conf.arg(metavar="N", help_behavior_hint="")] = None
    """Let the model paint so many pictures by itself."""
    data: Annotated[Path, tyro.conf.arg(metavar="FOLDER")] = Path("data")
    """Data folder, for --set and --dreams."""
    first: Whole = 0
    """First item of --set."""
    count: Annotated[int | None, tyro.conf.arg(metavar="N", help_behavior_hint="(default: all)")] = None
    """Items of --set."""
    every: Whole = 1
    """Take each N-th item of --set; some sets are in an order."""
    model: Annotated[str | None, tyro.conf.arg(metavar="NAME", help_behavior_hint="(default: line-art or digits)")] = (
        None
    )
    """Shipped model, a checkpoint file, or `none` for pure search."""
    strokes: Whole = 8
    """Painted strokes a picture, at most."""
    renders: Annotated[tuple[int, ...], tyro.conf.arg(metavar="N [N ...]", help_behavior_hint="(default: 6000)")] = ()
    """Canvas renders a target, a policy step counting as one; several are measured one after another."""
    search: bool = True
    """With --no-search the policy alone: one greedy rollout, nothing tried."""
    against_search: bool = False
    """Measure the policy alone and pure search with as many renders, too."""
    engine: Literal["solid", "mypaint"] = "solid"
    """Engine in which the programs are measured; search plans in the solid one."""
    temperature: Annotated[
        tuple[float, float] | None,
        tyro.conf.arg(metavar="T T", help_behavior_hint="(default: as in spiral-paint --dream)"),
    ] = None
    """Of the sampling of a dream's first stroke, and of those after it."""
    seed: Whole = 0
    """Of the search for the first target, or of the first dream; the others' follow."""
    classifier: File = None
    """Digit classifier for --dreams, trained in four minutes if there is no such file; by default the shipped one."""
    sheet: File = None
    """Picture of the first 100 dreams, each with the nearest MNIST training image to its right."""
    save: Folder = None
    """Folder for each program (JSON) and its 64×64 render (PNG); one folder in it for each of several runs."""
    table: File = None
    """File for the printed table."""
    json: File = None
    """File for the figures: `mse` and `seconds` as means, and `images`, of the model; `runs` the means of all runs."""


def check(args: Args) -> None:
    """Refuse values that make no sense, before anything is loaded."""
    if sum(what is not None for what in (args.images, args.part, args.dreams)) != 1:
        raise InputError("give --images FOLDER, --set NAME or --dreams N, and one of them only")
    if args.strokes < 1:
        raise InputError(f"--strokes {args.strokes}: nothing to paint; give 1 or more")
    least = 3 * args.strokes  # a stroke takes up to two policy steps and one try
    for renders in args.renders:
        if renders < least:
            raise InputError(f"--renders {renders}: {args.strokes} strokes need at least {least}; give a larger number")
    for option in ("json", "table", "sheet", "classifier"):
        file = getattr(args, option)
        if file is not None and not file.absolute().parent.is_dir():
            raise InputError(f"--{option} {file}: no such folder; make it first or name another")
    if args.model == "none" and not args.search:
        raise InputError("--model none --no-search: neither policy nor search is left; drop one of them")
    if args.against_search and (args.model == "none" or not args.search):
        raise InputError("--against-search: compares policy and search with pure search; drop the other option")
    if args.first < 0 or (args.count is not None and args.count < 1):
        raise InputError("--first, --count: give an item from 0 on, and 1 item or more")
    if args.every < 1:
        raise InputError(f"--every {args.every}: give 1 or more")
    if args.dreams is not None and not 2 <= args.dreams <= 10**6:
        raise InputError(f"--dreams {args.dreams}: give 2 or more, and a million at most")
    if args.temperature is not None and not all(0 < each <= 10 for each in args.temperature):
        given = " ".join(f"{each:g}" for each in args.temperature)
        raise InputError(f"--temperature {given}: give more than 0, and 10 at most")
    if not 0 <= args.seed < 2**31:
        raise InputError(f"--seed {args.seed}: give a whole number from 0 to {2**31 - 1}")
    strange = OF_TARGETS if args.dreams is not None else OF_DREAMS
    for field in fields(Args):
        if field.name in strange and getattr(args, field.name) != field.default:
            option = field.name.replace("_", "-")
            raise InputError(f"--{option}: is for {'targets' if strange is OF_TARGETS else '--dreams'}; leave it out")


def items_of(args: Args) -> list[Item]:
    """Return the targets.

    Raises:
        InputError: There are none, or one cannot be read.
    """
    import numpy as np

    from planner import datasets
    from planner.collection import shades
    from planner.reproduction import Item
    from planner.target import Target, images_in

    if args.images is not None:
        items = [Item(target.name, target.image) for target in map(Target.load, images_in(args.images))]
        names = [item.name for item in items]
        twice = next((name for name in names if names.count(name) > 1), None)
        if args.save is not None and twice is not None:
            raise InputError(
                f"{args.images}: two images are named {twice}; rename one, since --save names files by them"
            )
        return items
    assert args.part is not None
    whole = datasets.split(args.part, args.data)
    if args.first >= len(whole):
        raise InputError(f"--first {args.first}: {args.part} has {len(whole)} items; give a smaller number")
    if whole[:1].ndim == 4:
        raise InputError(
            f"--set {args.part}: is in colour, and what is measured here paints in black; name another part"
        )
    which = np.arange(args.first, len(whole), args.every)[: args.count]
    pictures = shades(whole[which])
    return [Item(f"{args.part}-{index:05d}", picture) for index, picture in zip(which, pictures, strict=True)]


def reproduce(args: Args, agent: Agent) -> tuple[dict[str, Any], str]:
    """Return the figures as they are written to the JSON file, and the table."""
    from planner import reproduction
    from planner.agent import RENDERS, Agent

    items, budgets = items_of(args), args.renders or (RENDERS,)
    several = args.against_search or (args.search and len(budgets) > 1)

    def setting(run: str) -> reproduction.Setting:
        save = folder_for(args.save, run if several else "")
        return reproduction.Setting(args.strokes, args.seed, engine(args), save)

    runs: list[Run] = []
    if args.against_search or not args.search:
        runs.append(reproduction.alone(agent, items, setting("policy-alone")))
    for renders in budgets if args.search else ():
        runs.append(reproduction.searched(agent, items, renders, setting(f"planner-{renders}")))
        if args.against_search:
            rival = Agent.load("none")
            runs.append(reproduction.searched(rival, items, renders, setting(f"pure-search-{renders}")))
    asked = next(run for run in runs if not args.search or run.renders is not None)
    figures = {
        "model": agent.name,
        "strokes": args.strokes,
        "search": args.search,
        "renders": asked.renders,
        "engine": args.engine,
        "mse": asked.mean("mse"),
        "seconds": asked.mean("seconds"),
        "images": reproduction.images(asked),
        "runs": [reproduction.figures(run, runs) for run in runs],
    }
    return figures, f"{agent.name}: {len(items)} images, {args.strokes} strokes\n\n{reproduction.table(runs)}"


def dream(args: Args, agent: Agent) -> tuple[dict[str, Any], str]:
    """Return the figures as they are written to the JSON file, and the table."""
    from planner import dreams
    from planner.agent import DREAMING
    from planner.reproduction import Setting
    from sim import whole_file

    assert args.dreams is not None
    setting = Setting(args.strokes, args.seed, engine(args), folder_for(args.save, ""))
    temperatures = args.temperature or DREAMING
    measured = dreams.measure(agent, args.dreams, temperatures, args.classifier, args.data, setting)
    if args.sheet is not None:
        whole_file.write_image(args.sheet, dreams.sheet(measured.canvases, args.data))
    kept = {name: getattr(args, name) for name in ("strokes", "seed", "engine")} | {"temperature": list(temperatures)}
    return {"model": agent.name, **kept, **dreams.figures(measured)}, dreams.table(measured)


def engine(args: Args) -> Callable[[Array], Image]:
    """Return what renders programs (n, 12) as canvases (64, 64).

    Raises:
        InputError: The engine is not installed.
    """
    from sim import canvas, mypaint

    if args.engine == "mypaint":
        mypaint.Sheet()  # where it is not installed it is told now, not after the first search
        return mypaint.render
    return canvas.render


def folder_for(save: Path | None, name: str) -> Path | None:
    """Return the folder for the programs of a run, made; None where they are not saved."""
    from sim import whole_file

    if save is not None:
        whole_file.make_folder(save / name)
        return save / name
    return None


def evaluate(args: Args) -> tuple[dict[str, Any], str]:
    """Return the figures as they are written to the JSON file, and the table."""
    check(args)
    dreaming = args.dreams is not None
    import torch

    from planner.agent import Agent

    torch.set_num_threads(1)
    agent = Agent.load(args.model or ("digits" if dreaming else "line-art"))
    if dreaming and not agent.unconditional:
        raise InputError(f"--dreams: the model {agent.name} reproduces targets; name one that paints by itself")
    if not dreaming and agent.unconditional:
        raise InputError(f"the model {agent.name} paints by itself, it reproduces no targets; give --dreams N")
    return dream(args, agent) if dreaming else reproduce(args, agent)


def main() -> int:
    """Run the command; return its exit code."""
    args = tyro.cli(Args, prog="spiral-evaluate", description=MANUAL)
    try:
        figures, table = evaluate(args)
        from sim import whole_file

        if args.json is not None:
            whole_file.write(args.json, json.dumps(figures, indent=1) + "\n")
        if args.table is not None:
            whole_file.write(args.table, table)
    except InputError as error:
        print(f"spiral-evaluate: {error}", file=sys.stderr)
        return 2
    print(table, end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
