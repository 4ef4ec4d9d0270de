"""Ctrl-C, Ctrl-Z and a request to end: what they do to a painting; and outputs that are closed or to be silent."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from robot_bridge.painter import Painter

ENDING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupts:
    """The first Ctrl-C, SIGTERM or SIGHUP cancels softly, the next one stops at once; Ctrl-Z pauses.

    While nothing moves, before there is a painter and while it plans, they raise KeyboardInterrupt instead.
    """

    def __init__(self) -> None:
        self.painter: Painter | None = None
        self._count = 0

    @contextlib.contextmanager
    def heeded(self) -> Iterator[Interrupts]:
        """Listen to the signals in this context; Python allows that in the main thread only."""
        if threading.current_thread() is not threading.main_thread():
            yield self
            return
        # nohup has SIGHUP ignored, and so it stays.
        numbers = [
            number for number in ENDING if signal.getsignal(number) is not signal.SIG_IGN or number != signal.SIGHUP
        ]
        before = {number: signal.signal(number, self._end) for number in numbers}
        before[signal.SIGTSTP] = signal.signal(signal.SIGTSTP, self._pause)
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _end(self, number: int, frame: FrameType | None) -> None:
        if self.painter is None:
            raise KeyboardInterrupt
        self._count += 1
        if self._count > 1:
            self.painter.stop()
            return
        self.painter.cancel()
        if self.painter.planning:
            raise KeyboardInterrupt

    def _pause(self, number: int, frame: FrameType | None) -> None:
        if self.painter is None:
            suspend()
        else:
            self.painter.pause()


def suspend() -> None:
    """Hand the terminal back to the shell until it says `fg`, or SIGCONT comes."""
    os.kill(os.getpid(), signal.SIGSTOP)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence what C libraries print by themselves: libpng's complaints, PyBullet's date of build."""
    with told_if_possible():
        pass
    kept = [(number, os.dup(number)) for number in (1, 2)]
    nothing = os.open(os.devnull, os.O_WRONLY)
    try:
        for number, _ in kept:
            os.dup2(nothing, number)
        yield
    finally:
        for number, copy in kept:
            os.dup2(copy, number)
            os.close(copy)
        os.close(nothing)


@contextlib.contextmanager
def told_if_possible() -> Iterator[None]:
    """Print in this context; a closed pipe or a full disk behind the output is no reason to fail."""
    with contextlib.suppress(OSError):
        yield
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            # What is left in the buffer would fail once more when Python ends.
            nothing = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nothing, stream.fileno())
            os.close(nothing)


def open_outputs() -> None:
    """Open what the shell has closed, so that no file that is opened later is taken for it, and prepare it for lines.

    Lines go out at once also to a file, and a terminal without a sign for a degree is no failure.
    """
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            # The lowest number that is free is the one that is missing.
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), "r" if name == "stdin" else "w"))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace", line_buffering=True)
