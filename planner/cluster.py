"""Actors on the nodes of a Ray cluster, which paint while the learner learns.

The weights go to the nodes through Ray's object store, put there once for each publication, and so do the data sets,
once a run. Each actor has two jobs at a time. Actors whose process or node is lost are replaced.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import socket
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from types import ModuleType
from typing import Any, Final

import numpy as np
from tqdm import tqdm

from planner.acting import Acting, Schooling, Trajectory
from planner.datasets import Source
from planner.policy import Kind, Policy
from planner.remote_actor import AHEAD, PATIENCE_S, Losses, RemoteActor, reason, unpack, weights_of
from sim.errors import InputError

ANSWERS_S: Final = 5.0
"""The longest that an address may take to answer at all [s]."""
JOINS_S: Final = 30.0
"""The longest that Ray may take to start or to join the cluster [s]."""
STORE_BYTES: Final = 512 * 2**20
"""Room for weights and messages in a local cluster's object store, beside the data sets."""


def connect(address: str, cpus: int, pictures: Iterable[Source]) -> ModuleType:
    """Join a cluster, or start one on this machine, and return Ray.

    Args:
        address: `HOST:PORT` of the head node, `auto` for the cluster that this machine is a node of, or `local`.
        cpus: Of a local cluster.
        pictures: For which a local cluster's object store has room.

    Raises:
        InputError: Ray is not installed, or the cluster does not answer or refuses.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # The actors of a local cluster are the work itself, and not its background.
    os.environ.setdefault("RAY_worker_niceness", "0")
    try:
        import ray
    except ImportError:
        raise InputError("--cluster needs Ray: pip install 'spiral_painter[cluster]'") from None
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.FATAL}
    if address == "local":
        store = STORE_BYTES + sum(each.nbytes for each in pictures if isinstance(each, np.ndarray))
        options |= {"num_cpus": cpus, "include_dashboard": False, "object_store_memory": store, "address": "local"}
    elif address == "auto":
        options |= {"address": address}
    else:
        options |= {"address": answering(address)}
    logging.getLogger("ray").setLevel(logging.FATAL)
    failures: list[BaseException] = []

    def join() -> None:
        try:
            ray.init(**options)
        except BaseException as error:
            failures.append(error)

    # Ray itself waits for minutes. In a thread, for its waiting cannot be interrupted; but a local cluster's processes
    # end with the thread that starts them.
    thread = threading.Thread(target=join, daemon=True)
    with silent():
        if address == "local":
            join()
        else:
            thread.start()
            thread.join(JOINS_S)
    if thread.is_alive() or failures:
        said = str(failures[0]).strip().splitlines()[:1] if failures else []
        why = said[0] if said else f"no answer in {JOINS_S:.0f} s"
        raise InputError(
            f"--cluster {address}: Ray cannot join ({why}); run this on one of the cluster's nodes, with the cluster's "
            "token and version of Ray, or give --cluster local"
        )
    return ray


@contextlib.contextmanager
def silent() -> Iterator[None]:
    """Keep what Ray's own threads say off the terminal: the error says it, in one line."""
    sys.stderr.flush()
    before, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(before, 2)
        os.close(before)
        os.close(nowhere)


def answering(address: str) -> str:
    """Return the address if something listens there.

    Raises:
        InputError: It is no address, or nothing does.
    """
    parts = re.fullmatch(r"(\[[0-9a-fA-F:]+\]|[^:/\s]+):(\d{1,5})", address)
    if not parts:
        raise InputError(f"--cluster {address}: is no address; give HOST:PORT of Ray's head node, auto or local")
    try:
        with socket.create_connection((parts[1].strip("[]"), int(parts[2])), ANSWERS_S):
            return address
    except (OSError, OverflowError) as error:
        said = "no answer" if isinstance(error, TimeoutError) else getattr(error, "strerror", None) or str(error)
        raise InputError(
            f"--cluster {address}: no cluster answers there ({said}); start one with ray start --head, or give "
            "--cluster local"
        ) from None


class Painter:
    """An actor's process on a node."""

    def __init__(self, kind: Kind, sets: Mapping[str, Source], settings: Acting, seed: tuple[int, ...]) -> None:
        """Take the arguments of `RemoteActor`."""
        self.actor = RemoteActor(kind, sets, settings, seed)

    def act(self, weights: Any, version: int, schooling: Schooling) -> tuple[str | None, bytes]:
        """Paint with these weights; return a failure, or the packed trajectory."""
        try:
            if self.actor.version != version:
                self.actor.learn(bytes(weights), version)
            return None, self.actor.act(schooling)
        except Exception as error:
            return reason(error), b""


class ClusterActors:
    """Actors on a Ray cluster as a source of trajectories."""

    def __init__(
        self,
        address: str,
        count: int,
        policy: Policy,
        version: int,
        sets: Mapping[str, Source],
        settings: Acting,
        seed: int,
        patience_s: float = PATIENCE_S,
    ) -> None:
        """Join the cluster and start `count` actors on its nodes; other arguments as `Actors`.

        Raises:
            InputError: As `connect`.
        """
        self.ray = connect(address, count, sets.values())
        self.kind, self.settings, self.seed, self.patience_s = policy.kind, settings, seed, patience_s
        self.started, self.losses = 0, Losses()
        self.sets = self.ray.put(dict(sets))
        self.publish(policy, version)
        # Actors are spread over the nodes; one that finds no free CPU waits for a node that has one.
        self.remote = self.ray.remote(num_cpus=1, max_restarts=0, scheduling_strategy="SPREAD")(Painter)
        self.jobs: dict[Any, Any] = {}
        """The actor of each job, oldest first."""
        self.names: dict[Any, str] = {}
        for _ in range(count):
            self.start()
        cpus, nodes = int(self.ray.cluster_resources().get("CPU", 0)), len(self.ray.nodes())
        tqdm.write(f"cluster {address}: {nodes} nodes, {cpus} CPUs for {count} actors", file=sys.stderr)

    def start(self) -> None:
        """Start one more actor."""
        seed = (self.seed, self.version, self.started)
        actor = self.remote.remote(self.kind, self.sets, self.settings, seed)
        self.names[actor] = f"actor {self.started}"
        self.started += 1

    def next(self, schooling: Schooling) -> Trajectory:
        """Return a trajectory from whichever actor has one; actors that were lost are replaced.

        Raises:
            InputError: An actor failed, they die as they start, or none has painted in time.
        """
        errors = self.ray.exceptions
        deadline = time.monotonic() + self.patience_s
        while True:
            self.order(schooling)
            ready, _ = self.ray.wait(list(self.jobs), timeout=max(0.0, deadline - time.monotonic()))
            if not ready:
                raise InputError(
                    f"no actor has painted for {self.patience_s:.0f} s; see with ray status whether the cluster has "
                    "nodes and free CPUs"
                )
            actor = self.jobs.pop(ready[0])
            try:
                failure, content = self.ray.get(ready[0])
            except (errors.RayActorError, errors.ObjectLostError) as error:
                self.replace(actor, type(error).__name__)
                continue
            if failure:
                raise InputError(failure)
            self.losses.none()
            return unpack(content)

    def order(self, schooling: Schooling) -> None:
        """Fill the actors' lists of jobs."""
        had = list(self.jobs.values())
        for actor in self.names:
            for _ in range(AHEAD - had.count(actor)):
                self.jobs[actor.act.remote(self.weights, self.version, schooling)] = actor

    def replace(self, actor: Any, why: str) -> None:
        """Start another actor for one that was lost.

        Raises:
            InputError: Several were lost in a row, and none painted.
        """
        name = self.names.pop(actor)
        self.jobs = {job: its for job, its in self.jobs.items() if its != actor}
        self.ray.kill(actor)
        self.losses.add(name, why, len(self.names))
        self.start()

    def publish(self, policy: Policy, version: int) -> None:
        """Put these weights into the object store, for the jobs from now on."""
        self.weights = self.ray.put(np.frombuffer(weights_of(policy), np.uint8))
        self.version = version

    def state(self) -> None:
        """Where actors stand is not kept: a resumed run begins new episodes."""

    def close(self) -> None:
        """End all actors and leave the cluster."""
        for actor in self.names:
            with contextlib.suppress(Exception):
                self.ray.kill(actor)
        self.ray.shutdown()
