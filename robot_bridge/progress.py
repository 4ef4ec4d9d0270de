"""What a painting shows on the terminal: strokes, millimetres, time left, verdicts, and the figures at the end."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from tqdm import tqdm

from planner.agent import Verdict
from planner.target import Kind
from robot_bridge import events
from robot_bridge.interrupts import told_if_possible
from robot_bridge.painter import Painter

TAKEN: Final[dict[Kind, str]] = {
    "exact": "as it is",
    "digit": "as a digit: padded to 64×64 points",
    "drawing": "as a drawing: fitted into 64×64 points",
    "photo": "as a photo: the lines of its centre square, 64×64 points",
}
LAYOUT: Final = "painting: {n_fmt} of {total_fmt} strokes |{bar:24}| {desc}"


@contextlib.contextmanager
def progress(strokes: int, painter: Painter) -> Iterator[Callable[[events.Event], None]]:
    """Yield a listener that shows a bar on a terminal, and a line for every plan and look anywhere."""
    with tqdm(total=strokes, initial=len(painter.strokes), bar_format=LAYOUT, disable=None) as bar:
        shown = _Progress(painter, bar)

        def show(event: events.Event) -> None:
            # A closed terminal or pipe is no reason to stop an arm.
            with contextlib.suppress(OSError):
                shown.listen(event)

        yield show


class _Progress:
    def __init__(self, painter: Painter, bar: Any) -> None:
        self._painter, self._bar = painter, bar
        self._started_s = time.monotonic()
        self._painted_m = self._to_come_m = 0.0
        self._moved_s = self._left_s = 0.0

    def listen(self, event: events.Event) -> None:
        painted = len(self._painter.strokes)
        match event:
            case events.Planned():
                self._to_come_m, self._left_s = event.length_m, event.duration_s
                self._bar.total = painted + len(event.strokes)
                self._say(
                    f"plan: {len(event.strokes)} strokes, {1000 * event.length_m:.0f} mm, {event.duration_s:.0f} s of "
                    f"motion; continuations: {'; '.join(_told(verdict) for verdict in event.verdicts)}"
                )
            case events.Moved():
                self._moved_s += event.duration_s
                self._left_s = max(0.0, self._left_s - event.duration_s)
            case events.StrokeDone():
                self._painted_m += event.length_m
                self._to_come_m = max(0.0, self._to_come_m - event.length_m)
                self._bar.n += 1
            case events.Scored():
                self._say(f"look: after {painted} strokes {_told(event.verdict)}")
            case events.Shifted():
                x, y = (1000 * part for part in event.shift_m)
                turn = np.degrees(event.rotation_rad)
                self._say(f"paper: lies {x:+z.2f} mm right, {y:+z.2f} mm up, turned {turn:+z.2f}° from where it should")
            case events.Unpainted():
                numbers = ", ".join(str(index + 1) for index in event.indices)
                self._say(f"look: no paint seen of stroke {numbers}")
            case events.Paused():
                self._say("paused: the brush is lifted; go on with fg (or SIGCONT)")
            case events.Finished():
                self._say(f"finished: {event.reason}")
            case _:
                pass
        total_mm = 1000 * (self._painted_m + self._to_come_m)
        self._bar.set_description_str(f"{1000 * self._painted_m:.0f} of {total_mm:.0f} mm, {self._time_left()}")

    def _time_left(self) -> str:
        """Return the time left: the motion to come at the pace, per second of motion, so far."""
        if self._moved_s < 1:
            return f"{self._left_s:.0f} s of motion"
        pace = (time.monotonic() - self._started_s) / self._moved_s
        return f"{pace * self._left_s:.0f} s left"

    def _say(self, line: str) -> None:
        tqdm.write(line)


def _told(verdict: Verdict) -> str:
    known = {f"error {verdict.error:.4f}": verdict.error, f"score {verdict.score:.2f}": verdict.score}
    return ", ".join(words for words, value in known.items() if value == value)


def tell_target(file: Path, kind: Kind) -> None:
    """Print how a file became a target."""
    with told_if_possible():
        print(f"target: {file.name}, taken {TAKEN[kind]}")


def tell_dream(model: str, seed: int) -> None:
    """Print whose dream is painted."""
    with told_if_possible():
        print(f"target: none, {model} paints what it wants (seed {seed})")


def report(figures: dict[str, Any]) -> None:
    """Print every figure; the end of its name is its unit."""
    for name, value in figures.items():
        if value is None:
            value = "none" if name == "target" else "not measured"
        elif name == "unpainted_strokes":
            value = f"stroke {', '.join(map(str, value))}" if value else "none"
        elif isinstance(value, float):
            value = f"{value:z.4g}"
        elif isinstance(value, list):
            value = ", ".join(f"{part:z.3g}" for part in value)
        print(f"{name:>24}  {value}")
