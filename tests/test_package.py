"""The package as it is installed: commands, data, and what lies in the working directory."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import PackageNotFoundError, distribution
from importlib.resources import files
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HOUSE = ("sim", "planner", "calibration", "robot_bridge")


@pytest.fixture(autouse=True)
def _installed() -> None:
    try:
        distribution("spiral_painter")
    except PackageNotFoundError:
        pytest.skip("spiral_painter is not installed in this environment; make setup installs it")


@pytest.fixture
def folder_with_our_names(tmp_path: Path) -> Path:
    """Return a folder that holds empty folders named like our packages."""
    for name in HOUSE:
        (tmp_path / name).mkdir()
    return tmp_path


def run(command: list[str], folder: Path) -> str:
    """Run a command in a folder and return what it printed; it must succeed."""
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def test_folders_of_the_same_name_in_the_working_directory_do_not_hide_ours(folder_with_our_names: Path) -> None:
    code = "import sim.stroke, planner, calibration, robot_bridge.arms; print(sim.__file__)"
    printed = run([sys.executable, "-c", code], folder_with_our_names)
    assert Path(printed.strip()) == Path(str(files("sim") / "__init__.py"))


@pytest.mark.parametrize("name", ["spiral-data", "spiral-evaluate", "spiral-paint", "spiral-train"])
def test_a_command_runs_from_a_folder_that_holds_our_names(name: str, folder_with_our_names: Path) -> None:
    printed = run([str(Path(sys.executable).parent / name), "--help"], folder_with_our_names)
    assert name in printed.splitlines()[0]


def test_the_data_of_run_time_is_found_from_anywhere(folder_with_our_names: Path) -> None:
    code = "from robot_bridge.robots.robot import available; print(*available())"
    assert "panda" in run([sys.executable, "-c", code], folder_with_our_names).split()


def test_an_installation_holds_every_module_and_the_data_of_run_time(tmp_path: Path) -> None:
    run([sys.executable, "setup.py", "-q", "egg_info", "-e", str(tmp_path), "build", "-b", str(tmp_path)], ROOT)
    for house in HOUSE:
        ours = [file for file in (ROOT / house).rglob("*") if file.is_file() and "__pycache__" not in file.parts]
        missing = [str(file) for file in ours if not (tmp_path / "lib" / file.relative_to(ROOT)).is_file()]
        assert not missing
