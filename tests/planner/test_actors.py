"""Actor processes: what they send, what happens when one is killed, and when the learner is."""

from __future__ import annotations

import itertools
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from planner import datasets, train
from planner.acting import Acting, Schooling, Trajectory
from planner.actors import Actors
from planner.beginning import begin
from planner.policy import Kind, Policy, build
from planner.remote_actor import RemoteActor, pack, unpack, weights_of
from planner.shared_pictures import SharedPictures
from sim.errors import InputError

EXAMPLES = Path(__file__).parents[2] / "examples"
SMALL = Acting(batch=2, samples=2, strokes=3, unroll=2)


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    return datasets.line_art(EXAMPLES)[0]["examples"][:]


@pytest.fixture
def policy() -> Policy:
    torch.manual_seed(0)
    return build(Kind())


@pytest.fixture
def actors(policy: Policy, pictures: np.ndarray) -> Iterator[Actors]:
    source = Actors(2, policy, 0, {"examples": SharedPictures(pictures)}, SMALL, seed=0)
    yield source
    source.close()


def leaves(trajectory: Trajectory) -> list[np.ndarray]:
    start = trajectory.start
    arrays = [start.targets, start.canvases, start.pen.position, start.pen.pressure, *start.memory, start.before]
    arrays += [*trajectory.drawn, trajectory.log_probability, *(trajectory.lesson or ())]
    return [np.asarray(array) for array in (*arrays, start.left, trajectory.version)]


def wait_until(condition: Callable[[], bool], seconds: float = 60.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)
    return condition()


def descendants(pid: int) -> set[int]:
    """Return the processes below one."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
    found, more = set(), {pid}
    while more:
        more = {child for child, parent in parents.items() if parent in more}
        found |= more
    return found


def alive(pid: int) -> bool:
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_packed_trajectory_is_the_same_and_small(policy: Policy, pictures: np.ndarray) -> None:
    remote = RemoteActor(policy.kind, {"examples": pictures}, SMALL, (0,))
    for _ in range(2):  # the second begins on canvases partly painted, with a memory
        trajectory = remote.actor.act(Schooling(trials=5, follow=0.5), version=3)
        packed = pack(trajectory)
        for one, other in zip(leaves(trajectory), leaves(unpack(packed)), strict=True):
            assert one.dtype == other.dtype
            np.testing.assert_array_equal(one, other)
        assert len(packed) < len(pickle.dumps(trajectory)) / 4


def test_an_actor_paints_elsewhere_what_it_would_paint_here(policy: Policy, pictures: np.ndarray) -> None:
    source = Actors(1, policy, 7, {"examples": pictures}, SMALL, seed=5)
    try:
        there = [source.next(Schooling()) for _ in range(3)]
    finally:
        source.close()
    here = RemoteActor(policy.kind, {"examples": pictures}, SMALL, (5, 7, 0))
    here.learn(weights_of(policy), 7)
    for trajectory in there:
        for one, other in zip(leaves(trajectory), leaves(unpack(here.act(Schooling()))), strict=True):
            np.testing.assert_array_equal(one, other)


def test_actors_go_on_with_newer_weights_and_differ(actors: Actors, policy: Policy) -> None:
    first, second = (actors.next(Schooling()) for _ in range(2))
    assert first.version == second.version == 0
    assert not np.array_equal(first.drawn.paint, second.drawn.paint)
    actors.publish(policy, 1)
    assert any(actors.next(Schooling()).version == 1 for _ in range(9))


def test_a_killed_actor_is_replaced_and_training_goes_on(actors: Actors, capfd: pytest.CaptureFixture[str]) -> None:
    actors.next(Schooling())
    (one, other) = (process.pid for process in actors.at_work.values())
    os.kill(one, signal.SIGKILL)
    wait_until(lambda: not alive(one))
    for _ in range(6):
        actors.next(Schooling())
    pids = {process.pid for process in actors.at_work.values()}
    assert len(pids) == 2
    assert other in pids
    assert one not in pids
    assert "was lost (exit code -9); another takes its place" in capfd.readouterr().err


def test_actors_that_die_as_they_start_end_the_run(policy: Policy) -> None:
    source = Actors(1, policy, 0, {"examples": Deadly()}, SMALL, seed=0)
    try:
        with pytest.raises(InputError, match="actors die as they start"):
            source.next(Schooling())
    finally:
        source.close()


class Deadly:
    """Pictures that kill who looks at them."""

    def __len__(self) -> int:
        return 1

    def __getitem__(self, _: object) -> np.ndarray:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError


class Damaged(Deadly):
    """Pictures that cannot be read, or make the actor fail."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def __getitem__(self, _: object) -> np.ndarray:
        raise self.error


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (InputError("cat.png: is damaged; remove it"), r"^cat.png: is damaged; remove it$"),
        (ValueError("two\nlines"), r"^an actor failed \(ValueError: two, test_actors.py line \d+\)$"),
    ],
)
def test_what_fails_in_an_actor_is_told_in_one_line(policy: Policy, error: Exception, message: str) -> None:
    source = Actors(1, policy, 0, {"examples": Damaged(error)}, SMALL, seed=0)
    try:
        with pytest.raises(InputError, match=message):
            source.next(Schooling())
    finally:
        source.close()


def test_the_learner_does_not_wait_for_ever(actors: Actors) -> None:
    actors.next(Schooling())
    for process in actors.at_work.values():
        os.kill(process.pid, signal.SIGSTOP)
    actors.patience_s = 0.5
    with pytest.raises(InputError, match="no actor has painted for"):
        list(itertools.starmap(actors.next, itertools.repeat((Schooling(),), 9)))


def started(out: Path, *words: object) -> subprocess.Popen[str]:
    """Start a run with two actors in a session of its own, and wait until it has learned."""
    given = ["--data", EXAMPLES, "--out", out, "--batch", 2, "--strokes", 3, "--checkpoint-minutes", 0, *words]
    command = [sys.executable, "-m", "planner.train", *map(str, given), "--actors", "2"]
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    assert wait_until(lambda: len(list(out.glob("sheet-*.png"))) > 1)
    return process


def test_a_killed_learner_leaves_no_actor_and_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    out = tmp_path / "run"
    process = started(out)
    below = descendants(process.pid)
    assert len(below) >= 3
    process.kill()
    process.communicate(timeout=30)
    assert wait_until(lambda: not any(map(alive, below)), 30)
    state = begin(train.Args(out=out))
    assert state.update >= 1
    last = train.Args(data=EXAMPLES, out=out, batch=2, strokes=3, actors=1, updates=state.update + 2)
    assert train.train(last).exists()
    assert begin(last).update == state.update + 2


def test_ctrl_c_ends_learner_and_actors_without_a_trace(tmp_path: Path) -> None:
    process = started(tmp_path / "run")
    below = descendants(process.pid)
    os.killpg(process.pid, signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in told
    assert told.strip().splitlines()[-1].startswith("spiral-train: stopped; the same command goes on")
    assert wait_until(lambda: not any(map(alive, below)), 30)
