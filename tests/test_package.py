"""The package as it is installed: commands, data, and what lies in the working directory."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import PackageNotFoundError, distribution
from importlib.resources import files
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _installed() -> None:
    try:
        distribution("spiral_painter")
    except PackageNotFoundError:
        pytest.skip("spiral_painter is not installed in this environment; make setup installs it")


@pytest.fixture
def folder_with_our_names(tmp_path: Path) -> Path:
    """Return a folder that holds empty folders named like our packages."""
    for name in ("sim", "planner", "calibration", "robot_bridge"):
        (tmp_path / name).mkdir()
    return tmp_path


def test_folders_of_the_same_name_in_the_working_directory_do_not_hide_ours(folder_with_our_names: Path) -> None:
    command = [sys.executable, "-c", "import sim.stroke, planner, calibration, robot_bridge.arms; print(sim.__file__)"]
    run = subprocess.run(command, cwd=folder_with_our_names, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert Path(run.stdout.strip()) == Path(str(files("sim") / "__init__.py"))
