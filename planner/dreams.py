"""What an unconditional agent paints by itself, beside real digits and random strokes, as a classifier sees it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import entropy
from tqdm import tqdm

from planner import classifier
from planner.actions import COMPONENTS, FLAG, GRID, JUMP, PAINT, Actions, Pen, apply
from planner.agent import Agent
from planner.classifier import Reading
from planner.datasets import labels, split
from planner.frechet import frechet_distance
from planner.reproduction import PAPER_MM, Setting
from sim import whole_file
from sim.canvas import Image
from sim.errors import InputError
from sim.stroke import CONTROL, END, START, Array, lengths

SURE: Final = 0.9
"""Probability from which the classifier counts as sure."""
ON_SHEET: Final = 100
"""Dreams on a sheet, at most."""
ACROSS: Final = 10
COMPARED: Final = 5000
"""Training images that are compared at once."""


@dataclass(frozen=True)
class Row:
    """The figures of a set of pictures."""

    what: str
    sure: float
    """Share of pictures in which the classifier sees some digit with a probability of `SURE` or more."""
    entropy_nats: float
    """Of the digits that it sees; ten that are equally frequent have 2.303."""
    frechet: float
    """Fréchet distance of its features to those of MNIST's test digits."""
    strokes: float | None
    """Mean number, None where nothing was painted."""
    ink_mm: float | None
    """Mean length of all strokes on paper of `PAPER_MM` [mm]."""


@dataclass(frozen=True)
class Dreams:
    """What was measured."""

    rows: list[Row]
    """The agent's first; then real digits, the floor, and random strokes, the ceiling."""
    accuracy: float
    """Of the classifier, on `items` of MNIST's test digits."""
    items: int
    seconds: float
    """To dream and render, a sample."""
    canvases: Image
    """(n, 64, 64) what was dreamt."""


def measure(
    agent: Agent, count: int, temperatures: tuple[float, float], judge: Path | None, data: Path, setting: Setting
) -> Dreams:
    """Let an agent dream, with one seed after another, and measure.

    Args:
        agent: An unconditional one.
        count: Dreams; as many real digits are the floor, and as many random programs the ceiling.
        temperatures: Of the sampling of a dream's first stroke, and of those after it.
        judge: The classifier's file, as `obtain` takes it.
        data: Folder with MNIST.
        setting: How to paint; its seed is the first dream's.

    Raises:
        InputError: MNIST or the classifier is missing or damaged.
    """
    test = split("mnist-test", data)[:]
    held = split("mnist-validation", data)[:count]
    reader, about = obtain(judge, data)
    real = classifier.read(reader, test)
    strokes, seed = setting.strokes, setting.seed
    agent.dreams([seed], 1)  # compiled code is loaded once, before the clock starts
    started = time.perf_counter()
    programs = agent.dreams(range(seed, seed + count), strokes, temperatures=temperatures)
    canvases = painted(programs, setting)
    seconds = (time.perf_counter() - started) / count
    if setting.save is not None:
        for index, (program, canvas) in enumerate(zip(programs, canvases, strict=True), start=seed):
            agent.program(program, None, index).save(setting.save / f"{agent.name}-{index}.json")
            whole_file.write_image(setting.save / f"{agent.name}-{index}.png", canvas)
    rng = np.random.default_rng(seed)
    uniform, wide = random_programs(count, strokes, rng), scattered(programs, rng)
    pictures: dict[str, tuple[Array | None, Image | NDArray[np.uint8]]] = {
        f"{agent.name}, {count} dreams": (programs, canvases),
        f"{len(held)} real digits (MNIST validation): the floor": (None, held),
        f"{count} random programs, of any width: the ceiling": (uniform, painted(uniform, setting)),
        f"{count} random programs, as wide as the dreams": (wide, painted(wide, setting)),
    }
    rows = [row(what, found, classifier.read(reader, shown), real) for what, (found, shown) in pictures.items()]
    return Dreams(rows, about["accuracy"], about["items"], seconds, canvases)


def row(what: str, programs: Array | None, reading: Reading, real: Reading) -> Row:
    """Return the figures of pictures that the classifier has read, and of their programs (n, strokes, 12) if any."""
    seen = np.bincount(reading.probabilities.argmax(axis=1), minlength=classifier.CLASSES)
    return Row(
        what,
        float((reading.probabilities.max(axis=1) >= SURE).mean()),
        float(entropy(seen)),
        frechet_distance(reading.features, real.features),
        None if programs is None else float(programs.shape[1]),
        None if programs is None else PAPER_MM * float(lengths(programs.reshape(-1, 12)).sum()) / len(programs),
    )


def obtain(file: Path | None, data: Path) -> tuple[classifier.DigitClassifier, dict[str, Any]]:
    """Return a classifier and what is known about it: the shipped one, or one from a file, trained if there is none.

    Raises:
        InputError: The file is damaged or cannot be written, or MNIST is missing.
    """
    if file is None or file.exists():
        return classifier.load(file or classifier.SHIPPED)
    if not file.absolute().parent.is_dir():
        raise InputError(f"--classifier {file}: no such folder; make it first or name another")
    trained = classifier.train(split("mnist-train", data)[:], labels("mnist-train", data))
    test, digits = split("mnist-test", data)[:], labels("mnist-test", data)
    about = {"accuracy": classifier.accuracy(trained, test, digits), "items": len(test)}
    classifier.save(file, trained, about)
    return trained, about


def random_programs(count: int, strokes: int, rng: np.random.Generator) -> Array:
    """Return programs (count, strokes, 12) of the compound action's components drawn uniformly, the flag too."""
    pen = Pen.at_start(count)
    programs = np.empty((count, strokes, 12))
    for step in range(strokes):
        jumps = rng.random(count) < 0.5
        _, _, landed = apply(_random_actions(count, JUMP, rng), pen)
        pen = Pen(
            np.where(jumps[:, None], landed.position, pen.position), np.where(jumps, landed.pressure, pen.pressure)
        )
        programs[:, step], _, pen = apply(_random_actions(count, PAINT, rng), pen)
    return programs


def _random_actions(count: int, flag: int, rng: np.random.Generator) -> Actions:
    actions = np.stack([rng.integers(size, size=count) for size in COMPONENTS.values()], axis=1)
    actions[:, FLAG] = flag
    return actions


def scattered(programs: Array, rng: np.random.Generator) -> Array:
    """Return programs (n, strokes, 12) with each stroke's points anywhere on the grid, its widths as they are."""
    thrown = programs.copy()
    for points in (START, CONTROL, END):
        thrown[..., points] = rng.integers(GRID, size=(*programs.shape[:2], 2)) / GRID
    return thrown


def painted(programs: Array, setting: Setting) -> Image:
    """Return the canvases (n, 64, 64) of programs (n, strokes, 12)."""
    return np.stack([setting.render(program) for program in programs])


def sheet(canvases: Image, data: Path) -> NDArray[np.uint8]:
    """Return a picture of the first dreams (n, 64, 64), each with the nearest MNIST training image to its right."""
    shown = canvases[:ON_SHEET]
    near = nearest(shown, split("mnist-train", data)[:])
    dreams = np.rint(255 * shown).astype(np.uint8)
    pairs = [np.pad(np.hstack(pair), ((2, 2), (2, 6)), constant_values=160) for pair in zip(dreams, near, strict=True)]
    pairs += [np.full_like(pairs[0], 160)] * (-len(pairs) % ACROSS)
    return np.vstack([np.hstack(pairs[first : first + ACROSS]) for first in range(0, len(pairs), ACROSS)])


def nearest(canvases: Image, pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return of pictures (m, 64, 64) those (n, 64, 64) with the least squared error to canvases (n, 64, 64)."""
    wanted = canvases.reshape(len(canvases), -1)
    least, index = np.full(len(canvases), np.inf), np.zeros(len(canvases), np.int64)
    for first in tqdm(range(0, len(pictures), COMPARED), desc="nearest images", disable=None):
        some = pictures[first : first + COMPARED].reshape(-1, wanted.shape[1]).astype(np.float32) / 255
        distance = (some**2).sum(axis=1)[None] - 2 * wanted @ some.T
        closest = distance.argmin(axis=1)
        value = distance[np.arange(len(wanted)), closest]
        index[value < least] = first + closest[value < least]
        least = np.minimum(least, value)
    return pictures[index]


def figures(dreams: Dreams) -> dict[str, Any]:
    """Return the figures as they are written to the JSON file."""
    return {
        "classifier_accuracy": dreams.accuracy,
        "classifier_test_items": dreams.items,
        "seconds": dreams.seconds,
        "rows": [asdict(row) for row in dreams.rows],
    }


def table(dreams: Dreams) -> str:
    """Return the figures as a Markdown table, and below it whose judgement they are."""
    heads = ("what", f"sure (≥ {SURE})", "class entropy [nats]", "Fréchet distance", "strokes", "ink [mm]")
    rows: list[Sequence[str]] = [heads, ["---"] * len(heads)]
    for one in dreams.rows:
        painted = ("", "") if one.strokes is None else (f"{one.strokes:.1f}", f"{one.ink_mm:.0f}")
        rows.append((one.what, f"{100 * one.sure:.1f} %", f"{one.entropy_nats:.3f}", f"{one.frechet:.1f}", *painted))
    lines = "".join(f"| {' | '.join(row)} |\n" for row in rows)
    return (
        f"{lines}\nThe classifier recognises {100 * dreams.accuracy:.2f} % of {dreams.items} MNIST test digits; no "
        f"reward uses it. Fréchet distances are to those digits, on its last hidden layer. Ink on paper of "
        f"{PAPER_MM:.0f} mm; {1000 * dreams.seconds:.1f} ms a dream.\n"
    )
