"""The pages for users: what they name exists, and every command line in them is one that its command understands."""

from __future__ import annotations

import importlib
import io
import re
import shlex
import subprocess
import sys
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
import tyro

from planner import datasets

ROOT = Path(__file__).parents[1]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "examples/README.md")),
    *sorted(ROOT.glob("docs/*.md")),
    *sorted(ROOT.glob("planner/weights/*.md")),
]
COMMANDS = {
    "spiral-paint": "robot_bridge.paint",
    "spiral-train": "planner.train",
    "spiral-evaluate": "planner.evaluate",
}
HOUSE = ("sim", "planner", "calibration", "robot_bridge", "tests", "benchmarks", "examples", "docs")
PICTURES_BYTES = 1_500_000

pages = pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])


def code(page: Path) -> list[str]:
    """Return the lines of shell and the spans of code in a page, comments and continued lines resolved."""
    text = page.read_text(encoding="utf-8")
    blocks = re.findall(r"```(?:sh|bash)?\n(.*?)```", text, re.S)
    prose = re.sub(r"```.*?```", "", text, flags=re.S)
    lines = [line.split("#")[0].strip() for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    return [line for line in lines if line] + re.findall(r"`([^`\n]+)`", prose.replace("\n", " "))


def exit_code(module: str, words: list[str]) -> object:
    """Return the code with which the command of a module exits when it reads its arguments, 0 when it would go on."""
    try:
        tyro.cli(importlib.import_module(module).Args, args=words)
    except SystemExit as end:
        return end.code or 0
    return 0


def help_of(module: str, capsys: pytest.CaptureFixture[str]) -> str:
    """Return what `--help` prints."""
    assert exit_code(module, ["--help"]) == 0
    return capsys.readouterr().out


@pages
def test_every_command_line_is_understood(page: Path) -> None:
    for line in code(page):
        name, *words = shlex.split(line)
        if name in COMMANDS and words:
            assert exit_code(COMMANDS[name], words) == 0, line


@pages
def test_every_option_that_is_named_exists(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    known = set(re.findall(r"--[a-z][a-z-]*", "".join(help_of(module, capsys) for module in COMMANDS.values())))
    named = {line.split()[0] for line in code(page) if line.startswith("--")}
    assert named <= known


@pages
def test_every_make_target_and_variable_exists(page: Path) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for line in code(page):
        name, *words = shlex.split(line)
        if name != "make":
            continue
        for word in words:
            variable = word.partition("=")[0]
            known = rf"\$\((if )?\$?\(?{variable}\)" if "=" in word else rf"^{word}:"
            assert re.search(known, makefile, re.M), line


@pages
def test_every_file_that_is_linked_or_named_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    linked = [link for link in re.findall(r"\]\(([^)#\s]+)", text) if "://" not in link]
    missing = [link for link in linked if not (page.parent / link).exists()]
    ours = re.compile(rf"(?:{'|'.join(HOUSE)})/[\w/.-]*")
    named = [span for span in code(page) if ours.fullmatch(span)]
    missing += [name for name in named if not (ROOT / name).exists()]
    assert not missing


def test_the_pictures_are_small_enough_for_everyone_to_load() -> None:
    assert sum(file.stat().st_size for file in (ROOT / "docs" / "pictures").iterdir()) < PICTURES_BYTES


def test_the_conversion_on_the_training_page_gives_what_the_readers_read(tmp_path: Path) -> None:
    omniglot, sketches = tmp_path / "data" / "omniglot", tmp_path / "data" / "sketches"
    omniglot.mkdir(parents=True)
    sketches.mkdir()
    image = np.full((105, 105), 255, np.uint8)
    image[50:55, 20:80] = 0
    with zipfile.ZipFile(omniglot / "images_background.zip", "w") as archive:
        archive.writestr("images_background/Greek/character01/0001_01.png", cv2.imencode(".png", image)[1].tobytes())
    flat = '{"word": "line", "drawing": [[[0, 255], [0, 0]], [[0, 255], [10, 10]]]}\n'
    (sketches / "line.ndjson").write_text(2 * flat, encoding="utf-8")
    kanji = np.empty(2, object)
    kanji[:] = [np.array([[0, 0, 0], [9.0, 0, 1], [0, 1, 0], [-9, 0, 1]])] * 2
    saved = io.BytesIO()
    np.savez_compressed(saved, train=kanji, valid=kanji[:1], test=kanji[:1])
    (sketches / "kanji.rdp100.npz").write_bytes(saved.getvalue())

    (script,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "training.md").read_text(encoding="utf-8"), re.S)
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True)

    trained, held = datasets.line_art(tmp_path / "data")
    counts = {name: len(held[name]) + len(pictures) for name, pictures in trained.items()}
    assert counts == {"quickdraw": 2, "kanji": 3, "omniglot": 1}
    for pictures in held.values():
        ink = pictures[0] < 128
        assert ink[28:36].sum() == ink.sum() > 100  # every original is a flat bar or two, fitted into the middle
        assert ink[:, 10:54].any(axis=0).all()
