"""A real Ray cluster of two nodes with its token: what happens when actors, a node and the learner are killed."""

from __future__ import annotations

import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import HTTPServer, SimpleHTTPRequestHandler
from pathlib import Path

import pytest

from planner import cluster
from planner.beginning import begin
from planner.train import Args
from sim.errors import InputError
from tests.planner.test_actors import EXAMPLES, alive, descendants, wait_until

RAY = Path(sys.executable).with_name("ray")


class Node:
    """One node of a cluster: what `ray start` starts."""

    def __init__(self, env: dict[str, str], *words: str) -> None:
        command = [str(RAY), "start", "--block", "--num-cpus=2", "--object-store-memory=100000000", *words]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.process = subprocess.Popen(command, env=env, start_new_session=True, **quiet)

    def painters(self) -> list[int]:
        """Return the actors' processes on it."""
        found = []
        for pid in descendants(self.process.pid):
            name = (Path("/proc") / str(pid) / "cmdline").read_bytes()
            if name.startswith(b"ray::Painter"):
                found.append(pid)
        return found

    def kill(self) -> None:
        """Kill all of it at once, as a power cut does."""
        for pid in {self.process.pid} | descendants(self.process.pid):
            os.kill(pid, signal.SIGKILL)
        self.process.wait()


@pytest.fixture(scope="module")
def env(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    # A dead node is noticed in two seconds and not in fifteen.
    checks = {"RAY_health_check_period_ms": "400", "RAY_health_check_initial_delay_ms": "0"}
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    home = {"HOME": str(tmp_path_factory.mktemp("home")), "RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0"}
    return os.environ | token | checks | home


def known_to(address: str, env: dict[str, str]) -> list[str]:
    """Return the nodes that a cluster says are at work."""
    said = subprocess.run([str(RAY), "status", f"--address={address}"], env=env, capture_output=True, text=True)
    return re.findall(r"^ *1 node_\w+", said.stdout, re.MULTILINE)


@pytest.fixture(scope="module")
def nodes(env: dict[str, str]) -> Iterator[tuple[str, Node, Node]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"127.0.0.1:{port}"
    ours = ("--node-ip-address=127.0.0.1",)
    head = Node(env, "--head", f"--port={port}", "--include-dashboard=false", *ours)
    assert wait_until(lambda: socket.socket().connect_ex(("127.0.0.1", port)) == 0)
    other = Node(env, f"--address={address}", *ours)
    # A learner that comes before the second node would start both actors on the first.
    assert wait_until(lambda: len(known_to(address, env)) == 2)
    yield address, head, other
    for node in (other, head):
        if node.process.poll() is None:
            node.kill()


class Learner:
    """A run on the cluster, and what it says."""

    def __init__(self, address: str, env: dict[str, str], out: Path, *words: object) -> None:
        given = ["--data", EXAMPLES, "--out", out, "--batch", 2, "--strokes", 3, "--checkpoint-minutes", 0, *words]
        command = [sys.executable, "-m", "planner.train", *map(str, given), "--cluster", address, "--actors", "2"]
        self.process = subprocess.Popen(command, stderr=subprocess.STDOUT, stdout=subprocess.PIPE, text=True, env=env)
        self.told = ""
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.told += line

    def update(self) -> int:
        """Return the update it is at."""
        return max(map(int, re.findall(r"^update (\d+)", self.told, re.MULTILINE)), default=0)

    def goes_on(self) -> bool:
        """Wait until it has learned from ten more trajectories, more than were under way."""
        aim = self.update() + 10
        return wait_until(lambda: self.update() >= aim or self.process.poll() is not None) and self.update() >= aim


def test_a_run_goes_on_when_an_actor_a_node_and_the_learner_are_killed(
    nodes: tuple[str, Node, Node], env: dict[str, str], tmp_path: Path
) -> None:
    address, head, other = nodes
    learner = Learner(address, env, tmp_path / "run")
    try:
        assert wait_until(lambda: learner.update() > 0 and bool(head.painters()) and bool(other.painters())), (
            learner.told
        )
        assert "2 nodes, 4 CPUs for 2 actors" in learner.told

        (painter,) = head.painters()
        os.kill(painter, signal.SIGKILL)
        assert wait_until(lambda: learner.told.count("another takes its place") == 1), learner.told
        assert learner.goes_on(), learner.told

        other.kill()
        assert wait_until(lambda: learner.told.count("another takes its place") >= 2), learner.told
        assert learner.goes_on(), learner.told
        assert "Traceback" not in learner.told
    finally:
        learner.process.kill()
        learner.process.wait()

    kept = begin(Args(out=tmp_path / "run")).update
    assert kept > 20
    again = Learner(address, env, tmp_path / "run", "--updates", kept + 2)
    assert wait_until(lambda: again.process.poll() is not None), again.told
    assert again.process.returncode == 0, again.told
    assert f"goes on at update {kept}" in again.told
    assert begin(Args(out=tmp_path / "run")).update == kept + 2
    assert wait_until(lambda: not any(map(alive, head.painters())))


def test_a_local_cluster_needs_no_address(env: dict[str, str], tmp_path: Path) -> None:
    learner = Learner("local", env, tmp_path / "run", "--updates", 3)
    assert wait_until(lambda: learner.process.poll() is not None, 120), learner.told
    assert learner.process.returncode == 0, learner.told
    assert begin(Args(out=tmp_path / "run")).update == 3


def test_an_address_that_does_not_answer_is_told_at_once(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "planner.train", "--data", EXAMPLES, "--out", tmp_path / "run"]
    result = subprocess.run([*command, "--cluster", "127.0.0.1:9"], capture_output=True, text=True, timeout=60)
    assert result.returncode == 2
    (line,) = result.stderr.strip().splitlines()
    assert line.startswith("spiral-train: --cluster 127.0.0.1:9: no cluster answers there")


@pytest.mark.parametrize("address", ["nonsense", "host:port", "ray://host:1", "host:1/path", "a b:1"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(InputError, match="is no address; give HOST:PORT"):
        cluster.answering(address)


def test_what_listens_but_is_no_cluster_is_told_within_seconds(env: dict[str, str], tmp_path: Path) -> None:
    server = HTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    words = ["--data", str(EXAMPLES), "--out", str(tmp_path), "--cluster", f"127.0.0.1:{server.server_port}"]
    code = "from planner import cluster, train; import sys; cluster.JOINS_S = 4.0; sys.exit(train.main())"
    began = time.monotonic()
    result = subprocess.run([sys.executable, "-c", code, *words], env=env, capture_output=True, text=True, timeout=90)
    server.shutdown()
    assert result.returncode == 2
    assert "Ray cannot join (no answer in 4 s)" in result.stderr
    assert time.monotonic() - began < 80
