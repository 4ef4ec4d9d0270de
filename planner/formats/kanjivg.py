"""KanjiVG as it is published: one SVG a character, one path a stroke (https://kanjivg.tagaini.net)."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np

from planner.collection import Collection, Indices, Pictures
from planner.formats.files import Files
from planner.formats.sketches import Lines, fit, line_width_px
from sim.errors import InputError

PIECES: Final = 12
"""Straight pieces that stand for a cubic Bézier."""
_PATH: Final = re.compile(r"<path\b[^>]*?\sd\s*=\s*[\"']([^\"']*)[\"']", re.S)
_TOKEN: Final = re.compile(r"[A-Za-z]|[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
_NUMBERS: Final = {"M": 2, "L": 2, "H": 1, "V": 1, "C": 6, "S": 4}
_T: Final = np.linspace(0, 1, PIECES + 1)[1:]
_BERNSTEIN: Final = np.stack(((1 - _T) ** 3, 3 * _T * (1 - _T) ** 2, 3 * _T**2 * (1 - _T), _T**3), axis=1)
"""(PIECES, 4) weights of a cubic Bézier's points, its start left out."""


def collection(paths: list[Path]) -> Collection:
    """Return the characters of a zip of SVG files or of the folder of these, sorted by name.

    Args:
        paths: The zip, or the SVG files of one folder.

    Raises:
        InputError: The zip is damaged or holds no SVG; on drawing, a file is damaged.
    """
    archive = paths[0].suffix.lower() == ".zip"
    files = Files.find(paths[0], (".svg",)) if archive else Files(paths[0].parent, tuple(file.name for file in paths))
    return Collection(len(files.names), partial(_draw, files), files.place)


def _draw(files: Files, which: Indices) -> Pictures:
    pictures = []
    for index in which:
        text = files.read(int(index)).decode("utf-8", errors="replace")
        try:
            if "</svg>" not in text:
                raise ValueError("cut short")
            lines = [line for path in _PATH.findall(text) for line in polylines(path)]
            if not lines:
                raise ValueError("no strokes")
        except ValueError as error:
            raise InputError(
                f"{files.place(int(index))}: is no character of KanjiVG ({error}); get a whole copy of the file"
            ) from None
        pictures.append(fit(lines, line_width_px(int(index))))
    return np.array(pictures, np.uint8)


def polylines(path: str) -> Lines:
    """Return the lines of an SVG path of moves, lines and cubic Béziers (SVG 1.1, section 8.3).

    Raises:
        ValueError: It has another command, or not the numbers that its commands need.
    """
    tokens = _TOKEN.findall(path)
    lines: list[list[complex]] = []
    here = reflected = 0j
    command, at = "", 0
    while at < len(tokens):
        if tokens[at].isalpha():
            command, at = tokens[at], at + 1
        count = _NUMBERS.get(command.upper())
        if count is None:
            raise ValueError(f"path command {command or 'missing'}")
        values = [float(token) for token in tokens[at : at + count]]
        at += count
        if len(values) < count or (not lines and command not in "Mm"):
            raise ValueError("a path is cut short")
        points = _points(command, values, here)
        if command in "Mm":
            lines.append(points)
            command = "L" if command == "M" else "l"  # pairs of numbers that follow a move are lines
        elif command in "CcSs":
            controls = [here, *points] if command in "Cc" else [here, reflected, *points]
            lines[-1] += (_BERNSTEIN @ np.array(controls)).tolist()
        else:
            lines[-1] += points
        here = points[-1]
        reflected = 2 * here - points[-2] if command in "CcSs" else here
    return [np.array([(point.real, point.imag) for point in line]) for line in lines]


def _points(command: str, values: list[float], here: complex) -> list[complex]:
    """Return the points x + iy that a command's numbers name."""
    origin = here if command.islower() else 0j
    if command in "Hh":
        return [complex(origin.real + values[0], here.imag)]
    if command in "Vv":
        return [complex(here.real, origin.imag + values[0])]
    return [origin + complex(x, y) for x, y in zip(values[::2], values[1::2], strict=True)]
