"""Files that are written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from sim.errors import InputError


def write(path: Path, content: str | bytes) -> None:
    """Write a file so that a crash, a kill or a full disk leaves the old one, or none, and never half of it.

    Args:
        path: Where; its folder must exist.
        content: The whole content, text as UTF-8.

    Raises:
        InputError: the file cannot be written.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        try:
            with part.open("wb") as file:
                file.write(content.encode() if isinstance(content, str) else content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror}); free space or choose another place") from None
