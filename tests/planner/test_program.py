"""Stroke programs: exact round trips, and what is refused."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.program import Provenance, StrokeProgram
from sim.errors import InputError
from sim.stroke import COLUMNS

ORIGIN = Provenance("line-art", 7, "0123abcd")


def rows(count: int = 3) -> list[list[float]]:
    """Return `count` valid strokes on a square canvas."""
    return [[0.1, 0.2, 0.3, 0.9, 0.5, 0.6, 0.1, 0.5, 1.0, 0.0, 0.0, 0.0] for _ in range(count)]


def program(count: int = 3) -> StrokeProgram:
    """Return a valid program on a square canvas."""
    return StrokeProgram(np.array(rows(count)), 1.0, ORIGIN)


@st.composite
def programs(draw: st.DrawFn) -> StrokeProgram:
    """Draw any valid program: every aspect, every double, every text."""
    aspect = draw(st.floats(0.01, 100.0))
    u, v = st.floats(0, min(1.0, aspect)), st.floats(0, min(1.0, 1 / aspect))
    positive, unit = st.floats(0, 1, exclude_min=True), st.floats(0, 1)
    stroke = st.tuples(u, v, u, v, u, v, positive, positive, positive, unit, unit, unit)
    strokes = draw(st.lists(stroke, min_size=1, max_size=8))
    text = st.text(st.characters(), max_size=20)
    return StrokeProgram(np.array(strokes), aspect, Provenance(draw(text), draw(st.integers()), draw(text)))


def assert_identical(one: StrokeProgram, other: StrokeProgram) -> None:
    assert one.strokes.tobytes() == other.strokes.tobytes()
    assert (one.aspect, one.provenance) == (other.aspect, other.provenance)


@given(programs())
def test_json_round_trips_exactly(one: StrokeProgram) -> None:
    assert_identical(StrokeProgram.from_json(one.to_json()), one)


@given(programs(), st.floats(1, 2000))
def test_svg_round_trips_exactly_at_every_width(one: StrokeProgram, width_mm: float) -> None:
    assert_identical(StrokeProgram.from_svg(one.to_svg(width_mm)), one)


@pytest.mark.parametrize("name", ["program.json", "program.svg", "program.SVG"])
def test_a_saved_program_loads_exactly(tmp_path: Path, name: str) -> None:
    program().save(tmp_path / name)
    assert_identical(StrokeProgram.load(tmp_path / name), program())
    assert os.listdir(tmp_path) == [name]


def test_svg_draws_each_stroke_in_millimetres() -> None:
    strokes = np.array([[0.1, 0.2, 0.3, 0.4, 0.5, 0.25, 0.1, 0.5, 1.0, 1.0, 0.0, 0.5]])
    root = ElementTree.fromstring(StrokeProgram(strokes, 2.0, ORIGIN).to_svg(300))
    assert (root.get("width"), root.get("height"), root.get("viewBox")) == ("300mm", "150mm", "0 0 300 150")
    group = root.find("{*}g")
    assert group is not None
    assert (group.get("stroke-linecap"), group.get("fill")) == ("round", "none")
    (path,) = group.findall("{*}path")
    numbers = [float(number) for number in re.findall(r"[\d.]+", path.get("d", ""))]
    assert numbers == pytest.approx([30, 60, 90, 120, 150, 75])
    assert float(path.get("stroke-width", "")) == pytest.approx(0.1 * 0.75 * 300)
    assert path.get("stroke") == "#ff0080"


def test_the_strokes_of_a_program_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="read-only"):
        program().strokes[0, 0] = 0.5


@pytest.mark.parametrize("value", [np.nan, np.inf, -0.01, 1.01])
@pytest.mark.parametrize("column", COLUMNS)
def test_a_value_outside_its_range_is_refused_with_field_and_stroke(column: str, value: float) -> None:
    strokes = np.array(rows(3))
    strokes[1, COLUMNS.index(column)] = value
    with pytest.raises(InputError, match=rf"^{column}: is \S+ in stroke 2 of 3, must lie in"):
        StrokeProgram(strokes, 1.0, ORIGIN)


@pytest.mark.parametrize("column", ["size", "pressure_start", "pressure_end"])
def test_size_and_pressure_of_zero_are_refused(column: str) -> None:
    strokes = np.array(rows(3))
    strokes[2, COLUMNS.index(column)] = 0
    with pytest.raises(InputError, match=f"^{column}: is 0 in stroke 3 of 3"):
        StrokeProgram(strokes, 1.0, ORIGIN)


@pytest.mark.parametrize(("aspect", "column"), [(2.0, "control_v"), (0.5, "end_u")])
def test_the_shorter_side_of_the_canvas_bounds_its_coordinate(aspect: float, column: str) -> None:
    strokes = np.array(rows(1)) / 4
    strokes[0, COLUMNS.index(column)] = 0.5
    StrokeProgram(strokes, aspect, ORIGIN)
    strokes[0, COLUMNS.index(column)] = 0.5001
    with pytest.raises(InputError, match=f"^{column}: is 0.5001 in stroke 1 of 1"):
        StrokeProgram(strokes, aspect, ORIGIN)


WRONG: list[tuple[str, Any, str]] = [
    ("version", 2, "version: is 2"),
    ("version", None, "version: is None"),
    ("format", "other", "format: is 'other'"),
    ("aspect", 0, "aspect: is 0"),
    ("aspect", "1", "aspect: is '1'"),
    ("columns", ["u"], "columns: must be start_u"),
    ("columns", list(COLUMNS[::-1]), "columns: must be start_u"),
    ("strokes", [], "strokes: are none"),
    ("strokes", {}, "strokes: must be a list"),
    ("strokes", [[0.1] * 11], "in stroke 1 of 1, must be a list of 12 numbers"),
    ("strokes", [*rows(1), 3], "strokes: 3 in stroke 2 of 2"),
    ("strokes", [rows(1)[0][:11] + ["0"]], "blue: is '0' in stroke 1 of 1"),
    ("strokes", [rows(1)[0][:11] + [True]], "blue: is True in stroke 1 of 1"),
    ("strokes", [rows(1)[0][:11] + [10**400]], "blue: is 1000"),
    ("strokes", [rows(1)[0][:11] + [float("nan")]], "blue: is nan in stroke 1 of 1"),
    ("provenance", {"model": "line-art"}, "provenance: must hold"),
    ("provenance", {"model": "line-art", "seed": "7", "target_digest": ""}, "provenance.seed: is '7'"),
]


@pytest.mark.parametrize(("field", "value", "message"), WRONG)
def test_a_wrong_field_in_json_is_named(field: str, value: Any, message: str) -> None:
    text = json.dumps(json.loads(program().to_json()) | {field: value})
    with pytest.raises(InputError, match=rf"^cat\.json: .*{re.escape(message)}") as refusal:
        StrokeProgram.from_json(text, "cat.json")
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("field", ["format", "version", "provenance", "aspect", "columns", "strokes"])
def test_a_missing_field_in_json_is_named(field: str) -> None:
    value = json.loads(program().to_json())
    del value[field]
    with pytest.raises(InputError, match=field):
        StrokeProgram.from_json(json.dumps(value))


@pytest.mark.parametrize("text", ["", "painting", "[]", "3", "null", "[" * 100_000, "9" * 5000])
def test_what_is_no_program_is_refused_in_one_line(text: str) -> None:
    for read in (StrokeProgram.from_json, StrokeProgram.from_svg):
        with pytest.raises(InputError, match=r"^program: ") as refusal:
            read(text)
        assert "\n" not in str(refusal.value)


@given(st.data())
def test_a_truncated_file_is_refused(data: st.DataObject) -> None:
    for text, read in (
        (program().to_json(), StrokeProgram.from_json),
        (program().to_svg(), StrokeProgram.from_svg),
    ):
        whole = len(text.rstrip())
        with pytest.raises(InputError):
            read(text[: data.draw(st.integers(0, whole - 1))])


def test_svg_of_another_program_or_with_a_damaged_column_is_refused() -> None:
    foreign = '<svg xmlns="http://www.w3.org/2000/svg"><path d="M 0 0"/></svg>'
    with pytest.raises(InputError, match="metadata: is missing"):
        StrokeProgram.from_svg(foreign)
    with pytest.raises(InputError, match="data-size: is 'wide' in stroke 1"):
        StrokeProgram.from_svg(program().to_svg().replace('data-size="0.1"', 'data-size="wide"', 1))
    with pytest.raises(InputError, match="size: is nan in stroke 1 of 3"):
        StrokeProgram.from_svg(program().to_svg().replace('data-size="0.1"', 'data-size="nan"', 1))
    with pytest.raises(InputError, match="version: is 9"):
        StrokeProgram.from_svg(program().to_svg().replace('"version": 1', '"version": 9'))


def test_files_that_cannot_be_read_or_written_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"absent\.json: cannot be read"):
        StrokeProgram.load(tmp_path / "absent.json")
    with pytest.raises(InputError, match="cannot be written"):
        program().save(tmp_path / "absent" / "program.json")
    (tmp_path / "image.json").write_bytes(b"\x89PNG\xff\xfe")
    with pytest.raises(InputError, match="is no text"):
        StrokeProgram.load(tmp_path / "image.json")


def test_a_failed_save_leaves_the_old_file_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "program.json"
    program(1).save(path)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match=r"program\.json: cannot be written \(No space left on device\)"):
        program(2).save(path)
    assert_identical(StrokeProgram.load(path), program(1))
    assert os.listdir(tmp_path) == ["program.json"]


@pytest.mark.parametrize("version", ["true", "1.0", '"1"', "null"])
def test_a_version_of_another_type_is_refused(version: str) -> None:
    text = program().to_json().replace('"version": 1', f'"version": {version}')
    with pytest.raises(InputError, match="version: is"):
        StrokeProgram.from_json(text)


def test_a_name_that_no_file_can_have_is_refused() -> None:
    with pytest.raises(InputError, match="is no name of a file"):
        StrokeProgram.load("a\0b")
