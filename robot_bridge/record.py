"""The out folder of a painting: journal, pictures and summary, written as the painter tells its events.

The folder is made when the first plan is ready, so that what is refused before leaves nothing behind. Each entry of the
journal that ends a piece of work carries the totals so far, so that the figures of a resumed painting count all its
sittings, up to the last entry of each.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from planner.actions import CANVAS_PX
from planner.agent import Verdict
from planner.program import Provenance, StrokeProgram
from planner.target import Target
from robot_bridge import events
from robot_bridge.journal import NAME, Journal, Kind
from robot_bridge.out_folder import check_new
from robot_bridge.painter import PICTURE_PX, Executed
from sim import whole_file
from sim.canvas import blank, render
from sim.errors import InputError
from sim.stroke import COLUMNS

PAPERS: Final = ("paper-a.png", "paper-b.png")
"""The simulated paper, in turns, so that the one which the journal names last is always whole."""


def squared_error(one: NDArray[np.floating], other: NDArray[np.floating]) -> float:
    """Return the mean squared error of two pictures."""
    return float(np.mean(np.square(np.asarray(one, np.float64) - other)))


def of_target(target: Target | None, provenance: Provenance) -> dict[str, Any]:
    """Return the figures that say what is painted and who plans it."""
    if target is None:
        return {"target": None, "target_kind": "dream", "model": provenance.model, "seed": provenance.seed}
    return {"target": target.name, "target_kind": target.kind, "model": provenance.model}


@dataclass
class Totals:
    """What all sittings of a painting took."""

    arm_s: float = 0.0
    """By the arm's clock [s]."""
    plan_s: float = 0.0
    paint_s: float = 0.0
    """From each sitting's first plan to its last entry, the film excluded [s]."""
    film_s: float = 0.0
    length_m: float = 0.0
    cross_track_squares_m2: float = 0.0
    cross_track_samples: int = 0
    cross_track_max_m: float = 0.0
    depth_error_max_m: float = 0.0
    max_force_n: float = 0.0
    partial_strokes: int = 0
    """Strokes that a stop or a fault cut short: part of their paint is on the paper, but not in the program."""


class Record:
    """Listens to a painter and keeps what it tells in a folder; a context manager that closes the journal."""

    def __init__(
        self,
        place: Path | Journal,
        target: Target | None,
        provenance: Provenance,
        canvas_mm: float,
        header: dict[str, Any] | None = None,
        paper: Callable[[], NDArray[np.float32]] | None = None,
        max_force_n: Callable[[], float] | None = None,
        film_s: Callable[[], float] = lambda: 0.0,
    ) -> None:
        """Make ready; nothing is written.

        Args:
            place: The out folder of a new painting, or the journal of one that is resumed.
            target: What is painted; None for a dream.
            provenance: Who plans it.
            canvas_mm: Side of the paper [mm].
            header: Settings for the journal of a new painting.
            paper: Returns the simulated paper (H, W, 3), RGB in [0, 1], which a resumed painting lays down again.
            max_force_n: Returns the largest force on the brush in this sitting [N], for arms that can tell.
            film_s: Returns the time that filming took in this sitting [s].
        """
        self.folder = place if isinstance(place, Path) else place.folder
        self.journal = None if isinstance(place, Path) else place
        self.target = target
        self.provenance = provenance
        self._canvas_mm = canvas_mm
        self._header = header or {}
        self._paper, self._max_force_n, self._film_s = paper, max_force_n, film_s
        self.figures: dict[str, Any] = {}
        """The summary, once the painting has ended."""
        self._paper_name = PAPERS[0]
        self.totals = Totals()
        if self.journal is not None:
            self.totals = _totals(self.journal)
            self._paper_name = _paper_named(self.journal) or self._paper_name
            for torn in self.folder.glob(".*.part"):
                torn.unlink(missing_ok=True)
        self._before = (self.totals.paint_s, self.totals.film_s, self.totals.max_force_n)
        self._started_s = time.perf_counter()
        self._seen: tuple[events.Observed, int] | None = None
        self._verdict: Verdict | None = None
        self._shift: tuple[tuple[float, float], float] | None = None
        self._unpainted: tuple[int, ...] | None = None
        self._cuts = [] if self.journal is None else _cut_strokes(self.journal)

    def __enter__(self) -> Record:
        return self

    def __exit__(self, *exception: object) -> None:
        if self.journal is not None:
            self.journal.close()

    def start(self) -> None:
        """Start the clock of this sitting, right before the first plan."""
        self._started_s = time.perf_counter()

    def wait(self, seconds: float) -> None:
        """Leave a pause out of the painting's time [s]."""
        self._started_s += seconds

    def listen(self, event: events.Event) -> None:
        """Keep one event; what must be on the disk before the next motion is there when this returns.

        Raises:
            InputError: It cannot be written. Of a painting that has not begun nothing is left.
        """
        match event:
            case events.Planned():
                self.totals.plan_s += event.plan_s
                if self.journal is None:
                    self._begin(event)
                else:
                    self._plan(self.journal, event)
            case events.Moved():
                self.totals.arm_s += event.duration_s
            case events.StrokeDone():
                self._stroke_done(event)
            case events.StrokeCut():
                self._cuts.append(event.stroke.tolist())
                self._append("stroke_cut", index=event.index, stroke=event.stroke)
            case events.Observed():
                self._observed(event)
            case events.Scored():
                self._verdict = event.verdict
                self._append("scored", error=event.verdict.error, score=event.verdict.score)
            case events.Shifted():
                self._shift = (event.shift_m, event.rotation_rad)
                self._append("shifted", shift_m=event.shift_m, rotation_rad=event.rotation_rad)
            case events.Unpainted():
                self._unpainted = event.indices
                self._append("unpainted", indices=event.indices)
            case events.Paused():
                self._append("paused")
            case events.Fault():
                self._end("fault", event.cut, reason=event.reason)
            case events.Cancelled():
                self._end("cancelled", event.cut, lifted=event.lifted)
            case events.Finished():
                self._end("finished", None, reason=event.reason)
            case _:
                pass

    def _summary(self, finished: bool) -> dict[str, Any]:
        """Return all figures, of all sittings together; None stands for what was not measured."""
        executed = self._executed()
        planned = render(executed) if len(executed) else blank(CANVAS_PX)
        totals = self._count()
        figures: dict[str, Any] = {
            **of_target(self.target, self.provenance),
            "finished": finished,
            "strokes": len(executed),
            "partial_strokes": totals.partial_strokes,
            "path_length_mm": 1000 * totals.length_m,
            "arm_time_s": totals.arm_s,
            "plan_time_s": totals.plan_s,
            "paint_time_s": totals.paint_s,
            "film_time_s": totals.film_s,
            "mse_planned": None if self.target is None else squared_error(planned, self.target.image),
            **self._seen_figures(executed),
        }
        count = totals.cross_track_samples
        figures |= {
            "cross_track_rms_mm": 1000 * (totals.cross_track_squares_m2 / count) ** 0.5 if count else None,
            "cross_track_max_mm": 1000 * totals.cross_track_max_m if count else None,
            "depth_error_max_mm": 1000 * totals.depth_error_max_m if count else None,
            "max_force_n": totals.max_force_n if self._max_force_n else None,
            "estimated_shift_mm": None if self._shift is None else [1000 * part for part in self._shift[0]],
            "estimated_rotation_deg": None if self._shift is None else float(np.degrees(self._shift[1])),
            "discriminator_score": None if self._verdict is None else self._verdict.score,
            "unpainted_strokes": None if self._unpainted is None else [index + 1 for index in self._unpainted],
        }
        return {name: None if value != value else value for name, value in figures.items()}

    def _seen_figures(self, executed: NDArray[np.float64]) -> dict[str, float | None]:
        """Return what the last look shows, against the strokes that were on the paper then."""
        figures: dict[str, float | None] = dict.fromkeys(("mse_painted", "mse_transfer", "mse_transfer_share"))
        if self._seen is not None:
            canvas, count = self._seen[0].canvas, self._seen[1]
            if self.target is not None:
                figures["mse_painted"] = squared_error(canvas, self.target.image)
            if count:
                meant = render(np.concatenate((executed[:count], np.reshape(self._cuts, (-1, len(COLUMNS))))))
                figures["mse_transfer"] = transfer = squared_error(canvas, meant)
                figures["mse_transfer_share"] = transfer / squared_error(np.ones_like(meant), meant)
        return figures

    def _begin(self, event: events.Planned) -> None:
        """Make the folder with everything that a resumed job needs, or leave nothing."""
        check_new(self.folder)
        new = [path for path in (self.folder, *self.folder.parents) if not path.exists()]
        written: list[str] = []
        try:
            whole_file.make_folder(self.folder)
            if self.target is not None:
                self.target.save(self.folder / "target.png")
                written.append("target.png")
            whole_file.write_image(self.folder / "planned.png", render(event.strokes, PICTURE_PX, channels=3))
            written.append("planned.png")
            # The journal last: where there is one, the painting can be resumed.
            self.journal = Journal.create(self.folder, self._header)
            written.append(NAME)
            self._plan(self.journal, event)
        except BaseException:
            if self.journal is not None:
                self.journal.close()
            self.journal = None
            for name in written:
                with contextlib.suppress(OSError):
                    (self.folder / name).unlink()
            for path in new:
                with contextlib.suppress(OSError):
                    path.rmdir()
            raise

    def _plan(self, journal: Journal, event: events.Planned) -> None:
        verdicts = [{"error": verdict.error, "score": verdict.score} for verdict in event.verdicts]
        journal.plan(event.strokes, verdicts=verdicts, length_m=event.length_m, duration_s=event.duration_s)

    def _stroke_done(self, event: events.StrokeDone) -> None:
        across = event.cross_track_m
        totals = self.totals
        totals.length_m += event.length_m
        totals.cross_track_squares_m2 += float(np.sum(across**2))
        totals.cross_track_samples += len(across)
        totals.cross_track_max_m = max(totals.cross_track_max_m, float(across.max(initial=0.0)))
        totals.depth_error_max_m = max(totals.depth_error_max_m, float(np.abs(event.depth_error_m).max(initial=0.0)))
        assert self.journal is not None
        with self._kept_paper() as paper:
            self.journal.stroke_done(
                event.stroke,
                length_m=event.length_m,
                cross_track_max_m=float(across.max(initial=0.0)),
                aim=event.aim,
                paper=paper,
                totals=asdict(self._count()),
            )

    def _observed(self, event: events.Observed) -> None:
        executed = self._executed()
        self._seen, self._unpainted = (event, len(executed)), ()
        name = f"seen/{len(executed):03d}.png"
        whole_file.make_folder(self.folder / "seen")
        whole_file.write_image(self.folder / name, event.canvas, lasting=False)
        whole_file.write_image(self.folder / "painting.png", event.picture, lasting=False)
        self._append("observed", image=name, look_s=event.look_s, totals=asdict(self._count()))

    def _end(self, kind: Kind, cut: int | None, **fields: Any) -> None:
        """Write the program and the summary; the journal's last word comes when they are on the disk."""
        if self.journal is None:
            return
        if len(executed := self._executed()):
            program = StrokeProgram(executed, 1.0, self.provenance)
            program.save(self.folder / "program.json")
            whole_file.write(self.folder / "program.svg", program.to_svg(self._canvas_mm))
            whole_file.write_image(self.folder / "planned.png", render(executed, PICTURE_PX, channels=3))
        if cut is not None:
            self.totals.partial_strokes += 1
            fields["cut"] = cut
        # Figures of another state of the paper than the strokes' would be read as theirs.
        if cut is not None or self._seen is None or self._seen[1] != len(executed):
            self._seen = self._verdict = self._unpainted = None
        self.figures = self._summary(kind == "finished")
        whole_file.write(self.folder / "summary.json", json.dumps(self.figures, indent=1) + "\n")
        with self._kept_paper(last=kind == "finished") as paper:
            self._append(kind, paper=paper, totals=asdict(self.totals), **fields)

    def _executed(self) -> NDArray[np.float64]:
        return np.zeros((0, len(COLUMNS))) if self.journal is None else self.journal.executed

    def _count(self) -> Totals:
        """Bring the totals up to now."""
        totals, film_s = self.totals, self._film_s()
        paint_before_s, film_before_s, force_before_n = self._before
        totals.paint_s = paint_before_s + time.perf_counter() - self._started_s - film_s
        totals.film_s = film_before_s + film_s
        if self._max_force_n is not None:
            totals.max_force_n = max(force_before_n, self._max_force_n())
        return totals

    @contextlib.contextmanager
    def _kept_paper(self, last: bool = False) -> Iterator[str | None]:
        """Keep the simulated paper beside the one that the journal names, until it names the new one."""
        name = None
        if self._paper is not None and not last:
            name = PAPERS[(PAPERS.index(self._paper_name) + 1) % len(PAPERS)]
            picture = self._paper()
            one_colour = np.array_equal(picture[..., 0], picture[..., 1])
            whole_file.write_image(self.folder / name, picture[..., 0] if one_colour else picture, lasting=False)
        yield name
        if name is not None:
            self._paper_name = name
        if last:
            for paper in PAPERS:
                (self.folder / paper).unlink(missing_ok=True)

    def _append(self, kind: Kind, **fields: Any) -> None:
        if self.journal is not None:
            self.journal.append(kind, **fields)


def _totals(journal: Journal) -> Totals:
    """Return what the sittings so far took, according to a journal.

    Raises:
        InputError: the last totals are damaged.
    """
    known = [entry["totals"] for entry in journal.entries if "totals" in entry]
    if not known:
        return Totals()
    try:
        totals = Totals(**known[-1])
    except TypeError:
        totals = None
    # A bool is an int for Python, but no figure.
    if totals is None or any(type(value) not in (int, float) for value in vars(totals).values()):
        raise InputError(f"{journal.folder / NAME}: the last totals are damaged; paint anew")
    return totals


def executed(journal: Journal) -> Executed | None:
    """Return what is on the paper according to a journal, None if the arm has not painted yet.

    Raises:
        InputError: the journal does not say where a stroke was aimed at.
    """
    aims = [entry.get("aim") for entry in journal.entries if entry["entry"] == "stroke_done"]
    try:
        offsets = np.array(aims, dtype=np.float64).reshape(-1, 3)
    except (TypeError, ValueError):
        raise InputError(f"{journal.folder / NAME}: a stroke lacks its aim; paint anew") from None
    if len(offsets) != len(journal.executed) or not np.isfinite(offsets).all():
        raise InputError(f"{journal.folder / NAME}: a stroke lacks its aim; paint anew")
    return Executed(journal.executed, offsets, journal.planned) if journal.entries else None


def kept_paper(journal: Journal) -> NDArray[np.uint8] | None:
    """Return the simulated paper (H, W, 3) as the journal's last entry about it left it, None for a white one.

    Raises:
        InputError: its picture is missing or damaged.
    """
    name = _paper_named(journal)
    return whole_file.read_image(journal.folder / name) if name else None


def _cut_strokes(journal: Journal) -> list[list[float]]:
    """Return what is on the paper of strokes that were not finished."""
    rows = [entry.get("stroke") for entry in journal.entries if entry["entry"] == "stroke_cut"]
    try:
        return np.array(rows, dtype=np.float64).reshape(len(rows), len(COLUMNS)).tolist()
    except (TypeError, ValueError):
        raise InputError(f"{journal.folder / NAME}: a cut stroke is damaged; remove its line, or paint anew") from None


def _paper_named(journal: Journal) -> str | None:
    """Return the file of the paper that the journal names last."""
    names = [entry["paper"] for entry in journal.entries if entry.get("paper") in PAPERS]
    return names[-1] if names else None
