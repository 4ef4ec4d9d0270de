"""`spiral-data`: it prints what a folder holds, names what is damaged, and says what is missing."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from planner import data as command
from planner import datasets
from sim.errors import InputError
from tests.planner.written import DRAWING, cut, face, idx, ink_blots


def spiral_data(monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    """Return the exit code of the command."""
    monkeypatch.setattr(sys, "argv", ["spiral-data", *map(str, words)])
    return command.main()


def test_what_is_there_is_counted_and_what_is_not_is_named(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (data / "mnist" / "t10k-labels-idx1-ubyte").unlink()
    assert spiral_data(monkeypatch, data, "--sheet", tmp_path / "sheet.png") == 0
    printed, complaints = capsys.readouterr()
    assert not complaints
    assert "mnist: 33 pictures to train on, 3 to validate on, 7 to test on" in printed
    assert "omniglot: 18 pictures to train on, 2 to validate on, 20 to test on" in printed
    assert "Brenden Lake; MIT" in printed
    missing = re.findall(r"missing: (\S+), for", printed)
    assert "mnist/t10k-labels-idx1-ubyte" in missing
    assert {"sketches/CATEGORY.ndjson", "sketches/kanji.rdp100.npz"} <= set(missing)
    assert len(missing) == 4
    ink = 1 - datasets.digits(ink_blots(36, 28, 1)) / 255
    assert f"{100 * ink.mean():.1f} % ink" in printed


def test_the_sheet_shows_a_row_of_each_part(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for k in range(11):
        face(data / "celeba" / "img_align_celeba" / f"{k:06}.jpg", k)
    assert spiral_data(monkeypatch, data, "--sheet", tmp_path / "sheet.png") == 0
    sheet = np.array(Image.open(tmp_path / "sheet.png"))
    assert sheet.shape == (9 * 64, 16 * 64, 3)
    tests = datasets.digits(ink_blots(7, 28, 2))
    assert np.array_equal(sheet[128:192, : 7 * 64, 0], np.concatenate(list(tests), axis=1))
    assert (sheet[128:192, 7 * 64 :] == 255).all()
    faces = datasets.split("celeba-train", data)[:]
    assert np.array_equal(sheet[384:448, :64], faces[0])


def test_every_damaged_file_gives_one_line_and_the_code_two(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cut(data / "mnist" / "train-images-idx3-ubyte.gz")
    idx(data / "mnist" / "t10k-labels-idx1-ubyte", np.zeros(3, np.uint8))
    cut(data / "omniglot" / "omniglot_evaluation_shared.npz")
    (data / "sketches").mkdir()
    (data / "sketches" / "hat.ndjson").write_text(json.dumps(DRAWING) + '\n{"dra', encoding="utf-8")
    for k in range(30):
        face(data / "celeba" / "img_align_celeba" / f"{k:06}.jpg", k)
    cut(data / "celeba" / "img_align_celeba" / "000007.jpg")
    Image.new("RGB", (178, 218), (1, 2, 3)).save(data / "celeba" / "img_align_celeba" / "000012.jpg")
    assert spiral_data(monkeypatch, data, "--sheet", tmp_path / "sheet.png") == 2
    printed, complaints = capsys.readouterr()
    lines = complaints.splitlines()
    assert all(line.startswith(f"spiral-data: {data}") and ";" in line for line in lines)
    for file in (
        "train-images-idx3-ubyte.gz",
        "3 labels for 7",
        "evaluation_shared.npz",
        "hat.ndjson, line 2",
        "7.jpg",
    ):
        assert any(file in line for line in lines), file
    assert any("000012.jpg: has one colour only" in line for line in lines)
    assert "omniglot: 18 pictures to train on, 2 to validate on, ? to test on" in printed
    with pytest.raises(InputError) as raised:
        datasets.line_art(data)
    assert f"spiral-data: {raised.value}" in lines


def test_a_folder_of_images_is_counted_and_each_bad_one_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for k in range(25):
        face(tmp_path / f"{k:02}.jpg", k)
        if k > 2:
            Image.new("L", (80, 80), 200).save(tmp_path / f"{k:02}.jpg")
    (tmp_path / "zz.png").write_bytes(b"")
    assert spiral_data(monkeypatch, tmp_path) == 2
    printed, complaints = capsys.readouterr()
    assert f"{tmp_path}: 23 images to train on, 3 to validate on, as line art" in printed
    assert complaints.count("nothing to paint") == 20
    assert "3 more pictures cannot be read" in complaints


def test_too_few_pictures_are_told(data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    idx(data / "mnist" / "train-images-idx3-ubyte.gz", ink_blots(11, 28, 1))
    idx(data / "mnist" / "train-labels-idx1-ubyte.gz", np.zeros(11, np.uint8))
    assert spiral_data(monkeypatch, data / "mnist") == 2
    assert "train-images-idx3-ubyte.gz: too few pictures (11)" in capsys.readouterr().err
    face(data / "alone" / "one.jpg", 1)
    assert spiral_data(monkeypatch, data / "alone") == 2
    assert "alone: too few pictures (1)" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["none"], ["."], [".", "--sheet", "no/sheet.png"], [".", "--sheet", "sheet.gif"]])
def test_nothing_to_check_gives_one_line_and_the_code_two(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "README.md").write_text("no picture", encoding="utf-8")
    assert spiral_data(monkeypatch, *words) == 2
    printed, complaints = capsys.readouterr()
    assert not printed
    assert len(complaints.splitlines()) == 1
