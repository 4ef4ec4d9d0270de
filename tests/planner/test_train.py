"""The training command end to end on a few pictures: both stages, a kill, the weights, and bad input."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from planner import checkpoint, datasets, evaluate, recordings, train, training
from planner.actions import ANY_WIDTH
from planner.beginning import begin
from planner.collection import shades
from planner.discriminator import build_discriminator
from planner.episode import rollout
from planner.policy import Kind, Policy, build
from planner.training_state import alone
from sim import mypaint
from sim.errors import InputError

EXAMPLES = Path(__file__).parents[2] / "examples"
EXACT = {"gradient": "exact", "samples": 1, "imitation_updates": 0, "critic_updates": 0, "trials": 60}
MYPAINT = {"engine": "mypaint", "strokes": 3, "unroll": 2, "checkpoint_minutes": 9.0}


def args(out: Path, **more: object) -> train.Args:
    small = {"imitation_updates": 2, "critic_updates": 1, "updates": 2, "batch": 2, "samples": 2, "trials": 10}
    small |= {"data": EXAMPLES, "out": out, "checkpoint_minutes": 0.0}
    return train.Args(**(small | more))  # type: ignore[arg-type]


def test_both_stages_run_and_leave_weights_a_sheet_and_a_log(tmp_path: Path) -> None:
    weights = train.train(args(tmp_path / "run"))
    policy, _, about = checkpoint.load(weights)
    assert isinstance(policy, Policy)
    assert "validation" in about
    assert list((tmp_path / "run").glob("sheet-*.png"))
    card = weights.with_suffix(".md").read_text()
    assert "9 pictures: examples" in card
    assert "--imitation-updates 2" in card
    assert list((tmp_path / "run" / "log").glob("events*"))


def test_a_killed_run_goes_on_from_its_last_checkpoint(tmp_path: Path) -> None:
    out = tmp_path / "run"
    words = ["--data", EXAMPLES, "--out", out, "--batch", 2, "--samples", 2, "--trials", 10]
    words += ["--imitation-updates", 3, "--updates", 100_000, "--checkpoint-minutes", 0]
    command = [sys.executable, "-m", "planner.train", *map(str, words)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ)
    deadline = time.monotonic() + 60
    while len(list(out.glob("sheet-*.png"))) < 5 and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    process.wait()
    state = begin(args(out))
    assert state.update >= 4
    last = args(out, imitation_updates=3, critic_updates=0, updates=state.update)
    assert train.train(last).exists()
    assert begin(last).update == state.update + 3


def test_an_interrupted_run_keeps_its_state_and_says_so(tmp_path: Path) -> None:
    out = tmp_path / "run"
    words = ["--data", EXAMPLES, "--out", out, "--batch", 2, "--samples", 2, "--trials", 10]
    command = [sys.executable, "-m", "planner.train", *map(str, words)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not list(out.glob("log/events*")) and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in told
    assert told.strip().splitlines()[-1].startswith("spiral-train: stopped; the same command goes on")
    assert begin(args(out)).update >= 1


def test_a_full_disk_keeps_the_last_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = begin(args(tmp_path))
    state.keep(tmp_path)
    whole = (tmp_path / "state.pt").read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match="No space left"):
        state.keep(tmp_path)
    assert (tmp_path / "state.pt").read_bytes() == whole


@pytest.mark.parametrize(
    "more",
    [
        {"imitation": 0.1, "samples": 2, "credit": "change", "error_reward": 10.0, "begun_share": 0.5},
        {"judge": "wgan-gp", "samples": 1, "imitation_updates": 0, "unroll": 5},
        {"unconditional": True, "imitation_updates": 0, "samples": 1, "strokes": 3},
        {"colour": True, "imitation": 0.1, "credit": "change", "begun_share": 0.5, "strokes": 3, "unroll": 2},
        MYPAINT | {"colour": True, "unconditional": True, "imitation_updates": 0},
        MYPAINT | {"imitation": 0.1, "credit": "change", "begun_share": 0.5},
        EXACT | {"strokes": 3, "unroll": 2, "begun_share": 0.5},
    ],
    ids=["line-art", "spiral", "unconditional", "colour", "unconditional-mypaint-colour", "mypaint", "exact"],
)
def test_a_resumed_run_equals_an_uninterrupted_one(tmp_path: Path, photos: Path, more: dict[str, object]) -> None:
    if "colour" in more:
        more = more | {"data": photos}
    straight, broken = tmp_path / "straight" / "run", tmp_path / "broken" / "run"
    train.train(args(straight, updates=4, **more))
    broken.mkdir(parents=True)
    first = args(broken, updates=4, **more)
    sets, _ = (datasets.colour if first.colour else datasets.line_art)(first.data)
    with training.Run(first, begin(first), sets, None) as run:
        for _ in range(3):
            run.update()
        run.keep()
        run.update()  # what a kill loses
    train.train(first)
    one, other = (checkpoint.load(run / "run.safetensors") for run in (straight, broken))
    for network, again in zip(one[:2], other[:2], strict=True):
        state = again.state_dict()
        assert all(torch.equal(tensor, state[name]) for name, tensor in network.state_dict().items())


def test_training_goes_on_from_shipped_weights_and_says_so(tmp_path: Path) -> None:
    weights = train.train(args(tmp_path / "run", weights="line-art", imitation_updates=0))
    _, _, about = checkpoint.load(weights)
    assert about["parent"]["name"] == "line-art"
    card = weights.with_suffix(".md").read_text()
    assert "line-art" in card
    given, trained = checkpoint.load(checkpoint.find("line-art"))[0], checkpoint.load(weights)[0]
    moved = (given.lstm.weight_hh - trained.lstm.weight_hh).abs().max()
    assert 0 < moved < 0.02


@pytest.mark.parametrize("net", ["lean", "paper"])
def test_a_run_in_colour_leaves_a_sheet_and_weights_in_colour(tmp_path: Path, photos: Path, net: str) -> None:
    out = tmp_path / "run"
    more = {"net": net, "judge": "wgan-gp", "strokes": 3, "checkpoint_minutes": 9.0}
    weights = train.train(args(out, data=photos, colour=True, **more))
    policy, discriminator, about = checkpoint.load(weights)
    assert policy.kind == Kind(net, colour=True)  # type: ignore[arg-type]
    assert discriminator.settings["colour"]
    (sheet,) = out.glob("sheet-*.png")
    pictures = cv2.imread(str(sheet))[..., ::-1]
    assert pictures.shape == (128, 1024, 3)
    held = datasets.colour(photos)[1]["photos"][:]
    assert np.array_equal(pictures[:64, :64], held[0])
    painted = pictures[64:, :128].reshape(64, 2, 64, 3).swapaxes(0, 1)
    error = np.mean((painted / 255 - held / 255) ** 2)
    assert about["validation"]["photos"] == pytest.approx(error, rel=1e-2)  # type: ignore[index]
    card = weights.with_suffix(".md").read_text()
    assert "reproduces pictures in colour" in card
    assert f"planner/{net}_policy.py" in card
    assert "10 pictures: photos" in card


def test_a_figure_in_mypaint_is_of_what_mypaint_paints(tmp_path: Path) -> None:
    weights = train.train(args(tmp_path / "run", **(MYPAINT | {"imitation_updates": 0})))
    policy, _, about = checkpoint.load(weights)
    targets = shades(datasets.line_art(EXAMPLES)[1]["examples"][:])
    canvases = np.ones_like(targets)
    mypaint.paint_batch(canvases, rollout(policy, targets, canvases, 12, ANY_WIDTH, engine=mypaint.paint_batch))
    # The file holds the weights in half precision.
    assert about["validation"]["examples"] == pytest.approx(np.mean((canvases - targets) ** 2), rel=0.05)  # type: ignore[index]


def test_a_demonstrator_in_colour_is_imitated_in_colour_only(tmp_path: Path, photos: Path) -> None:
    shown = train.train(args(tmp_path / "shown", data=photos, colour=True, imitation_updates=0, checkpoint_minutes=9.0))
    more = {"unconditional": True, "strokes": 2, "imitation": 0.5, "samples": 1, "checkpoint_minutes": 9.0}
    weights = train.train(args(tmp_path / "run", data=photos, colour=True, demonstrator=str(shown), **more))
    assert checkpoint.load(weights)[0].kind == Kind(conditional=False, colour=True)
    assert "paints by itself in colour" in weights.with_suffix(".md").read_text()
    with pytest.raises(InputError, match="--demonstrator .*: paints in colour; add --colour"):
        train.train(args(tmp_path / "grey", demonstrator=str(shown), **more))
    with pytest.raises(InputError, match="--demonstrator .*: paints in black; drop --colour"):
        train.train(args(tmp_path / "black", data=photos, colour=True, demonstrator="line-art", **more))
    with pytest.raises(InputError, match="run.safetensors: paints in colour; add --colour"):
        train.train(args(tmp_path / "other", unconditional=True, imitation_updates=0, weights=str(weights)))


def test_what_does_not_go_with_colour_is_refused(tmp_path: Path, photos: Path, data: Path) -> None:
    with pytest.raises(InputError, match="line-art.safetensors: paints in black; drop --colour"):
        train.train(args(tmp_path / "run", data=photos, colour=True, weights="line-art"))
    with pytest.raises(InputError, match="--colour --recordings: recorded paintings are read in grey"):
        train.train(args(tmp_path / "run", data=photos, colour=True, recordings=tmp_path))
    with pytest.raises(InputError, match="mnist is line art in black; leave --colour out"):
        train.train(args(tmp_path / "run", data=data, colour=True, sets=("mnist",)))


def test_a_run_goes_on_with_its_own_colours_and_engine_only(tmp_path: Path, photos: Path) -> None:
    state = begin(args(tmp_path))
    state.keep(tmp_path)
    with pytest.raises(InputError, match="colour False there, True here"):
        begin(args(tmp_path, data=photos, colour=True))
    with pytest.raises(InputError, match="engine solid there, mypaint here"):
        begin(args(tmp_path, engine="mypaint"))
    before = torch.load(tmp_path / "state.pt", weights_only=True)
    del before["kind"]["engine"]  # as it was before there was a choice
    torch.save(before, tmp_path / "state.pt")
    assert begin(args(tmp_path)).engine == "solid"
    with pytest.raises(InputError, match="engine solid there, mypaint here"):
        begin(args(tmp_path, engine="mypaint"))


def test_weights_in_colour_are_not_measured_in_black(tmp_path: Path, photos: Path) -> None:
    few = {"imitation_updates": 0, "critic_updates": 0, "updates": 1, "checkpoint_minutes": 9.0}
    weights = train.train(args(tmp_path / "run", data=photos, colour=True, **few))
    with pytest.raises(InputError, match="paints in colour, search and arm know black only"):
        evaluate.evaluate(evaluate.Args(images=EXAMPLES, model=str(weights)))


def test_without_libmypaint_a_run_does_not_begin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mypaint, "LIBRARY", "libmypaint-of-nowhere.so")
    monkeypatch.setattr(mypaint, "_library", mypaint._library.__wrapped__)
    with pytest.raises(InputError, match="apt-get install libmypaint-1.5-1 mypaint-brushes"):
        train.train(args(tmp_path / "run", engine="mypaint"))
    assert not (tmp_path / "run").exists()


def test_an_unconditional_policy_imitates_a_demonstrator(tmp_path: Path) -> None:
    more = {"unconditional": True, "demonstrator": "line-art", "strokes": 2, "imitation": 0.5, "samples": 1}
    weights = train.train(args(tmp_path / "run", **more))
    assert not checkpoint.load(weights)[0].kind.conditional
    assert (tmp_path / "run" / "demonstrations.npz").exists()
    with pytest.raises(InputError, match="paints without a target"):
        train.train(args(tmp_path / "other", **(more | {"demonstrator": str(weights)})))


def test_a_checkpoint_of_other_networks_is_refused(tmp_path: Path) -> None:
    train.train(args(tmp_path / "run"))
    with pytest.raises(InputError, match=r"other networks or another engine: .*conditional True there, False here"):
        train.train(args(tmp_path / "run", unconditional=True, imitation_updates=0))
    with pytest.raises(InputError, match="weights of the lean net; give --net lean"):
        train.train(args(tmp_path / "new", net="paper", weights="line-art"))


def test_a_loss_that_is_not_a_number_stops_the_run_and_keeps_the_checkpoint(tmp_path: Path) -> None:
    train.train(args(tmp_path / "run"))
    whole = (tmp_path / "run" / "state.pt").read_bytes()
    sets, _ = datasets.line_art(EXAMPLES)
    given = args(tmp_path / "run", updates=9)
    with training.Run(given, begin(given), sets, None) as run:
        with torch.no_grad():
            run.state.policy.critic.weight.fill_(float("nan"))
        with pytest.raises(
            InputError, match=r"update 5: the loss or its gradient is not finite; the last checkpoint .* is good"
        ):
            run.update()
    assert (tmp_path / "run" / "state.pt").read_bytes() == whole


def test_a_gradient_that_is_not_a_number_changes_nothing(tmp_path: Path) -> None:
    sets, _ = datasets.line_art(EXAMPLES)
    given = args(tmp_path)
    with training.Run(given, begin(given), sets, None) as run:
        before = {name: part.clone() for name, part in run.state.policy.state_dict().items()}
        run.state.policy.heads["flag"].weight.register_hook(lambda slope: slope * float("nan"))
        with pytest.raises(InputError, match="update 0: the loss or its gradient is not finite"):
            run.update()
    assert all(torch.equal(part, before[name]) for name, part in run.state.policy.state_dict().items())


@pytest.mark.parametrize(
    "other",
    [
        {"imitation_updates": 1},
        {"critic_updates": 1},
        {"imitation": 0.1},
        {"samples": 2},
        {"engine": "mypaint"},
        {"unconditional": True},
        {"jump_cost": 0.1},
        {"credit": "change"},
    ],
)
def test_what_the_exact_gradient_does_not_learn_from_is_refused(tmp_path: Path, other: dict[str, object]) -> None:
    with pytest.raises(InputError, match="--gradient exact: learns"):
        train.train(args(tmp_path / "run", **(EXACT | other)))


def test_two_processes_cannot_train_in_one_folder(tmp_path: Path) -> None:
    with alone(tmp_path), pytest.raises(InputError, match="another process trains"):
        train.train(args(tmp_path))


@pytest.mark.parametrize(
    ("option", "value"),
    [("batch", 0), ("samples", 0), ("learning_rate", -1.0), ("updates", -1), ("mnist_share", 2.0), ("discount", 1.5)],
)
def test_options_out_of_range_are_refused(tmp_path: Path, option: str, value: float) -> None:
    with pytest.raises(InputError, match=f"--{option.replace('_', '-')} {value}"):
        train.train(args(tmp_path / "run", **{option: value}))
    assert not (tmp_path / "run").exists()


def test_an_out_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("")
    with pytest.raises(InputError, match="cannot make this folder"):
        train.train(args(tmp_path / "run"))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:1000]), "not a readable checkpoint"),
        (lambda path: path.write_bytes(b""), "not a readable checkpoint"),
        (lambda path: path.write_text("weights"), "not a readable checkpoint"),
    ],
)
def test_a_damaged_checkpoint_is_refused(tmp_path: Path, damage, message: str) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "agent.safetensors"
    checkpoint.save(path, build(Kind()), build_discriminator("spectral", conditional=True, colour=False), {})
    damage(path)
    with pytest.raises(InputError, match=message):
        checkpoint.load(path)


def test_a_checkpoint_of_another_version_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "agent.safetensors"
    monkeypatch.setattr(checkpoint, "VERSION", "0")
    checkpoint.save(path, build(Kind()), build_discriminator("spectral", conditional=True, colour=False), {})
    monkeypatch.undo()
    with pytest.raises(InputError, match="a checkpoint of version 0"):
        checkpoint.load(path)


def test_unknown_models_and_missing_data_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="neither a shipped model"):
        checkpoint.find("rembrandt")
    with pytest.raises(InputError, match="no such folder"):
        train.train(train.Args(data=tmp_path / "nowhere", out=tmp_path))
    with pytest.raises(InputError, match="neither a data set nor PNG"):
        train.train(train.Args(data=tmp_path, out=tmp_path / "run"))


def test_recorded_paintings_are_read(tmp_path: Path) -> None:
    from sim import whole_file

    seen = tmp_path / "painting" / "seen"
    seen.mkdir(parents=True)
    whole_file.write_image(seen.parent / "target.png", np.full((64, 64), 0.5))
    whole_file.write_image(seen / "004.png", np.full((64, 64), 0.75))
    found = recordings.read(tmp_path)
    assert found.canvases.mean() == pytest.approx(0.75, abs=0.01)
    assert found.targets.shape == (1, 64, 64)
    with pytest.raises(InputError, match="no recorded painting"):
        recordings.read(seen)
    train.train(args(tmp_path / "run", recordings=tmp_path))
