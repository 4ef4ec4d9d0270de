"""`spiral-paint` as a user meets it: real processes, interrupted and killed, and everything it refuses."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from planner import checkpoint
from planner.agent import Agent, Verdict
from planner.discriminator import build_discriminator
from planner.policy import Kind, build
from planner.program import Provenance, StrokeProgram
from planner.target import Target
from robot_bridge import events
from robot_bridge.arguments import Args
from robot_bridge.choice import paintable
from robot_bridge.journal import NAME, Journal
from robot_bridge.paint import conduct, main
from robot_bridge.painter import PICTURE_PX
from robot_bridge.preparation import nominal_calibration
from robot_bridge.progress import report
from robot_bridge.record import Record, kept_paper
from robot_bridge.robots.robot import Robot
from sim.brush import BRUSHES
from sim.canvas import render
from sim.errors import InputError

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
CAT = str(EXAMPLES / "cat.png")
QUICK = ["--model", "none", "--strokes", "4", "--feedback-every", "2", "--speed", "0.2", "--no-film"]
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def command(*words: str | Path) -> list[str]:
    return [sys.executable, "-m", "robot_bridge.paint", *map(str, words)]


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Yield what starts the command, and end in the end what still runs."""
    begun: list[subprocess.Popen[str]] = []

    def begin(*words: str | Path, **options: Any) -> subprocess.Popen[str]:
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        process = subprocess.Popen(command(*words), env=ENVIRONMENT, **pipes | options)
        begun.append(process)
        return process

    yield begin
    for process in begun:
        if process.poll() is None:
            process.kill()
        process.communicate()


def entries(folder: Path) -> list[dict[str, Any]]:
    """Return the whole lines of a journal that another process may be writing."""
    with contextlib.suppress(FileNotFoundError):
        lines = (folder / NAME).read_bytes().split(b"\n")[:-1]
        return [json.loads(line) for line in lines]
    return []


def strokes_in(folder: Path) -> int:
    return sum(entry.get("entry") == "stroke_done" for entry in entries(folder))


def wait_for(process: subprocess.Popen[str], happened: Callable[[], bool]) -> None:
    until = time.monotonic() + 120
    while not happened():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.005)


def end(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, errors = process.communicate(timeout=120)
    assert "Traceback" not in errors
    return process.returncode, out, errors


def check_whole(folder: Path, strokes: int = 4) -> dict[str, Any]:
    """Check that a finished painting's files agree with each other, and return its summary."""
    with Journal.resume(folder) as journal:
        assert journal.finished
        executed = journal.executed
        done = [entry["index"] for entry in journal.entries if entry["entry"] == "stroke_done"]
    assert done == list(range(strokes))
    program = StrokeProgram.load(folder / "program.json")
    np.testing.assert_array_equal(program.strokes, executed)
    summary: dict[str, Any] = json.loads((folder / "summary.json").read_text())
    assert summary["finished"]
    assert summary["strokes"] == strokes
    assert (summary["target"], summary["target_kind"]) == ("cat", "drawing")
    # What the camera sees is every stroke: none lost, none in another place.
    seen = cv2.imread(str(folder / "painting.png"), cv2.IMREAD_GRAYSCALE) / 255
    meant = render(executed, len(seen))
    assert np.mean(seen[meant < 0.5]) < 0.1
    if not summary["partial_strokes"]:
        assert np.mean((seen - meant) ** 2) < 0.05 * np.mean((1 - meant) ** 2)
    assert summary["mse_transfer_share"] < 0.05
    lengths = [entry["length_m"] for entry in entries(folder) if entry.get("entry") == "stroke_done"]
    assert summary["path_length_mm"] == pytest.approx(1000 * sum(lengths))
    assert summary["arm_time_s"] > summary["path_length_mm"] / 1000 / 0.2
    assert not list(folder.glob("paper*"))
    assert not [path.name for path in folder.iterdir() if path.name.startswith(".")]
    return summary


def test_a_painting_leaves_its_pictures_program_film_and_figures(
    tmp_path: Path, start: Callable[..., subprocess.Popen[str]]
) -> None:
    words = [word for word in QUICK if word != "--no-film"]
    code, out, errors = end(start(CAT, *words, "--out", tmp_path / "cat"))
    assert (code, errors) == (0, "")
    assert out.startswith("target: cat.png, taken as a drawing: fitted into 64×64 points\n")
    figures = check_whole(tmp_path / "cat")
    for name in (
        "strokes",
        "path_length_mm",
        "arm_time_s",
        "plan_time_s",
        "paint_time_s",
        "film_time_s",
        "mse_planned",
    ):
        assert figures[name] > 0
        assert name in out
    for name in ("mse_painted", "mse_transfer", "cross_track_rms_mm", "cross_track_max_mm", "max_force_n"):
        assert figures[name] > 0
    assert max(map(abs, figures["estimated_shift_mm"])) < 0.2
    assert figures["discriminator_score"] is None
    assert figures["paint_time_s"] < figures["arm_time_s"]
    for name, side in (("target.png", 64), ("planned.png", PICTURE_PX), ("painting.png", PICTURE_PX)):
        assert cv2.imread(str(tmp_path / "cat" / name)).shape[:2] == (side, side)
    film = cv2.VideoCapture(str(tmp_path / "cat" / "painting.mp4"))
    frames = []
    while (frame := film.read())[0]:
        frames.append(frame[1])
    assert len(frames) >= 10
    assert np.abs(frames[0].astype(int) - frames[-1]).max() > 100
    assert len(list((tmp_path / "cat" / "seen").glob("*.png"))) == 2
    kinds = [entry.get("entry") for entry in entries(tmp_path / "cat")]
    assert kinds.count("planned") == kinds.count("observed") == kinds.count("scored") == kinds.count("shifted") == 2
    planned = [entry for entry in entries(tmp_path / "cat") if entry.get("entry") == "planned"]
    assert all(len(entry["verdicts"]) > 1 for entry in planned)


def test_ctrl_c_lifts_the_brush_and_the_painting_resumes(
    tmp_path: Path, start: Callable[..., subprocess.Popen[str]]
) -> None:
    folder = tmp_path / "cat"
    process = start(CAT, *QUICK, "--out", folder)
    wait_for(process, lambda: strokes_in(folder) >= 1)
    process.send_signal(signal.SIGINT)
    code, _, errors = end(process)
    assert code == 130
    assert errors == f"spiral-paint: interrupted, the brush is lifted; go on with spiral-paint --resume {folder}\n"
    assert entries(folder)[-1]["entry"] == "cancelled"
    assert entries(folder)[-1]["lifted"]
    before = json.loads((folder / "summary.json").read_text())
    assert not before["finished"]
    assert before["strokes"] == strokes_in(folder) < 4
    assert before["partial_strokes"] == ("cut" in entries(folder)[-1])
    code, _, errors = end(start("--resume", folder, "--no-film"))
    assert (code, errors) == (0, "")
    after = check_whole(folder)
    for name in ("path_length_mm", "arm_time_s", "plan_time_s", "paint_time_s"):
        assert after[name] > before[name]
    code, _, errors = end(start("--resume", folder))
    assert (code, errors) == (2, f"spiral-paint: {folder}: this painting is finished; nothing to resume\n")


def test_a_second_ctrl_c_stops_and_holds_and_the_painting_resumes(
    tmp_path: Path, start: Callable[..., subprocess.Popen[str]]
) -> None:
    folder = tmp_path / "cat"
    process = start(CAT, *QUICK, "--speed", "0.01", "--out", folder)
    wait_for(process, lambda: len(entries(folder)) >= 2)
    time.sleep(0.3)
    # SIGTERM counts as Ctrl-C does. Another SIGINT would merge with the first if it came at once, and a pause between
    # them is as long as a busy machine makes it: too long, and the brush is lifted already.
    process.send_signal(signal.SIGINT)
    process.terminate()
    code, _, errors = end(process)
    assert code == 130
    assert "stopped, the arm holds; go on with" in errors
    assert entries(folder)[-1]["lifted"] is False
    code, _, errors = end(start("--resume", folder, "--no-film"))
    assert (code, errors) == (0, "")


def test_sigterm_ends_as_ctrl_c_does(tmp_path: Path, start: Callable[..., subprocess.Popen[str]]) -> None:
    folder = tmp_path / "cat"
    process = start(CAT, *QUICK, "--out", folder)
    wait_for(process, lambda: strokes_in(folder) >= 1)
    process.terminate()
    code, _, errors = end(process)
    assert code == 130
    assert "the brush is lifted" in errors


@pytest.mark.parametrize("delay_s", [0.0, 0.3, 0.7])
def test_ctrl_c_before_the_arm_moves_ends_with_one_line_and_leaves_nothing(
    tmp_path: Path, start: Callable[..., subprocess.Popen[str]], delay_s: float
) -> None:
    began = time.monotonic()
    end(start("--help"))  # while Python still imports, an interrupt is its own to tell
    begins_s = time.monotonic() - began
    process = start(CAT, "--model", "none", "--strokes", "100", "--no-film", "--out", tmp_path / "new" / "cat")
    time.sleep(begins_s + delay_s)
    assert not (tmp_path / "new").exists(), "a hundred strokes are not planned so soon"
    process.send_signal(signal.SIGINT)
    code, out, errors = end(process)
    # Where the signal meets code that an import compiles from text, Python ends as killed by it; a shell says 130 too.
    assert code in (130, -signal.SIGINT)
    assert errors == "spiral-paint: interrupted before the arm moved\n"
    assert out in ("", "target: cat.png, taken as a drawing: fitted into 64×64 points\n")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("seed", range(4))
def test_a_painting_killed_at_any_time_resumes_without_losing_or_repeating_a_stroke(
    tmp_path: Path, start: Callable[..., subprocess.Popen[str]], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    folder = tmp_path / "cat"
    process = start(CAT, *QUICK, "--out", folder)
    wait_for(process, lambda: len(entries(folder)) >= 2 + 2 * seed)
    time.sleep(rng.uniform(0.0, 0.3))
    process.kill()
    process.wait()
    killed_at = strokes_in(folder)
    code, _, errors = end(start("--resume", folder, "--no-film"))
    if code == 2:
        assert "finished" in errors
    else:
        assert (code, errors) == (0, "")
    check_whole(folder)
    assert strokes_in(folder) == 4 >= killed_at


def test_a_pause_waits_with_the_brush_lifted(tmp_path: Path, start: Callable[..., subprocess.Popen[str]]) -> None:
    folder = tmp_path / "cat"
    process = start(CAT, *QUICK, "--out", folder)
    wait_for(process, lambda: strokes_in(folder) >= 1)
    process.send_signal(signal.SIGTSTP)
    stat = Path(f"/proc/{process.pid}/stat")
    wait_for(process, lambda: stat.read_text().rsplit(")", 1)[1].split()[0] == "T")
    assert entries(folder)[-1]["entry"] == "paused"
    time.sleep(2.0)
    process.send_signal(signal.SIGCONT)
    code, _, errors = end(process)
    assert (code, errors) == (0, "")
    check_whole(folder)
    times = [entry["unix_s"] for entry in entries(folder)]
    assert json.loads((folder / "summary.json").read_text())["paint_time_s"] < times[-1] - times[0] - 1.5


def test_a_full_disk_lifts_the_brush_keeps_the_journal_and_resumes(
    tmp_path: Path, start: Callable[..., subprocess.Popen[str]]
) -> None:
    folder = tmp_path / "cat"

    process = start(CAT, *QUICK, "--out", folder)
    wait_for(process, lambda: strokes_in(folder) >= 1)
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (10, 10))
    code, _, errors = end(process)
    assert code == 2
    assert errors.startswith(f"spiral-paint: {folder}/")
    assert "cannot be written (File too large)" in errors
    assert f"--resume {folder}" in errors
    assert errors.count("\n") == 1
    assert 0 < strokes_in(folder) < 4
    code, _, errors = end(start("--resume", folder, "--no-film"))
    assert (code, errors) == (0, "")
    check_whole(folder)


def test_a_disk_that_is_full_from_the_start_leaves_nothing(
    tmp_path: Path, start: Callable[..., subprocess.Popen[str]]
) -> None:
    process = start(CAT, *QUICK, "--out", tmp_path / "new" / "cat")
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (50, 50))
    code, _, errors = end(process)
    assert (code, errors.count("\n")) == (2, 1)
    assert "cannot be written (File too large)" in errors
    assert os.listdir(tmp_path) == []


@pytest.fixture(scope="module")
def dreamer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the checkpoint of an unconditional model that has learned nothing yet."""
    file = tmp_path_factory.mktemp("models") / "novice.safetensors"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        checkpoint.save(file, build(Kind(conditional=False)), build_discriminator("spectral", False, False), {})
    return file


def test_a_dream_is_painted_as_its_seed_decides_also_when_it_was_interrupted(
    tmp_path: Path, dreamer: Path, start: Callable[..., subprocess.Popen[str]]
) -> None:
    folder = tmp_path / "dream"
    words = ["--dream", dreamer, "--strokes", "3", "--seed", "5", "--feedback-every", "2", "--speed", "0.2"]
    process = start(*words, "--no-film", "--out", folder)
    wait_for(process, lambda: strokes_in(folder) >= 1)
    process.send_signal(signal.SIGINT)
    code, out, _ = end(process)
    assert code == 130
    assert out.startswith("target: none, novice paints what it wants (seed 5)\n")
    code, out, errors = end(start("--resume", folder, "--no-film"))
    assert (code, errors) == (0, "")
    limits = paintable(nominal_calibration(Args(), Robot.load("panda", BRUSHES["round-20"])))
    dream = Agent.load(str(dreamer)).dream(5, 3, limits)
    program = StrokeProgram.load(folder / "program.json")
    assert program == dream
    assert program.provenance == Provenance("novice", 5, "")
    summary = json.loads((folder / "summary.json").read_text())
    assert (summary["target"], summary["target_kind"], summary["seed"]) == (None, "dream", 5)
    assert summary["finished"]
    assert summary["mse_planned"] is summary["mse_painted"] is None
    assert summary["mse_transfer_share"] < 0.05
    assert 0 < summary["discriminator_score"] < 1
    scores = [entry for entry in entries(folder) if entry.get("entry") == "scored"]
    assert all(entry["error"] is None and 0 < entry["score"] < 1 for entry in scores)
    assert not (folder / "target.png").exists()


def test_the_preview_of_a_dream_is_what_the_arm_would_paint(tmp_path: Path, dreamer: Path) -> None:
    words = command("--dream", dreamer, "--preview", "--seed", "1", "--out", tmp_path / "dream")
    result = subprocess.run(words, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")
    assert sorted(os.listdir(tmp_path / "dream")) == ["planned.png", "program.json", "program.svg", "summary.json"]
    program = StrokeProgram.load(tmp_path / "dream" / "program.json")
    assert len(program) == 8
    figures = json.loads((tmp_path / "dream" / "summary.json").read_text())
    assert (figures["target"], figures["mse_planned"], figures["strokes"]) == (None, None, 8)


def test_a_preview_needs_no_pybullet_and_moves_nothing(tmp_path: Path) -> None:
    (tmp_path / "pybullet.py").write_text("raise ImportError('blocked')")
    out = tmp_path / "cat"
    environment = ENVIRONMENT | {"PYTHONPATH": f"{tmp_path}:{ROOT}"}
    words = command(CAT, "--model", "none", "--strokes", "4", "--preview", "--out", out)
    result = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")
    assert sorted(os.listdir(out)) == ["planned.png", "program.json", "program.svg", "summary.json", "target.png"]
    figures = json.loads((out / "summary.json").read_text())
    assert figures["arm_time_s"] > figures["path_length_mm"] / 1000 / 0.1
    words = command(CAT, *QUICK, "--out", tmp_path / "painted")
    result = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert "install spiral_painter[sim]" in result.stderr
    assert not (tmp_path / "painted").exists()


def test_a_preview_shows_the_plan_with_which_the_same_painting_begins(
    tmp_path: Path, start: Callable[..., subprocess.Popen[str]]
) -> None:
    words = [CAT, "--strokes", "2", "--seed", "3", "--no-film"]
    assert end(start(*words, "--preview", "--out", tmp_path / "preview"))[0] == 0
    process = start(*words, "--out", tmp_path / "painted")
    wait_for(process, lambda: len(entries(tmp_path / "painted")) >= 2)
    process.kill()
    planned = entries(tmp_path / "painted")[1]["strokes"]
    np.testing.assert_array_equal(StrokeProgram.load(tmp_path / "preview" / "program.json").strokes, planned)


def test_an_output_that_takes_nothing_does_not_stop_the_arm(
    tmp_path: Path, start: Callable[..., subprocess.Popen[str]]
) -> None:
    process = start(CAT, *QUICK, "--out", tmp_path / "closed")
    assert process.stdout is not None
    process.stdout.close()
    assert process.wait(timeout=120) == 0
    assert process.stderr is not None
    assert process.stderr.read() == ""
    check_whole(tmp_path / "closed")
    with open("/dev/full", "w") as full:
        code, _, errors = end(start(CAT, *QUICK, "--out", tmp_path / "full", stdout=full))
    assert (code, errors) == (0, "")
    plain = ENVIRONMENT | {"PYTHONIOENCODING": "ascii"}
    words = command(CAT, *QUICK, "--out", tmp_path / "plain")
    result = subprocess.run(words, env=plain, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")


def test_outputs_that_are_closed_stop_nothing_and_get_no_traceback(tmp_path: Path) -> None:
    for place, (redirection, preview) in enumerate(
        [("| head -1", "--preview"), (">&-", ""), (">&- 2>&- <&-", "--preview")]
    ):
        out = tmp_path / str(place)
        words = shlex.join(command(CAT, *QUICK, "--out", out, *preview.split()))
        script = f"set -o pipefail; {words} {redirection}"
        result = subprocess.run(["bash", "-c", script], env=ENVIRONMENT, capture_output=True, text=True, check=False)
        assert (result.returncode, result.stderr) == (0, "")
        assert (out / "summary.json").exists()


def test_the_last_line_names_the_files_of_the_painting_and_no_others(
    tmp_path: Path, start: Callable[..., subprocess.Popen[str]]
) -> None:
    (tmp_path / "notes.txt").touch()
    code, out, _ = end(start(CAT, *QUICK, "--out", tmp_path))
    names = "journal.jsonl, painting.png, planned.png, program.json, program.svg, summary.json, target.png"
    assert (code, out.splitlines()[-1]) == (0, f"{tmp_path}: {names}")


def test_an_out_folder_that_is_removed_is_not_offered_for_resuming(
    tmp_path: Path, start: Callable[..., subprocess.Popen[str]]
) -> None:
    folder = tmp_path / "cat"
    process = start(CAT, *QUICK, "--out", folder)
    wait_for(process, lambda: strokes_in(folder) >= 1)
    shutil.move(folder, tmp_path / "elsewhere")
    code, _, errors = end(process)
    assert (code, errors.count("\n")) == (2, 1)
    assert errors.endswith(f"then paint anew, on clean paper: {folder / NAME} is gone\n")


def test_a_fault_is_told_also_where_it_cannot_be_written(tmp_path: Path) -> None:
    class Faulty:
        def paint(self) -> Iterator[events.Event]:
            yield events.Fault("path: joint 4 is off; the arm holds.")

        def cancel(self) -> None: ...

    class FullDisk:
        journal, folder = object(), tmp_path

        def start(self) -> None: ...

        def listen(self, event: events.Event) -> None:
            raise InputError("disk full; free space")

    with pytest.raises(InputError, match=r"path: joint 4 is off; the arm holds\. And disk full; free space; then "):
        conduct(Faulty(), FullDisk(), lambda event: None)  # type: ignore[arg-type]


def test_a_joint_that_sticks_is_told_and_the_painting_resumes(
    tmp_path: Path,
    start: Callable[..., subprocess.Popen[str]],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    from sim import world

    class Sticking(world.World):
        """The elbow sticks from the fourth second on."""

        def servo(self, q: Any) -> None:
            q = np.array(q)
            if self.time_s > 4:
                q[3] = self.stuck_at
            self.stuck_at = q[3]
            super().servo(q)

    monkeypatch.setattr(world, "World", Sticking)
    folder = tmp_path / "cat"
    monkeypatch.setattr(sys, "argv", ["spiral-paint", CAT, *QUICK, "--out", str(folder)])
    capfd.readouterr()
    assert main() == 1
    errors = capfd.readouterr().err
    assert errors.startswith("spiral-paint: path: joint panda_joint4 is")
    assert errors.endswith(f"go on with spiral-paint --resume {folder}\n")
    assert errors.count("\n") == 1
    assert entries(folder)[-1]["entry"] == "fault"
    code, _, errors = end(start("--resume", folder, "--no-film"))
    assert (code, errors) == (0, "")
    check_whole(folder)


def test_help_is_a_manual_with_units_examples_and_exit_codes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["anything", "--help"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert text.startswith("usage: spiral-paint")
    for word in ("--resume", "METRES", "[m/s]", "examples:", "exit codes:", "--judge", "130"):
        assert word in text


def test_help_loads_nothing_heavy() -> None:
    code = "import sys, robot_bridge.paint; print(*{'torch', 'numpy', 'cv2', 'numba', 'pinocchio'} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], env=ENVIRONMENT, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == ""


@pytest.fixture(scope="module")
def bad(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of things that cannot be used."""
    folder = tmp_path_factory.mktemp("bad")
    (folder / "empty.png").touch()
    whole = (EXAMPLES / "cat.png").read_bytes()
    (folder / "cut.png").write_bytes(whole[:300])
    (folder / "corrupt.png").write_bytes(whole[:200] + bytes(60) + whole[260:])
    (folder / "text.png").write_text("no picture")
    cv2.imwrite(str(folder / "white.png"), np.full((64, 64), 255, np.uint8))
    checkpoint.save(
        folder / "novice.safetensors", build(Kind(conditional=False)), build_discriminator("spectral", False, False), {}
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoint, "VERSION", "0")
        checkpoint.save(
            folder / "old.safetensors",
            build(Kind()),
            build_discriminator("spectral", conditional=True, colour=False),
            {},
        )
    (folder / "cut.safetensors").write_bytes((folder / "old.safetensors").read_bytes()[:5000])
    (folder / "painted").mkdir()
    with Journal.create(folder / "painted", {"strokes": 4}) as journal:
        journal.append("finished")
    (folder / "mine" / "seen").mkdir(parents=True)
    for name in ("target.png", "summary.json", "painting-2.mp4"):
        (folder / name.partition(".")[0]).mkdir()
        shutil.copy(CAT, folder / name.partition(".")[0] / name)
    (folder / "headless").mkdir()
    Journal.create(folder / "headless", {"strokes": 4}).close()
    (folder / "damaged").mkdir()
    (folder / "damaged" / NAME).write_text('{"format": "spiral_painter.journal", "version": 1, "header": {}}\nx\n')
    return folder


NONE = ["--model", "none"]
REFUSED = [
    ([], "give either a picture to paint, --dream NAME or --resume FOLDER"),
    (["BAD/absent.png"], "absent.png: cannot be read (No such file or directory); name an image file"),
    (["BAD/empty.png"], "empty.png: is empty"),
    (["BAD/cut.png"], "cut.png: is no whole PNG"),
    (["BAD/corrupt.png"], "corrupt.png: is no whole PNG"),
    (["BAD/text.png"], "text.png: is no whole PNG"),
    (["BAD"], "cannot be read (Is a directory)"),
    (["BAD/white.png"], "white.png: nothing to paint"),
    ([CAT, *NONE, "--strokes", "0"], "--strokes 0: nothing to paint; give 1 or more"),
    ([CAT, *NONE, "--strokes", "-3"], "--strokes -3: nothing to paint; give 1 or more"),
    ([CAT, *NONE, "--feedback-every", "0"], "--feedback-every 0: give 1 or more, or --open-loop"),
    ([CAT, *NONE, "--speed", "0"], "--speed 0: give 0.001 to 1 metres a second"),
    ([CAT, *NONE, "--seed", "-1"], "--seed -1: give a whole number"),
    ([CAT, *NONE, "--judge", "discriminator"], "--model none has no discriminator"),
    ([CAT, *NONE, "--canvas-size", "0.01"], "--canvas-size 0.01: give 0.02 to 2 metres"),
    ([CAT, *NONE, "--canvas-size", "0.03"], "--canvas-size 0.03: too small for round-20, whose narrowest line is 2 mm"),
    ([CAT, *NONE, "--canvas-size", "0.4", "--no-film"], "paper: the camera sees"),
    ([CAT, *NONE, "--canvas-size", "nan"], "--canvas-size nan: give 0.02 to 2 metres"),
    ([CAT, *NONE, "--canvas-size", "0.9"], "canvas of 0.9 m: panda cannot reach"),
    ([CAT, *NONE, "--canvas-centre", "1.5", "0", "0.02"], "canvas of 0.2 m: panda cannot reach"),
    ([CAT, *NONE, "--canvas-centre", "nan", "0", "0.02"], "--canvas-centre: give three distances"),
    ([CAT, *NONE, "--canvas-centre", "0.5", "0", "-0.01"], "10.0 mm below the table; raise the canvas"),
    ([CAT, *NONE, "--canvas-tilt", "80"], "--canvas-tilt 80: give -60 to 60 degrees"),
    ([CAT, *NONE, "--canvas-tilt", "60"], "panda cannot reach"),
    ([CAT, *NONE, "--robot", "r2d2"], "no robot 'r2d2': choose one of panda, xarm6"),
    ([CAT, *NONE, "--brush", "broom"], "--brush broom: unknown; choose one of round-20, round-8"),
    ([CAT, "--model", "rembrandt"], "model 'rembrandt': neither a shipped model"),
    ([CAT, "--model", "BAD/old.safetensors"], "old.safetensors: a checkpoint of version 0, this program reads version"),
    ([CAT, "--model", "BAD/cut.safetensors"], "cut.safetensors: not a readable checkpoint"),
    ([CAT, *NONE, "--gui"], "--gui: there is no display"),
    ([CAT, *NONE, "--out", "BAD/empty.png"], "empty.png: is no folder; give another --out"),
    ([CAT, *NONE, "--out", "BAD/empty.png/deep/er"], "empty.png: is no folder; give another --out"),
    ([CAT, *NONE, "--out", "BAD/painted"], "painted: holds a painting already; choose another --out"),
    ([CAT, *NONE, "--out", "BAD/damaged"], "damaged: holds a painting already; give --resume"),
    ([CAT, *NONE, "--out", "/proc/nope"], "/proc: this folder cannot be written to; give another --out"),
    ([CAT, *NONE, "--preview", "--out", "BAD/painted"], "painted: holds a painting already"),
    (["BAD/target/target.png", *NONE, "--out", "BAD/target"], "target.png: is there already and would be overwritten"),
    ([CAT, *NONE, "--preview", "--out", "BAD/target"], "target.png: is there already and would be overwritten"),
    ([CAT, *NONE, "--out", "BAD/summary"], "summary.json: is there already and would be overwritten"),
    ([CAT, *NONE, "--out", "BAD/painting-2"], "painting-2.mp4: is there already and would be overwritten"),
    ([CAT, *NONE, "--out", "BAD/mine"], "seen: is there already and would be overwritten"),
    (["--resume", "BAD/absent"], "absent/journal.jsonl: nothing to resume (No such file or directory)"),
    (["--resume", "BAD"], "journal.jsonl: nothing to resume"),
    (["--resume", "BAD/damaged"], "journal.jsonl: line 2 is damaged"),
    (["--resume", "BAD/headless"], "the journal's header is damaged"),
    (["--resume", "BAD/painted"], "painted: this painting is finished; nothing to resume"),
    (["--resume", "BAD/painted", "--strokes", "5"], "--strokes: a resumed painting keeps its own settings"),
    (["--resume", "BAD/painted", "--preview"], "--preview: a painting that was begun"),
    (["--resume", "BAD/painted", "--out", "BAD/x"], "--out: a resumed painting stays in its folder"),
    (["--dream", "digits", CAT], "give either a picture to paint, --dream NAME"),
    (["--dream", "none"], "--dream none: pure search wants nothing"),
    (["--dream", "rembrandt"], "model 'rembrandt': neither a shipped model"),
    (["--dream", "line-art"], "--dream line-art: this model reproduces pictures"),
    (["--dream", "digits", *NONE], "--model: a dream has its own model"),
    (["--dream", "digits", "--judge", "error"], "--judge: a dream has its own model"),
    (["--resume", "BAD/painted", "--dream", "digits"], "give either a picture to paint, --dream NAME"),
    ([CAT, "--model", "BAD/novice.safetensors"], "novice.safetensors: paints what it wants, not a picture"),
    (["--resume", "BAD/painted", CAT], "give either a picture to paint, --dream NAME or --resume FOLDER"),
]


@pytest.mark.parametrize(("words", "line"), REFUSED, ids=[" ".join(words[-2:]) for words, _ in REFUSED])
def test_bad_input_is_refused_in_one_line_and_leaves_nothing(
    words: list[str],
    line: str,
    bad: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    before = sorted(bad.rglob("*"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.setattr(sys, "argv", ["spiral-paint", *(word.replace("BAD", str(bad)) for word in words)])
    assert main() == 2
    printed = capfd.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("spiral-paint: ")
    assert line in printed.err
    assert printed.err.count("\n") == 1
    assert os.listdir(tmp_path) == []
    assert sorted(bad.rglob("*")) == before


def test_an_interruption_tells_no_figures_of_an_earlier_look_and_counts_the_stroke_that_it_cut(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    strokes = np.array([[0.2, 0.2 * row, 0.5, 0.2 * row, 0.8, 0.2 * row, 0.05, 1, 1, 0, 0, 0] for row in (1, 2, 3)])
    of_the_look = ("mse_painted", "mse_transfer", "mse_transfer_share", "discriminator_score", "unpainted_strokes")

    def painted(kept: Record, index: int) -> None:
        kept.listen(events.StrokeDone(index, strokes[index], 0.1, np.zeros(0), np.zeros(0), (0, 0, 0)))

    def look(kept: Record, *missing: int) -> None:
        kept.listen(events.Observed(np.ones((8, 8, 3), np.float32), np.ones((64, 64), np.float32), 0.1))
        kept.listen(events.Scored(Verdict(0.1, 0.5)))
        if missing:
            kept.listen(events.Unpainted(missing))

    with Record(tmp_path, Target.load(Path(CAT)), Provenance("none", 0, "ab"), canvas_mm=200) as kept:
        kept.listen(events.Planned(strokes, (), 0.3, 1.0, 0.1))
        painted(kept, 0)
        look(kept, 0)
        kept.listen(events.Cancelled(lifted=True))
        assert None not in [kept.figures[name] for name in of_the_look]
        assert (kept.figures["partial_strokes"], kept.figures["unpainted_strokes"]) == (0, [1])
        report(kept.figures)
        assert "unpainted_strokes  stroke 1\n" in capsys.readouterr().out
    with Record(Journal.resume(tmp_path), Target.load(Path(CAT)), kept.provenance, canvas_mm=200) as kept:
        look(kept)
        painted(kept, 1)
        kept.listen(events.Cancelled(lifted=True, cut=2))
        assert [kept.figures[name] for name in of_the_look] == [None] * len(of_the_look)
        assert (kept.figures["strokes"], kept.figures["partial_strokes"]) == (2, 1)
        report(kept.figures)
        printed = capsys.readouterr().out
        assert "mse_painted  not measured\n" in printed
        assert "path_length_mm  200\n" in printed
    with Record(Journal.resume(tmp_path), Target.load(Path(CAT)), kept.provenance, canvas_mm=200) as kept:
        look(kept)
        kept.listen(events.Finished("enough"))
        assert (kept.figures["partial_strokes"], kept.figures["unpainted_strokes"]) == (1, [])
        report(kept.figures)
        assert "unpainted_strokes  none\n" in capsys.readouterr().out


def test_a_file_that_appears_while_it_plans_is_neither_overwritten_nor_removed(tmp_path: Path) -> None:
    strokes = np.array([[0.2, 0.2, 0.5, 0.5, 0.8, 0.8, 0.05, 1, 1, 0, 0, 0]])
    kept = Record(tmp_path, Target.load(Path(CAT)), Provenance("none", 0, "ab"), canvas_mm=200)
    (tmp_path / "planned.png").write_text("mine")
    with pytest.raises(InputError, match=r"planned\.png: is there already"):
        kept.listen(events.Planned(strokes, (), 0.1, 1.0, 0.1))
    assert os.listdir(tmp_path) == ["planned.png"]
    assert (tmp_path / "planned.png").read_text() == "mine"


def test_a_folder_that_cannot_be_written_is_refused(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    # Nobody, not even root, makes a folder in /proc.
    monkeypatch.setattr(sys, "argv", ["spiral-paint", CAT, *QUICK, "--out", "/proc/nowhere/cat"])
    assert main() == 2
    told = capfd.readouterr().err
    assert "/proc" in told
    assert "give another --out" in told
    assert told.count("\n") == 1


def test_a_resumed_painting_refuses_another_target(tmp_path: Path, start: Callable[..., subprocess.Popen[str]]) -> None:
    folder = tmp_path / "cat"
    process = start(CAT, *QUICK, "--out", folder)
    wait_for(process, lambda: strokes_in(folder) >= 1)
    process.kill()
    process.wait()
    kept = sorted(folder.glob("paper-*.png"))
    assert len(kept) >= 1
    shutil.move(folder / "target.png", folder / "kept.png")
    code, _, errors = end(start("--resume", folder))
    assert (code, errors.count("\n")) == (2, 1)
    assert "target.png: cannot be read" in errors
    cv2.imwrite(str(folder / "target.png"), np.tril(np.full((64, 64), 255, np.uint8)))
    code, _, errors = end(start("--resume", folder))
    assert (code, errors.count("\n")) == (2, 1)
    assert "target.png: is not the picture that was begun" in errors


@pytest.mark.parametrize("totals", [{"arm_s": "long"}, {"unheard_of": 1.0}, [1.0], None, {"arm_s": None}])
def test_damaged_totals_are_refused_in_one_line(tmp_path: Path, totals: Any) -> None:
    with Journal.create(tmp_path, {}) as journal:
        journal.append("observed", totals=totals)
        with pytest.raises(InputError, match=r"journal\.jsonl: the last totals are damaged; paint anew"):
            Record(journal, Target.load(Path(CAT)), Provenance("none", 0, "ab"), canvas_mm=200)


def test_a_kept_paper_that_is_missing_is_one_error_and_nothing_is_printed(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with Journal.create(tmp_path, {}) as journal:
        journal.append("paused", paper="paper-a.png")
        for content in (None, b"", b"no picture"):
            if content is not None:
                (tmp_path / "paper-a.png").write_bytes(content)
            with pytest.raises(InputError, match=r"paper-a\.png: is no picture; restore the file"):
                kept_paper(journal)
    printed = capfd.readouterr()
    assert (printed.out, printed.err) == ("", "")
