"""`spiral-evaluate`: how near a model's programs come to their targets, and in what time."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from sim.errors import InputError

if TYPE_CHECKING:
    from planner.agent import Agent


@dataclass
class Args:
    """Paint a folder of images in the simulated canvas and report the mean squared error over 64×64 pixels in [0, 1].

    A 64×64 grey image is used exactly as it is; others become targets as in spiral-paint.
    """

    images: Path
    """Folder of PNG, JPEG or WebP images."""
    model: str = "line-art"
    """Shipped model, a checkpoint file, or `none` for pure search."""
    strokes: int = 8
    """Painted strokes a target, at most."""
    renders: Annotated[int | None, tyro.conf.arg(metavar="N")] = None
    """Canvas renders a target, a policy step counting as one; the planner's own number by default."""
    search: bool = True
    """With --no-search the policy alone: one greedy rollout, nothing tried."""
    seed: int = 0
    """Of the search."""
    save: Path | None = None
    """Folder for each image's program (JSON) and its 64×64 render (PNG)."""
    json: Path | None = None
    """File for the figures: `mse` and `seconds` as means, and `images`."""


def evaluate(args: Args) -> dict[str, Any]:
    """Return the figures as they are written to the JSON file."""
    if args.strokes < 1:
        raise InputError(f"--strokes {args.strokes}: nothing to paint; give 1 or more")
    least = 3 * args.strokes  # a stroke takes up to two policy steps and one try
    if args.renders is not None and args.renders < least:
        raise InputError(
            f"--renders {args.renders}: {args.strokes} strokes need at least {least}; give a larger number"
        )
    if args.json is not None and not args.json.absolute().parent.is_dir():
        raise InputError(f"--json {args.json}: no such folder; make it first or name another")
    if args.model == "none" and not args.search:
        raise InputError("--model none --no-search: neither policy nor search is left; drop one of them")
    from planner.target import Target, images_in

    targets = [Target.load(file) for file in images_in(args.images)]
    names = [target.name for target in targets]
    if args.save is not None and len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"{args.images}: two images are named {twice}; rename one, since --save names files by them")

    import torch
    from tqdm import tqdm

    from planner.agent import Agent
    from sim import whole_file
    from sim.canvas import blank, render

    torch.set_num_threads(1)
    agent = Agent.load(args.model)
    if args.save:
        whole_file.make_folder(args.save)
    plan(agent, args, blank(64))  # compiled code is loaded once, before the clock starts
    images: list[dict[str, Any]] = []
    for target in tqdm(targets, unit="image", disable=None):
        started = time.perf_counter()
        program = plan(agent, args, target.image)
        seconds = time.perf_counter() - started
        painted = render(program.strokes)
        error = float(((painted - target.image) ** 2).mean())
        images.append({"name": target.name, "mse": error, "strokes": len(program), "seconds": seconds})
        if args.save:
            program.save(args.save / f"{target.name}.json")
            whole_file.write_image(args.save / f"{target.name}.png", painted)
    return {
        "model": agent.name,
        "strokes": args.strokes,
        "search": args.search,
        "renders": args.renders,
        "mse": sum(image["mse"] for image in images) / len(images),
        "seconds": sum(image["seconds"] for image in images) / len(images),
        "images": images,
    }


def plan(agent: Agent, args: Args, image: Any) -> Any:
    """Return the program of one target (64, 64)."""
    from planner.actions import WidthLimits
    from planner.agent import RENDERS

    if args.search:
        return agent.paint(image, args.strokes, args.seed, renders=args.renders or RENDERS)
    return agent.program(agent.greedy(image, args.strokes, WidthLimits()), image, args.seed)


def main() -> int:
    """Run the command; return its exit code."""
    args = tyro.cli(Args, prog="spiral-evaluate")
    try:
        figures = evaluate(args)
        if args.json:
            from sim import whole_file

            whole_file.write(args.json, (json.dumps(figures, indent=1) + "\n").encode())
    except InputError as error:
        print(f"spiral-evaluate: {error}", file=sys.stderr)
        return 2
    print(f"{len(figures['images'])} images: mse {figures['mse']:.5f}, {1000 * figures['seconds']:.0f} ms an image")
    return 0


if __name__ == "__main__":
    sys.exit(main())
