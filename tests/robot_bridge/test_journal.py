"""The journal: what a kill, a full disk or a damaged file leaves."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from robot_bridge.journal import NAME, RESERVE, Journal
from sim.errors import InputError

HEADER = {"target_digest": "ab", "robot": "panda", "canvas_size_m": (0.2, 0.2), "seed": 3, "speed": np.float64(0.1)}
STROKES = np.random.default_rng(0).uniform(0.1, 0.9, (6, 12))


def paint(folder: Path, count: int = 3) -> None:
    """Write the journal of a painting stopped after `count` of six strokes."""
    with Journal.create(folder, HEADER) as journal:
        journal.plan(STROKES)
        for stroke in STROKES[:count]:
            journal.stroke_done(stroke, arm_time_s=0.5)
        journal.append("scored", error=np.float32(0.25), score=float("nan"))


def test_resuming_gives_header_executed_strokes_and_those_to_come(tmp_path: Path) -> None:
    paint(tmp_path)
    with Journal.resume(tmp_path) as journal:
        assert journal.header == HEADER | {"canvas_size_m": [0.2, 0.2]}
        np.testing.assert_array_equal(journal.executed, STROKES[:3])
        np.testing.assert_array_equal(journal.planned, STROKES[3:])
        assert not journal.finished
        journal.plan(STROKES[5:])
        journal.stroke_done(STROKES[5])
        journal.append("finished")
    with Journal.resume(tmp_path) as journal:
        np.testing.assert_array_equal(journal.executed, STROKES[[0, 1, 2, 5]])
        assert journal.planned.shape == (0, 12)
        assert journal.finished


def test_every_line_is_strict_json_with_its_kind_and_time(tmp_path: Path) -> None:
    paint(tmp_path)

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    lines = [json.loads(line, parse_constant=refuse) for line in (tmp_path / NAME).read_text().splitlines()]
    assert [line.get("entry") for line in lines] == [None, "planned", *["stroke_done"] * 3, "scored"]
    assert all(line["unix_s"] > 1e9 for line in lines)
    assert (lines[-1]["error"], lines[-1]["score"]) == (0.25, None)


def test_a_journal_cut_at_any_byte_resumes_with_its_whole_lines(tmp_path: Path) -> None:
    paint(tmp_path)
    path = tmp_path / NAME
    whole = path.read_bytes()
    ends = [place + 1 for place, byte in enumerate(whole) if byte == ord("\n")]
    for cut in [*range(ends[0] + 1), *range(ends[0] + 1, len(whole), 7), *ends]:
        path.write_bytes(whole[:cut])
        lines = sum(end <= cut for end in ends)
        if lines == 0:
            with pytest.raises(InputError, match="nothing to resume"):
                Journal.resume(tmp_path)
            continue
        with Journal.resume(tmp_path) as journal:
            assert len(journal.entries) == lines - 1
            assert len(journal.executed) == max(0, min(3, lines - 2))
            journal.append("fault", reason="cut")
        assert path.read_bytes().startswith(whole[: ends[lines - 1]])
        with Journal.resume(tmp_path) as journal:
            assert journal.entries[-1]["reason"] == "cut"


@pytest.mark.parametrize(
    ("number", "old", "new"),
    [
        (1, b'"version": 1', b'"version": 2'),
        (1, b"{", b"#"),
        (2, b'"first": 0', b'"first": 1'),
        (3, b"0.", b"x."),
        (4, b'"index": 1', b'"index": 2'),
        (4, b'"stroke": [', b'"stroke": [1, '),
        (5, b'"entry": "stroke_done"', b'"entry": "dreamt"'),
        (6, b"}", b""),
    ],
)
def test_damage_in_a_whole_line_is_refused(tmp_path: Path, number: int, old: bytes, new: bytes) -> None:
    paint(tmp_path)
    path = tmp_path / NAME
    lines = path.read_bytes().splitlines(keepends=True)
    lines[number - 1] = lines[number - 1].replace(old, new, 1)
    path.write_bytes(b"".join(lines))
    message = "version is 2" if b"version" in old else f"line {number} is damaged"
    with pytest.raises(InputError, match=message):
        Journal.resume(tmp_path)
    assert path.read_bytes() == b"".join(lines)


PAINTER = """
import sys
from pathlib import Path
import numpy as np
from robot_bridge.journal import Journal
with Journal.create(Path(sys.argv[1]), {}) as journal:
    for index in range(100_000):
        journal.stroke_done(np.full(12, (index + 1) / 1e6))
        print(index + 1, flush=True)
"""


def test_a_killed_process_loses_no_stroke_that_was_journalled(tmp_path: Path) -> None:
    painter = subprocess.Popen([sys.executable, "-c", PAINTER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert painter.stdout is not None
    told = [painter.stdout.readline() for _ in range(20)]
    painter.send_signal(signal.SIGKILL)
    told += painter.stdout.readlines()
    painter.wait()
    painter.stdout.close()
    count = int([line for line in told if line.endswith("\n")][-1])
    with Journal.resume(tmp_path) as journal:
        executed = journal.executed
    assert len(executed) in (count, count + 1)
    np.testing.assert_array_equal(executed[:, 0], np.arange(1, len(executed) + 1) / 1e6)


class Disk:
    """A disk with little space left: writes take what fits and then fail; removing the reserve frees its size."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, free: int) -> None:
        self.free = free
        write, unlink = os.write, Path.unlink

        def limited(descriptor: int, content: bytes) -> int:
            fitting = min(len(content), self.free)
            if not fitting:
                raise OSError(errno.ENOSPC, "No space left on device")
            self.free -= fitting
            return write(descriptor, content[:fitting])

        def freeing(path: Path, **options: Any) -> None:
            size = path.stat().st_size
            unlink(path, **options)
            self.free += size

        monkeypatch.setattr(os, "write", limited)
        monkeypatch.setattr(Path, "unlink", freeing)


def test_a_full_disk_stops_the_painting_and_keeps_the_stroke(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Journal.create(tmp_path, HEADER) as journal:
        journal.stroke_done(STROKES[0])
        with monkeypatch.context() as patch:
            disk = Disk(patch, free=100)
            with pytest.raises(
                InputError, match=r"journal\.jsonl: cannot be written \(disk full\); free space"
            ) as told:
                journal.stroke_done(STROKES[1])
            assert "\n" not in str(told.value)
            disk.free = 50
            with pytest.raises(InputError, match="disk full"):
                journal.append("fault", reason="disk full")
    with Journal.resume(tmp_path) as journal:
        np.testing.assert_array_equal(journal.executed, STROKES[:2])
        assert [entry["entry"] for entry in journal.entries] == ["stroke_done", "stroke_done"]


def test_a_full_disk_at_the_start_leaves_no_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        Disk(patch, free=10)
        with pytest.raises(InputError, match="disk full"):
            Journal.create(tmp_path, HEADER)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("links", [True, False])
def test_a_journal_has_its_name_only_with_its_header(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    write, lists = os.write, []

    def watched(descriptor: int, content: bytes) -> int:
        lists.append(os.listdir(tmp_path))
        return write(descriptor, content)

    def refuse(*paths: Path) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", watched)
        if not links:
            patch.setattr(os, "link", refuse)
        with Journal.create(tmp_path, HEADER) as journal:
            assert lists
            assert not any(NAME in names for names in lists)
            journal.stroke_done(STROKES[0])
            with pytest.raises(InputError, match="holds a painting already"):
                Journal.create(tmp_path, HEADER)
            assert (tmp_path / RESERVE).exists()
    assert os.listdir(tmp_path) == [NAME]
    with Journal.resume(tmp_path) as journal:
        np.testing.assert_array_equal(journal.executed, STROKES[:1])


def test_the_reserve_is_gone_when_the_journal_is_closed(tmp_path: Path) -> None:
    paint(tmp_path)
    assert os.listdir(tmp_path) == [NAME]
    (tmp_path / RESERVE).touch()  # as kill -9 leaves it
    with Journal.resume(tmp_path):
        assert (tmp_path / RESERVE).stat().st_size > 10_000
    assert os.listdir(tmp_path) == [NAME]


def test_a_folder_with_a_journal_is_not_painted_over(tmp_path: Path) -> None:
    paint(tmp_path)
    before = (tmp_path / NAME).read_bytes()
    with pytest.raises(InputError, match="holds a painting already"):
        Journal.create(tmp_path, HEADER)
    assert (tmp_path / NAME).read_bytes() == before


def test_a_journal_in_use_is_not_resumed(tmp_path: Path) -> None:
    with Journal.create(tmp_path, HEADER), pytest.raises(InputError, match="in use"):
        Journal.resume(tmp_path)


def test_nothing_to_resume_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nothing to resume \(No such file"):
        Journal.resume(tmp_path)
    with pytest.raises(InputError, match="cannot be written"):
        Journal.create(tmp_path / "absent", HEADER)
