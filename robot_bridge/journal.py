"""The journal of a painting: what was really done, on the disk before the next stroke begins.

A journal is the file `journal.jsonl` in the painting's out folder, one JSON object a line. The first is the header;
each line after it has an `entry` (its kind) and `unix_s` (when). Lines are only ever appended, and each is on the disk
before `append` returns, so that a job killed at any time resumes from it.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import math
import os
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, Self, get_args

import numpy as np

from sim.errors import InputError
from sim.stroke import COLUMNS, Array

Kind = Literal[
    "planned",
    "stroke_done",
    "stroke_cut",
    "observed",
    "scored",
    "shifted",
    "unpainted",
    "paused",
    "cancelled",
    "fault",
    "finished",
]
"""What an entry tells: `planned` the strokes to come, `stroke_done` one executed stroke, `stroke_cut` what is on the
paper of one that was not finished; `observed`, `scored`, `shifted` and `unpainted` what a look at the canvas gave;
`paused` and `cancelled` that somebody asked for it, `fault` why the arm holds, `finished` the end of the painting."""

FORMAT: Final = "spiral_painter.journal"
VERSION: Final = 1
NAME: Final = "journal.jsonl"
RESERVE: Final = ".journal-reserve"
RESERVE_BYTES: Final = 1 << 16


class Journal:
    """The journal of one painting, open for appending; use it as a context manager.

    Attributes:
        folder: The painting's out folder.
        header: What `create` was given: settings, target digest, robot, canvas, brush, seed.
        entries: All entries after the header, oldest first; the fields as they were appended.
    """

    def __init__(self, folder: Path, descriptor: int, header: dict[str, Any], entries: list[dict[str, Any]]) -> None:
        """Use `create` or `resume`."""
        self.folder = folder
        self.header = header
        self.entries = entries
        self._descriptor = descriptor
        self._executed, self._planned = _strokes(folder / NAME, entries)

    @classmethod
    def create(cls, folder: Path, header: Mapping[str, Any]) -> Journal:
        """Begin the journal of a new painting.

        Args:
            folder: The painting's out folder, which exists.
            header: What a resumed job needs; any JSON values and numpy arrays.

        Raises:
            InputError: the folder cannot be written, or holds a journal already.
        """
        path, part = folder / NAME, folder / f".{NAME}.{os.getpid()}.part"
        if os.path.lexists(path):
            raise _taken(folder)
        try:
            descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o644)
        except OSError as error:
            raise InputError(f"{path}: cannot be written ({error.strerror}); choose another out folder") from None
        fields = _plain(dict(header))
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            _reserve(folder)
            _write(path, descriptor, {"format": FORMAT, "version": VERSION, "unix_s": time.time(), "header": fields})
            _place(part, path)
        except BaseException:
            os.close(descriptor)
            _remove(part)
            _remove(folder / RESERVE)
            raise
        _sync_folder(folder)
        return cls(folder, descriptor, fields, [])

    @classmethod
    def resume(cls, folder: Path) -> Journal:
        """Open the journal of a painting that was stopped or killed, to go on with it.

        A last line that the kill tore is dropped: its write had not returned, so nothing was built on it.

        Raises:
            InputError: there is no journal, another process writes it, or a line other than the last is damaged.
        """
        path = folder / NAME
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_APPEND)
        except OSError as error:
            raise InputError(f"{path}: nothing to resume ({error.strerror}); name a painting's out folder") from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            header, entries, whole = _parse(path, path.read_bytes())
            os.ftruncate(descriptor, whole)
            _reserve(folder)
            return cls(folder, descriptor, header, entries)
        except InputError:
            os.close(descriptor)
            raise
        except OSError as error:
            os.close(descriptor)
            raise InputError(f"{path}: in use or not writable ({error.strerror}); end the other painting") from None

    @property
    def executed(self) -> Array:
        """The (n, 12) strokes that were executed, in order."""
        return np.array(self._executed, dtype=np.float64).reshape(-1, len(COLUMNS))

    @property
    def planned(self) -> Array:
        """The (m, 12) strokes of the last plan that are still to come."""
        return np.array(self._planned, dtype=np.float64).reshape(-1, len(COLUMNS))

    @property
    def finished(self) -> bool:
        """Whether the painting was finished."""
        return any(entry["entry"] == "finished" for entry in self.entries)

    def plan(self, strokes: Array, **known: Any) -> None:
        """Append the (m, 12) strokes to come, which replace those planned before, with what is known of them.

        Raises:
            InputError: as `append` does.
        """
        self.append("planned", first=len(self._executed), strokes=strokes, **known)
        self._planned = strokes.tolist()

    def stroke_done(self, stroke: Array, **measured: Any) -> None:
        """Append one executed stroke (12,), with what was measured meanwhile.

        Raises:
            InputError: as `append` does.
        """
        row = stroke.tolist()
        index = len(self._executed)
        self._executed.append(row)
        self._planned = self._planned[1:]
        self.append("stroke_done", index=index, stroke=row, **measured)

    def append(self, kind: Kind, **fields: Any) -> None:
        """Append an entry; it is on the disk when this returns.

        Numpy values become plain ones, and numbers that are not finite become null.

        Raises:
            InputError: the disk is full or the file cannot be written. The entry is then kept where the reserve
                allowed it, and all earlier entries in any case.
        """
        entry = {"entry": kind, "unix_s": time.time()} | _plain(fields)
        path = self.folder / NAME
        try:
            _write(path, self._descriptor, entry)
        except InputError:
            # The stroke is on the paper already: giving up the reserve is what keeps it in the journal.
            if _remove(self.folder / RESERVE):
                _write(path, self._descriptor, entry)
                self.entries.append(entry)
            raise
        self.entries.append(entry)

    def close(self) -> None:
        """Close the file and free the reserve; what was appended stays. Idempotent."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
            _remove(self.folder / RESERVE)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _plain(value: Any) -> Any:
    """Return the value with numpy's types replaced by JSON's, and null for numbers that are not finite."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Path):
        return str(value)
    return value


def _write(path: Path, descriptor: int, entry: dict[str, Any]) -> None:
    """Append one line and wait until the disk has it; a failed write leaves no half line."""
    line = json.dumps(entry, allow_nan=False).encode() + b"\n"
    before = os.fstat(descriptor).st_size
    written = 0
    try:
        while written < len(line):
            written += os.write(descriptor, line[written:])
        os.fsync(descriptor)
    except OSError as error:
        with contextlib.suppress(OSError):
            os.ftruncate(descriptor, before)
        what = "disk full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else error.strerror
        raise InputError(f"{path}: cannot be written ({what}); free space") from None


def _taken(folder: Path) -> InputError:
    return InputError(f"{folder}: holds a painting already; resume it or choose another out folder")


def _place(part: Path, path: Path) -> None:
    """Give a file its name, which a kill must not leave without a whole header behind it, unless the name is taken."""
    try:
        try:
            os.link(part, path)
        except FileExistsError:
            raise
        except OSError:
            # Not every file system has hard links.
            os.rename(part, path)
    except FileExistsError:
        raise _taken(path.parent) from None
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror}); choose another out folder") from None
    _remove(part)


def _reserve(folder: Path) -> None:
    """Occupy space that a full disk gives back."""
    path = folder / RESERVE
    try:
        path.write_bytes(bytes(RESERVE_BYTES))
    except OSError as error:
        _remove(path)
        raise InputError(f"{path}: cannot be written ({error.strerror}); free space on this disk") from None


def _remove(path: Path) -> bool:
    """Remove the file and return whether it was there."""
    try:
        path.unlink()
    except OSError:
        return False
    return True


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _parse(path: Path, content: bytes) -> tuple[dict[str, Any], list[dict[str, Any]], int]:
    """Return the header, the entries and the length of what is whole."""
    objects, whole = [], 0
    for number, line in enumerate(content.splitlines(keepends=True), start=1):
        try:
            value = json.loads(line)
            good = isinstance(value, dict) and line.endswith(b"\n")
            good &= "header" in value if number == 1 else value.get("entry") in get_args(Kind)
        except (ValueError, RecursionError, AttributeError):
            good = False
        if not good:
            if not line.endswith(b"\n"):
                break
            raise InputError(f"{path}: line {number} is damaged; mend or remove that line, or paint anew")
        if number == 1 and (value.get("format"), value.get("version")) != (FORMAT, VERSION):
            raise InputError(f"{path}: version is {value.get('version')!r}, this release reads {VERSION}; paint anew")
        objects.append(value)
        whole += len(line)
    if not objects or not isinstance(objects[0]["header"], dict):
        raise InputError(f"{path}: nothing to resume (no whole header); paint anew")
    return objects[0]["header"], objects[1:], whole


def _strokes(path: Path, entries: list[dict[str, Any]]) -> tuple[list[list[float]], list[list[float]]]:
    """Return the executed strokes and those of the last plan still to come, their order checked."""
    executed: list[list[float]] = []
    planned: list[list[float]] = []
    for number, entry in enumerate(entries, start=2):
        rows: Any
        if entry["entry"] == "planned":
            first, rows = entry.get("first"), entry.get("strokes")
            planned = rows or []
        elif entry["entry"] == "stroke_done":
            first, rows = entry.get("index"), [entry.get("stroke")]
            planned = planned[1:]
        else:
            continue
        if first != len(executed) or not _are_strokes(rows):
            raise InputError(f"{path}: line {number} is damaged; mend or remove that line, or paint anew")
        executed += rows if entry["entry"] == "stroke_done" else []
    return executed, planned


def _are_strokes(rows: Any) -> bool:
    try:
        strokes = np.array(rows, dtype=np.float64)
    except (TypeError, ValueError):
        return False
    return strokes.shape == (0,) or (strokes.shape[1:] == (len(COLUMNS),) and bool(np.isfinite(strokes).all()))
