"""The out folder of a painting: what we write there, and what a new one must not hold."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Final

from robot_bridge.journal import NAME
from sim.errors import InputError

OURS: Final = (
    "target.png",
    "planned.png",
    "painting.png",
    "program.json",
    "program.svg",
    "summary.json",
    "paper*.png",
    "painting*.mp4",
    "seen",
)
"""What a painting writes, the journal left out."""


def check_new(folder: Path) -> None:
    """Refuse a folder that holds a painting or a file that one would overwrite, or that cannot be written.

    Raises:
        InputError: it is one of these; nothing was touched.
    """
    if os.path.lexists(folder / NAME):
        what = "choose another --out" if _is_finished(folder) else f"give --resume {folder} or another --out"
        raise InputError(f"{folder}: holds a painting already; {what}")
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not there.is_dir():
        raise InputError(f"{there}: is no folder; give another --out")
    try:
        # Permissions do not tell whether a file system takes new folders: /proc takes none, even from root.
        os.rmdir(tempfile.mkdtemp(prefix=".", dir=there))
    except OSError:
        raise InputError(f"{there}: this folder cannot be written to; give another --out") from None
    for pattern in OURS:
        for path in sorted(folder.glob(pattern)):
            raise InputError(f"{path}: is there already and would be overwritten; give another --out")


def written(folder: Path) -> list[str]:
    """Return the names of the files of a painting in its out folder."""
    files = [path for pattern in (NAME, *OURS) for path in folder.glob(pattern)]
    return sorted(path.name for path in files if path.is_file())


def _is_finished(folder: Path) -> bool:
    """Return whether the last entry of a folder's journal says that the painting was finished."""
    try:
        last = json.loads((folder / NAME).read_bytes().splitlines()[-1])
    except (OSError, ValueError, IndexError):
        return False
    return isinstance(last, dict) and last.get("entry") == "finished"
