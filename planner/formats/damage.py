"""What reading a damaged file raises, and the one line that a user reads instead."""

from __future__ import annotations

import pickle
import struct
import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import Final

from sim.errors import InputError

DAMAGE: Final = (
    # Of a file that cannot be read; encrypted and exotic zips raise RuntimeError.
    OSError,
    EOFError,
    RuntimeError,
    MemoryError,
    zipfile.BadZipFile,
    zlib.error,
    # Of one whose content is another than it should be.
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    SyntaxError,
    struct.error,
    tokenize.TokenError,
    pickle.UnpicklingError,
)


def unreadable(place: Path | str, what: str, error: BaseException) -> InputError:
    """Return the error of a file that cannot be read.

    Args:
        place: The file.
        what: What it should be, for example "as zip".
        error: What reading it raised.
    """
    reason = getattr(error, "strerror", None) or str(error).split("\n")[0] or type(error).__name__
    return InputError(f"{place}: cannot be read {what} ({reason}); get a whole copy of the file")
