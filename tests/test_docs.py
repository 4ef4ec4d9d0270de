"""The pages for users: what they name exists, and every command line in them is one that its command understands."""

from __future__ import annotations

import importlib
import re
import shlex
from pathlib import Path

import pytest
import tyro

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
    "spiral-data": "planner.data",
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
