"""Image files in a folder or in a zip, as they are published."""

from __future__ import annotations

import os
import zipfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from planner.formats.damage import DAMAGE, unreadable
from sim.errors import InputError


@dataclass(frozen=True)
class Files:
    """Files of some endings in a folder, with those below it, or in a zip."""

    path: Path
    """The folder or the zip."""
    names: tuple[str, ...]
    """Their names in it, sorted."""

    @classmethod
    def find(cls, path: Path, endings: tuple[str, ...]) -> Files:
        """Return the files with these endings.

        Raises:
            InputError: The zip is damaged or cut short, or there is no such file.
        """
        if path.is_dir():
            every = [str(file.relative_to(path)) for file in path.rglob("*") if file.is_file()]
        else:
            every = _archive(path).namelist()
        hidden = (name for name in every if "__MACOSX" in name or name.rpartition("/")[2].startswith("."))
        names = sorted({name for name in every if name.lower().endswith(endings)} - set(hidden))
        if not names:
            raise InputError(f"{path}: holds no {' or '.join(endings)} file; get a whole copy of it")
        return cls(path, tuple(names))

    def place(self, index: int) -> str:
        """Return the words for where a file stands."""
        return str(self.path / self.names[index])

    def read(self, index: int) -> bytes:
        """Return the content of a file.

        Raises:
            InputError: It cannot be read, or is damaged within the zip.
        """
        try:
            if self.path.is_dir():
                return (self.path / self.names[index]).read_bytes()
            return _archive(self.path).read(self.names[index])
        except DAMAGE as error:
            raise unreadable(self.place(index), "whole", error) from None


def _archive(path: Path) -> zipfile.ZipFile:
    try:
        state = path.stat()
        return _opened(path, os.getpid(), state.st_mtime_ns, state.st_size)
    except DAMAGE as error:
        raise unreadable(path, "as zip", error) from None


@lru_cache(maxsize=8)
def _opened(path: Path, process: int, changed_ns: int, size: int) -> zipfile.ZipFile:
    """Return the open zip: one for each process, since a forked one would share its place in the file."""
    return zipfile.ZipFile(path)
