"""Stroke programs: what to paint, in which order, and where it came from."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from planner import svg
from sim import whole_file
from sim.errors import InputError
from sim.stroke import COLUMNS, Array

FORMAT: Final = "spiral_painter.program"
VERSION: Final = 1
FIELDS: Final = ("format", "version", "provenance", "aspect", "columns", "strokes")
WIDEST_ASPECT: Final = 100.0


@dataclass(frozen=True)
class Provenance:
    """Where a program came from."""

    model: str
    """Name of the planner's model, for example `line-art`."""
    seed: int
    """Seed of the planner's random generator."""
    target_digest: str
    """SHA-256 of the target as the planner saw it, hexadecimal; empty when there was no target."""

    def __post_init__(self) -> None:
        for field, kind in (("model", str), ("seed", int), ("target_digest", str)):
            value = getattr(self, field)
            if not isinstance(value, kind) or isinstance(value, bool):
                raise InputError(f"provenance.{field}: is {_shown(value)}, must be a {_KINDS[kind]}")


@dataclass(frozen=True, eq=False)
class StrokeProgram:
    """Strokes in painting order, with the shape of their canvas and their provenance.

    Raises:
        InputError: a stroke cannot be painted; the message names the field and the stroke, counted from 1.
    """

    strokes: Array
    """(n, 12) float64, read-only, columns as in `sim.stroke.COLUMNS`, n at least 1."""
    aspect: float
    """Width over height of the canvas."""
    provenance: Provenance

    def __post_init__(self) -> None:
        if not _is_number(self.aspect) or not 1 / WIDEST_ASPECT <= self.aspect <= WIDEST_ASPECT:
            raise InputError(f"aspect: is {_shown(self.aspect)}, must be the canvas's width over its height")
        strokes = np.array(self.strokes, dtype=np.float64)
        _check(strokes, self.extent)
        strokes.setflags(write=False)
        object.__setattr__(self, "strokes", strokes)
        object.__setattr__(self, "aspect", float(self.aspect))

    def __len__(self) -> int:
        return len(self.strokes)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, StrokeProgram):
            return NotImplemented
        return (
            np.array_equal(self.strokes, other.strokes)
            and self.aspect == other.aspect
            and self.provenance == other.provenance
        )

    @property
    def extent(self) -> tuple[float, float]:
        """Largest u and largest v on the canvas; the longer side's is 1."""
        return min(1.0, self.aspect), min(1.0, 1.0 / self.aspect)

    def to_json(self) -> str:
        """Return the program as JSON, a line a stroke; `from_json` gives exactly the same program back."""
        fields = [
            ("format", FORMAT),
            ("version", VERSION),
            ("provenance", vars(self.provenance)),
            ("aspect", self.aspect),
            ("columns", COLUMNS),
        ]
        head = "".join(f'  "{name}": {json.dumps(value)},\n' for name, value in fields)
        rows = ",\n".join(f"    {json.dumps(row)}" for row in self.strokes.tolist())
        return f'{{\n{head}  "strokes": [\n{rows}\n  ]\n}}\n'

    @classmethod
    def from_json(cls, text: str, where: str = "program") -> StrokeProgram:
        """Read a program from JSON.

        Args:
            text: What `to_json` gave, or a person wrote.
            where: Name of the file, for messages.

        Raises:
            InputError: no JSON, another version, or a field is missing or wrong.
        """
        try:
            value = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise InputError(f"{where}: is no whole JSON file ({error}); write the program again") from None
        try:
            return cls(*_parts(value))
        except InputError as error:
            raise InputError(f"{where}: {error}") from None

    def to_svg(self, width_mm: float = 200.0) -> str:
        """Return the program as SVG in millimetres, one path a stroke; `from_svg` gives exactly the program back.

        Args:
            width_mm: Width of the canvas [mm].
        """
        header = {"format": FORMAT, "version": VERSION, "provenance": vars(self.provenance), "aspect": self.aspect}
        return svg.write(self.strokes, self.aspect, width_mm, json.dumps(header))

    @classmethod
    def from_svg(cls, text: str, where: str = "program") -> StrokeProgram:
        """Read a program from the SVG that `to_svg` gave.

        Raises:
            InputError: no SVG of ours, another version, or a field is missing or wrong.
        """
        try:
            header, rows = svg.read(text)
            try:
                value = json.loads(header)
            except (ValueError, RecursionError) as error:
                raise InputError(f"metadata: is no JSON ({error}); write the program again") from None
            if isinstance(value, dict):
                value |= {"columns": list(COLUMNS), "strokes": rows}
            return cls(*_parts(value))
        except InputError as error:
            raise InputError(f"{where}: {error}") from None

    def save(self, path: str | Path) -> None:
        """Write the program, whole or not at all, as SVG where the name ends in .svg and as JSON elsewhere.

        Raises:
            InputError: the file cannot be written.
        """
        path = Path(path)
        whole_file.write(path, self.to_svg() if path.suffix.lower() == ".svg" else self.to_json())

    @classmethod
    def load(cls, path: str | Path) -> StrokeProgram:
        """Read a program, SVG where the name ends in .svg and JSON elsewhere.

        Raises:
            InputError: the file cannot be read or holds no valid program.
        """
        path = Path(path)
        try:
            text = path.read_text(encoding="utf-8")
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error.strerror}); name a program's file") from None
        except UnicodeDecodeError:
            raise InputError(f"{path}: is no text; name a program's .json or .svg file") from None
        except ValueError as error:
            raise InputError(f"{str(path)!r}: is no name of a file ({error}); name a program's file") from None
        return (cls.from_svg if path.suffix.lower() == ".svg" else cls.from_json)(text, str(path))


_KINDS: Final = {str: "string", int: "whole number"}


def _shown(value: object) -> str:
    """Return the value in a few characters on one line."""
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | np.floating) and not isinstance(value, bool)


def _check(strokes: Array, extent: tuple[float, float]) -> None:
    """Raise for the first stroke that cannot be painted."""
    if strokes.ndim != 2 or strokes.shape[1] != len(COLUMNS):
        raise InputError(f"strokes: have the shape {strokes.shape}, must be rows of {len(COLUMNS)} columns")
    if not len(strokes):
        raise InputError("strokes: are none; a program needs at least one")
    highest = np.array([*extent * 3, 1, 1, 1, 1, 1, 1])
    wrong = ~((strokes >= 0) & (strokes <= highest))  # NaN is neither
    wrong[:, 6:9] |= ~(strokes[:, 6:9] > 0)
    if wrong.any():
        index, column = np.argwhere(wrong)[0]
        opening = "(" if 6 <= column < 9 else "["
        raise InputError(
            f"{COLUMNS[column]}: is {strokes[index, column]:.6g} in stroke {index + 1} of {len(strokes)}, "
            f"must lie in {opening}0, {highest[column]:.6g}]"
        )


def _parts(value: Any) -> tuple[Array, float, Provenance]:
    """Return strokes, aspect and provenance from decoded JSON, their types checked."""
    if not isinstance(value, dict):
        raise InputError(f"must hold the fields {', '.join(FIELDS)}")
    if value.get("format") != FORMAT:
        raise InputError(f"format: is {_shown(value.get('format'))}, must be {FORMAT!r}; name a stroke program")
    if type(value.get("version")) is not int or value["version"] != VERSION:
        raise InputError(f"version: is {_shown(value.get('version'))}, this release reads {VERSION}; plan it again")
    for field in FIELDS:
        if field not in value:
            raise InputError(f"{field}: is missing; write the program again")
    if value["columns"] != list(COLUMNS):
        raise InputError(f"columns: must be {', '.join(COLUMNS)}, in this order")
    if not isinstance(value["strokes"], list):
        raise InputError("strokes: must be a list")
    for index, row in enumerate(value["strokes"]):
        where = f"in stroke {index + 1} of {len(value['strokes'])}"
        if not isinstance(row, list) or len(row) != len(COLUMNS):
            raise InputError(f"strokes: {_shown(row)} {where}, must be a list of {len(COLUMNS)} numbers")
        for column, number in zip(COLUMNS, row, strict=True):
            if not _is_number(number) or abs(number) > 1e300:
                raise InputError(f"{column}: is {_shown(number)} {where}, must be a number")
    origin = value["provenance"]
    if not isinstance(origin, dict) or set(origin) != {"model", "seed", "target_digest"}:
        raise InputError("provenance: must hold model, seed and target_digest")
    strokes = np.array(value["strokes"], dtype=np.float64).reshape(-1, len(COLUMNS))
    return strokes, value["aspect"], Provenance(**origin)
