"""How near programs come to their targets: of the policy alone, of policy and search, and of pure search."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from tqdm import tqdm

from planner.actions import WidthLimits
from planner.agent import Agent
from planner.program import StrokeProgram
from sim import canvas, whole_file
from sim.canvas import Image
from sim.stroke import Array, lengths

PAPER_MM: Final = 200.0
"""Side of the paper on which ink is measured: the default one of the arm [mm]."""
ALONE: Final = "policy alone, greedy"
PURE: Final = "pure search"
PLANNER: Final = "policy + search"


@dataclass(frozen=True, eq=False)
class Item:
    """A target with its name."""

    name: str
    image: Image
    """(64, 64)"""


@dataclass(frozen=True)
class Setting:
    """How targets are painted, whoever plans."""

    strokes: int
    """At most."""
    seed: int
    render: Callable[[Array], Image] = canvas.render
    """Of the engine in which the programs are measured; they are planned in the solid one."""
    save: Path | None = None
    """Folder for programs and renders."""


@dataclass(frozen=True)
class Painted:
    """What became of a target."""

    name: str
    mse: float
    """Mean squared error over the 64×64 pixels."""
    strokes: int
    ink_mm: float
    """Length of all strokes on paper of `PAPER_MM` [mm]."""
    seconds: float


@dataclass(frozen=True)
class Run:
    """One way to plan, measured on all targets."""

    planner: str
    """`ALONE`, `PLANNER` or `PURE`."""
    renders: int | None
    """Canvas renders a target; None for the policy alone."""
    images: list[Painted]

    def mean(self, figure: str) -> float:
        """Return the mean of a figure of `Painted` over the targets."""
        return float(np.mean([getattr(image, figure) for image in self.images]))


def alone(agent: Agent, items: Sequence[Item], setting: Setting) -> Run:
    """Measure the policy alone: one greedy rollout a target, all together; a target's time is its share."""
    targets = np.stack([item.image for item in items])
    agent.greedy_batch(targets[:1], setting.strokes, WidthLimits())
    started = time.perf_counter()
    found = agent.greedy_batch(targets, setting.strokes, WidthLimits())
    seconds = (time.perf_counter() - started) / len(items)
    programs = [agent.program(one, item.image, setting.seed) for one, item in zip(found, items, strict=True)]
    return Run(ALONE, None, [measured(*pair, seconds, setting) for pair in zip(items, programs, strict=True)])


def searched(agent: Agent, items: Sequence[Item], renders: int, setting: Setting) -> Run:
    """Measure the agent with a budget of canvas renders a target, or pure search where it has no policy.

    Each target has a seed of its own: with one for all, the same luck moves the mean by 6 %, however many there are.
    """
    planner = PURE if agent.policy is None else PLANNER
    strokes, seed = setting.strokes, setting.seed
    # Compiled code is loaded once, before the clock starts.
    agent.paint(canvas.blank(64), strokes, seed, renders=renders)
    images = []
    shown = tqdm(items, desc=f"{planner}, {renders} renders", unit="image", disable=None)
    for number, item in enumerate(shown, seed):
        started = time.perf_counter()
        program = agent.paint(item.image, strokes, number, renders=renders)
        images.append(measured(item, program, time.perf_counter() - started, setting))
    return Run(planner, renders, images)


def measured(item: Item, program: StrokeProgram, seconds: float, setting: Setting) -> Painted:
    """Return the figures of a program; write it and its 64×64 render where the setting has a folder for them."""
    painted = setting.render(program.strokes)
    if setting.save is not None:
        program.save(setting.save / f"{item.name}.json")
        whole_file.write_image(setting.save / f"{item.name}.png", painted)
    error = float(((painted - item.image) ** 2).mean())
    ink_mm = PAPER_MM * float(lengths(program.strokes).sum())
    return Painted(item.name, error, len(program), ink_mm, seconds)


def below(run: Run, runs: Sequence[Run]) -> float | None:
    """Return by which share a run's error lies below that of pure search with as many renders, None without one."""
    rivals = [other for other in runs if other.planner == PURE and other.renders == run.renders and other is not run]
    return 1 - run.mean("mse") / rivals[0].mean("mse") if rivals else None


def figures(run: Run, runs: Sequence[Run]) -> dict[str, Any]:
    """Return the means of a run as they are written to the JSON file."""
    means = {name: run.mean(name) for name in ("mse", "strokes", "ink_mm", "seconds")}
    return {"planner": run.planner, "renders": run.renders, **means, "below_pure_search": below(run, runs)}


def images(run: Run) -> list[dict[str, Any]]:
    """Return the figures of each image as they are written to the JSON file."""
    return [asdict(image) for image in run.images]


def table(runs: Sequence[Run]) -> str:
    """Return the figures of all runs as a Markdown table."""
    columns: dict[str, Callable[[Run], str]] = {
        "planner": lambda run: run.planner,
        "renders": lambda run: "" if run.renders is None else str(run.renders),
        "mse": lambda run: f"{run.mean('mse'):.5f}",
        "below pure search": lambda run: "" if (share := below(run, runs)) is None else f"{100 * share:.0f} %",
        "strokes": lambda run: f"{run.mean('strokes'):.1f}",
        f"ink [mm, paper of {PAPER_MM:.0f} mm]": lambda run: f"{run.mean('ink_mm'):.0f}",
        "time [ms]": lambda run: f"{1000 * run.mean('seconds'):.1f}",
    }
    rows = [list(columns), ["---"] * len(columns), *([cell(run) for cell in columns.values()] for run in runs)]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)
