"""The evaluation command: the error that it reports is that of the programs that it saves."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from planner.actions import WidthLimits
from planner.agent import Agent
from planner.datasets import split
from planner.evaluate import Args, evaluate, main
from planner.program import StrokeProgram
from sim import mypaint
from sim.canvas import render
from sim.errors import InputError
from tests.planner.written import face

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "planner.evaluate", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_reported_errors_can_be_recomputed(tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    grey = cv2.GaussianBlur(cv2.line(np.full((64, 64), 255, np.uint8), (10, 12), (50, 44), 30, 5), (0, 0), 1.0)
    cv2.imwrite(str(images / "line.png"), grey)
    figures = tmp_path / "figures.json"
    saved = tmp_path / "saved"
    result = run("--model", "none", "--images", images, "--renders", 300, "--json", figures, "--save", saved)
    assert result.returncode == 0, result.stderr
    report = json.loads(figures.read_text())
    program = StrokeProgram.load(saved / "line.json")
    error = float(np.mean((render(program.strokes) - grey / 255.0) ** 2))
    assert report["images"] == [
        {
            "name": "line",
            "mse": pytest.approx(error, abs=1e-7),
            "strokes": len(program),
            "ink_mm": pytest.approx(polyline_mm(program), rel=1e-3),
            "seconds": pytest.approx(0, abs=60),
        }
    ]
    assert report["mse"] == pytest.approx(error, abs=1e-7)
    assert cv2.imread(str(saved / "line.png"), cv2.IMREAD_GRAYSCALE).shape == (64, 64)


def polyline_mm(program: StrokeProgram) -> float:
    """Return the length of all strokes on paper of 200 mm, by their SVG's curves in a thousand pieces."""
    t = np.linspace(0, 1, 1001)[:, None]
    curves = [(1 - t) ** 2 * row[0:2] + 2 * t * (1 - t) * row[2:4] + t**2 * row[4:6] for row in program.strokes]
    return 200 * sum(float(np.linalg.norm(np.diff(curve, axis=0), axis=1).sum()) for curve in curves)


def test_a_part_of_a_data_set_is_measured_at_several_budgets_against_pure_search(
    printed_mnist: Path, tmp_path: Path
) -> None:
    options = ["--data", printed_mnist, "--set", "mnist-test", "--first", "3", "--count", "2", "--strokes", "4"]
    budgets = ["--renders", "100", "200", "--against-search"]
    files = ["--json", tmp_path / "figures.json", "--table", tmp_path / "table.md", "--save", tmp_path / "saved"]
    result = run(*options, *budgets, *files)
    assert result.returncode == 0, result.stderr
    figures = json.loads((tmp_path / "figures.json").read_text())
    rows = {(row["planner"], row["renders"]): row for row in figures["runs"]}
    assert list(rows) == [
        ("policy alone, greedy", None),
        ("policy + search", 100),
        ("pure search", 100),
        ("policy + search", 200),
        ("pure search", 200),
    ]
    targets = split("mnist-test", printed_mnist)[3:5] / 255
    errors = []
    for index, target in enumerate(targets, start=3):
        program = StrokeProgram.load(tmp_path / "saved" / "pure-search-200" / f"mnist-test-{index:05d}.json")
        errors.append(np.mean((render(program.strokes) - target) ** 2))
    assert rows["pure search", 200]["mse"] == pytest.approx(np.mean(errors), abs=1e-7)
    share = 1 - rows["policy + search", 200]["mse"] / rows["pure search", 200]["mse"]
    assert rows["policy + search", 200]["below_pure_search"] == pytest.approx(share)
    assert (figures["renders"], figures["mse"]) == (100, rows["policy + search", 100]["mse"])
    assert (tmp_path / "table.md").read_text() == result.stdout
    assert f"{100 * share:.0f} %" in result.stdout.splitlines()[7]


def test_programs_are_measured_in_the_engine_that_is_asked_for(printed_mnist: Path, tmp_path: Path) -> None:
    words = ["--data", printed_mnist, "--set", "mnist-test", "--count", "2", "--strokes", "3", "--no-search"]
    result = run(*words, "--engine", "mypaint", "--save", tmp_path / "saved", "--json", tmp_path / "figures.json")
    assert result.returncode == 0, result.stderr
    figures = json.loads((tmp_path / "figures.json").read_text())
    program = StrokeProgram.load(tmp_path / "saved" / "mnist-test-00001.json")
    target = split("mnist-test", printed_mnist)[1] / 255
    error = float(np.mean((mypaint.render(program.strokes) - target) ** 2))
    assert figures["images"][1]["mse"] == pytest.approx(error, abs=1e-7)
    assert figures["engine"] == "mypaint"


def test_the_policy_alone_makes_the_same_of_many_as_of_one(printed_mnist: Path) -> None:
    agent = Agent.load("line-art")
    targets = split("mnist-test", printed_mnist)[:20].astype(np.float32) / np.float32(255)
    together = agent.greedy_batch(targets, 3, WidthLimits())
    for index in (0, 7):
        np.testing.assert_array_equal(agent.greedy(targets[index], 3, WidthLimits()), together[index])


def test_a_part_in_colour_is_refused(tmp_path: Path) -> None:
    face(tmp_path / "img_align_celeba" / "1.jpg", 1)
    face(tmp_path / "img_align_celeba" / "2.jpg", 2)
    with pytest.raises(InputError, match="--set celeba-train: is in colour"):
        evaluate(Args(part="celeba-train", data=tmp_path))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--images", "nowhere"], "no such folder"),
        (["--images", EXAMPLES, "--strokes", "0"], "nothing to paint"),
        (["--images", EXAMPLES, "--model", "rembrandt"], "neither a shipped model"),
        (["--images", EXAMPLES, "--model", "none", "--no-search"], "neither policy nor search"),
        (["--images", EXAMPLES, "--json", "nowhere/figures.json"], "no such folder"),
        (["--images", EXAMPLES, "--renders", "3"], "need at least 24"),
        (["--images", EXAMPLES, "--renders", "500", "3"], "--renders 3: 8 strokes need at least 24"),
        ([], "give --images FOLDER, --set NAME or --dreams N, and one of them only"),
        (["--images", EXAMPLES, "--dreams", "9"], "and one of them only"),
        (["--set", "mnist-train-and-test"], "no such part of a data set"),
        (["--set", "mnist-test", "--data", "nowhere"], "mnist-test needs mnist/"),
        (["--images", EXAMPLES, "--against-search", "--no-search"], "--against-search: compares"),
        (["--images", EXAMPLES, "--sheet", "sheet.png"], "--sheet: is for --dreams; leave it out"),
        (["--dreams", "9", "--renders", "500"], "--renders: is for targets; leave it out"),
        (["--dreams", "1"], "--dreams 1: give 2 or more"),
        (["--dreams", "9", "--model", "line-art"], "the model line-art reproduces targets"),
        (["--dreams", "9", "--temperature", "0.5", "0"], "--temperature 0.5 0: give more than 0"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    words: list[object], message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["spiral-evaluate", *map(str, words)])
    assert main() == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert message in printed.err
    assert len(printed.err.strip().splitlines()) == 1
