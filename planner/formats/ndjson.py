"""Quick, Draw! as Google publishes it: one ndjson file a category, one drawing a line."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from planner.collection import Collection
from planner.formats.damage import unreadable
from planner.formats.sketches import Drawings, Lines
from sim.errors import InputError

AT_MOST: Final = 10_000
"""Drawings that are read, in equal shares from the beginning of each file: the published files hold 50 million."""
LEAST_A_FILE: Final = 25


@dataclass(frozen=True)
class _Places:
    """Where the drawings of several files stand."""

    paths: list[Path]
    firsts: NDArray[np.int64]
    """Position of the first drawing of each file."""

    def __call__(self, index: int) -> str:
        file = int(np.searchsorted(self.firsts, index, side="right")) - 1
        return f"{self.paths[file]}, line {index - self.firsts[file] + 1}"


def collection(paths: list[Path]) -> Collection:
    """Return the first drawings of each file, file after file.

    Raises:
        InputError: A file cannot be read or is empty, or a line is no drawing.
    """
    share = max(LEAST_A_FILE, AT_MOST // len(paths))
    read = [_drawings(path, share) for path in paths]
    drawings = [drawing for some in read for drawing in some]
    found = Drawings(
        np.concatenate([line for drawing in drawings for line in drawing]),
        np.cumsum([0] + [len(line) for drawing in drawings for line in drawing]),
        np.cumsum([0] + [len(drawing) for drawing in drawings]),
    )
    firsts = np.cumsum([0] + [len(some) for some in read[:-1]])
    return Collection(len(drawings), found.draw, _Places(paths, firsts))


def _drawings(path: Path, count: int) -> list[Lines]:
    drawings: list[Lines] = []
    try:
        with path.open(encoding="utf-8") as file:
            for line in islice(file, count):
                drawings.append(_lines(json.loads(line)))
    except (ValueError, KeyError, TypeError, IndexError) as error:
        reason = f"no {error}" if isinstance(error, KeyError) else error
        place = f"{path}, line {len(drawings) + 1}"
        raise InputError(f"{place}: is no drawing ({reason}); get a whole copy of the file") from None
    except OSError as error:
        raise unreadable(path, "as ndjson", error) from None
    if not drawings:
        raise InputError(f"{path}: is empty; get a whole copy of the file, or remove it")
    return drawings


def _lines(entry: Any) -> Lines:
    """Return the lines of a drawing: a list of strokes, each the list of its x, that of its y, and maybe its times."""
    lines = [np.array(stroke[:2], np.float64).T for stroke in entry["drawing"]]
    if not lines or any(line.ndim != 2 or line.shape[1] != 2 or not len(line) for line in lines):
        raise ValueError("a stroke is a list of x and as long a list of y")
    if not all(np.isfinite(line).all() for line in lines):
        raise ValueError("a coordinate is no number")
    return lines
