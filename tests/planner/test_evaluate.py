"""The evaluation command: the error that it reports is that of the programs that it saves."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from planner.program import StrokeProgram
from sim.canvas import render

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
            "seconds": pytest.approx(0, abs=60),
        }
    ]
    assert report["mse"] == pytest.approx(error, abs=1e-7)
    assert cv2.imread(str(saved / "line.png"), cv2.IMREAD_GRAYSCALE).shape == (64, 64)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--images", "nowhere"], "no such folder"),
        (["--images", EXAMPLES, "--strokes", "0"], "nothing to paint"),
        (["--images", EXAMPLES, "--model", "rembrandt"], "neither a shipped model"),
        (["--images", EXAMPLES, "--model", "none", "--no-search"], "neither policy nor search"),
        (["--images", EXAMPLES, "--json", "nowhere/figures.json"], "no such folder"),
        (["--images", EXAMPLES, "--renders", "3"], "need at least 24"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(words: list[object], message: str) -> None:
    result = run(*words)
    assert result.returncode == 2
    assert message in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
