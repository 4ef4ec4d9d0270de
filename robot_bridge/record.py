"""The out folder of a painting: journal, pictures, film and summary, written as the painter tells its events."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import cv2
import numpy as np

from planner.agent import Verdict
from planner.program import Provenance, StrokeProgram
from planner.target import Target
from robot_bridge import events
from robot_bridge.journal import Journal
from sim import whole_file
from sim.canvas import render

if TYPE_CHECKING:
    from sim.world import World

PICTURE_PX: Final = 512
FILM_FPS: Final = 20.0


def squared_error(one: np.ndarray, other: np.ndarray) -> float:
    """Return the mean squared error of two pictures."""
    return float(np.mean(np.square(np.asarray(one, np.float64) - other)))


class Record:
    """Listens to a painter and keeps what it tells in a folder."""

    def __init__(self, journal: Journal, target: Target, provenance: Provenance) -> None:
        self.folder = journal.folder
        self.journal = journal
        self.target = target
        self.provenance = provenance
        self.started_s = time.perf_counter()
        self.arm_s = 0.0
        self.plan_s = 0.0
        self.length_m = 0.0
        self.cross_track_m: list[np.ndarray] = []
        self.seen: events.Observed | None = None
        self.verdict: Verdict | None = None
        self.shift = ((0.0, 0.0), 0.0)
        self.unpainted: tuple[int, ...] = ()
        (self.folder / "seen").mkdir(exist_ok=True)

    def listen(self, event: events.Event) -> None:
        """Keep one event; what must be on the disk before the next motion is there when this returns."""
        match event:
            case events.Planned():
                self.plan_s += event.plan_s
                self.journal.plan(event.strokes)
                program = np.concatenate((self.journal.executed, event.strokes))
                whole_file.write_image(self.folder / "planned.png", render(program, PICTURE_PX, channels=3))
            case events.Moved():
                self.arm_s += event.duration_s
            case events.StrokeDone():
                self.length_m += event.length_m
                self.cross_track_m.append(event.cross_track_m)
                worst = float(event.cross_track_m.max(initial=0.0))
                self.journal.stroke_done(event.stroke, length_m=event.length_m, cross_track_max_m=worst)
            case events.Observed():
                self.seen = event
                name = f"seen/{len(self.journal.executed):03d}.png"
                whole_file.write_image(self.folder / name, event.canvas)
                whole_file.write_image(self.folder / "painting.png", event.picture)
                self.journal.append("observed", image=name)
            case events.Scored():
                self.verdict = event.verdict
                self.journal.append("scored", error=event.verdict.error, score=event.verdict.score)
            case events.Shifted():
                self.shift = (event.shift_m, event.rotation_rad)
            case events.Unpainted():
                self.unpainted = event.indices
            case events.Fault():
                self.journal.append("fault", reason=event.reason)
            case events.Finished():
                self.journal.append("finished", reason=event.reason)
            case _:
                pass

    def close(self, max_force_n: float | None, film_s: float) -> dict[str, Any]:
        """Write the program and the summary and return the summary.

        Args:
            max_force_n: Largest force on the brush [N], where the arm can tell.
            film_s: Time that filming took, which does not count as painting [s].
        """
        summary = self.summary(max_force_n, film_s)
        if len(self.journal.executed):
            program = StrokeProgram(self.journal.executed, 1.0, self.provenance)
            program.save(self.folder / "program.json")
            whole_file.write(self.folder / "program.svg", program.to_svg())
            whole_file.write_image(self.folder / "planned.png", render(program.strokes, PICTURE_PX, channels=3))
        whole_file.write(self.folder / "summary.json", json.dumps(summary, indent=1) + "\n")
        return summary

    def summary(self, max_force_n: float | None, film_s: float) -> dict[str, Any]:
        """Return all figures; None stands for what was not measured."""
        executed = self.journal.executed
        planned = render(executed)
        seen = self.seen.canvas if self.seen is not None else None
        deviations = np.concatenate(self.cross_track_m) if self.cross_track_m else np.zeros(0)
        transfer = None if seen is None else squared_error(seen, planned)
        ink = squared_error(np.ones_like(planned), planned)
        rms = float(np.sqrt(np.mean(deviations**2))) if len(deviations) else None
        figures: dict[str, Any] = {
            "target": self.target.name,
            "model": self.provenance.model,
            "finished": self.journal.finished,
            "strokes": len(executed),
            "path_length_mm": 1000 * self.length_m,
            "arm_time_s": self.arm_s,
            "plan_time_s": self.plan_s,
            "paint_time_s": time.perf_counter() - self.started_s - film_s,
            "film_time_s": film_s,
            "mse_planned": squared_error(planned, self.target.image),
            "mse_painted": None if seen is None else squared_error(seen, self.target.image),
            "mse_transfer": transfer,
            "mse_transfer_share": None if transfer is None or ink == 0 else transfer / ink,
            "cross_track_rms_mm": None if rms is None else 1000 * rms,
            "cross_track_max_mm": 1000 * float(deviations.max()) if len(deviations) else None,
            "max_force_n": max_force_n,
            "estimated_shift_mm": [1000 * part for part in self.shift[0]],
            "estimated_rotation_deg": float(np.degrees(self.shift[1])),
            "discriminator_score": None if self.verdict is None else self.verdict.score,
            "unpainted_strokes": [index + 1 for index in self.unpainted],
        }
        return {name: None if value != value else value for name, value in figures.items()}


class Film:
    """A film of the arm at work; a context manager."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.seconds = 0.0
        """Time spent on it [s]."""
        self._writer: cv2.VideoWriter | None = None

    def frame(self, world: World) -> None:
        """Add a frame."""
        started = time.perf_counter()
        picture = world.film_frame()
        if self._writer is None:
            size = (picture.shape[1], picture.shape[0])
            self._writer = cv2.VideoWriter(str(self.path), cv2.VideoWriter_fourcc(*"mp4v"), FILM_FPS, size)  # type: ignore[attr-defined]
        self._writer.write(np.ascontiguousarray(picture[..., ::-1]))
        self.seconds += time.perf_counter() - started

    def __enter__(self) -> Film:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._writer is not None:
            self._writer.release()
