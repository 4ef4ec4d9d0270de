"""Actor processes on this machine, which paint while the learner learns. There is no service to start.

The learner gives each actor jobs over a pair of sockets, two at a time so that none waits while the learner is busy,
and the newest weights with each as an anonymous file in memory. No lock is shared and no file has a name: whichever
process is killed, nothing is left and nobody waits for ever.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import time
from collections.abc import Iterator, Mapping
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from multiprocessing.reduction import recv_handle, send_handle
from typing import cast

from planner.acting import Acting, Schooling, Trajectory
from planner.datasets import Source
from planner.policy import Kind, Policy
from planner.remote_actor import AHEAD, PATIENCE_S, Losses, RemoteActor, reason, unpack, weights_of
from sim.errors import InputError


class Actors:
    """Actor processes as a source of trajectories."""

    def __init__(
        self,
        count: int,
        policy: Policy,
        version: int,
        sets: Mapping[str, Source],
        settings: Acting,
        seed: int,
        patience_s: float = PATIENCE_S,
    ) -> None:
        """Start `count` processes.

        Args:
            count: How many.
            policy: Whose weights they begin with.
            version: Updates that it has seen.
            sets: Pictures by data set; in shared memory where they are `SharedPictures`.
            settings: Of each actor.
            seed: With `version` and its own number the seed of each; a resumed run paints other episodes.
            patience_s: The longest to wait for a trajectory [s].
        """
        # A server that never runs threads forks the actors: it has all modules loaded, and they share them.
        self.context = multiprocessing.get_context("forkserver")
        self.context.set_forkserver_preload(["planner.remote_actor"])
        self.kind, self.sets, self.settings, self.seed = policy.kind, sets, settings, seed
        self.patience_s = patience_s
        self.started, self.losses = 0, Losses()
        self.weights = -1
        self.publish(policy, version)
        self.at_work: dict[Connection, BaseProcess] = {}
        self.has: dict[Connection, int] = {}
        """The version of the weights that each actor has been given."""
        self.jobs: dict[Connection, int] = {}
        for _ in range(count):
            self.start()

    def start(self) -> None:
        """Start one more actor."""
        mine, its = self.context.Pipe()
        seed = (self.seed, self.version, self.started)
        given = (its, self.kind, dict(self.sets), self.settings, seed)
        process = self.context.Process(target=work, args=given, name=f"actor {self.started}", daemon=True)
        with without_interrupts():
            process.start()
        its.close()
        self.started += 1
        self.at_work[mine], self.has[mine], self.jobs[mine] = process, -1, 0

    def next(self, schooling: Schooling) -> Trajectory:
        """Return a trajectory from whichever actor has one; actors that died are replaced.

        Raises:
            InputError: An actor failed, they die as they start, or none has painted in time.
        """
        deadline = time.monotonic() + self.patience_s
        while True:
            for connection in list(self.at_work):
                self.order(connection, schooling)
            ready = wait(list(self.at_work), max(0.0, deadline - time.monotonic()))
            if not ready:
                raise InputError(
                    f"no actor has painted for {self.patience_s:.0f} s; see whether the machine is overloaded or short "
                    "of memory, or give fewer --actors"
                )
            connection = cast(Connection, ready[0])
            try:
                failure, content = connection.recv()
            except (EOFError, OSError):
                self.replace(connection)
                continue
            if failure:
                raise InputError(failure)
            self.jobs[connection] -= 1
            self.losses.none()
            # Last in turn, so that no actor's trajectories grow old while others are served.
            self.at_work[connection] = self.at_work.pop(connection)
            return unpack(content)

    def order(self, connection: Connection, schooling: Schooling) -> None:
        """Fill an actor's list of jobs, the first with the newest weights."""
        with contextlib.suppress(OSError):  # a dead one is found when its answer is waited for
            while self.jobs[connection] < AHEAD:
                newer = self.has[connection] != self.version
                connection.send((schooling, self.version if newer else None))
                if newer:
                    send_handle(connection, self.weights, None)
                    self.has[connection] = self.version
                self.jobs[connection] += 1

    def replace(self, connection: Connection) -> None:
        """Start another actor for one that died.

        Raises:
            InputError: Several died in a row, and none painted.
        """
        process = self.at_work[connection]
        self.forget(connection)
        self.losses.add(process.name, f"exit code {process.exitcode}", len(self.at_work))
        self.start()

    def forget(self, connection: Connection) -> None:
        """End an actor: it holds nothing that is worth a wait."""
        process = self.at_work.pop(connection)
        del self.has[connection], self.jobs[connection]
        connection.close()
        process.kill()
        process.join()

    def publish(self, policy: Policy, version: int) -> None:
        """Give these weights with the jobs from now on."""
        content = memoryview(weights_of(policy))
        file = os.memfd_create("weights")
        while content:
            content = content[os.write(file, content) :]
        self.drop_weights()
        self.weights, self.version = file, version

    def drop_weights(self) -> None:
        """Close the weights' file; actors that have it keep it open."""
        if self.weights >= 0:
            os.close(self.weights)
            self.weights = -1

    def state(self) -> None:
        """Where actors stand is not kept: a resumed run begins new episodes."""

    def close(self) -> None:
        """End all actors."""
        for connection in list(self.at_work):
            self.forget(connection)
        self.drop_weights()


def work(
    connection: Connection, kind: Kind, sets: Mapping[str, Source], settings: Acting, seed: tuple[int, ...]
) -> None:
    """Paint for a learner until it goes away: an actor's process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the learner
    try:
        actor = RemoteActor(kind, sets, settings, seed)
        while True:
            schooling, version = connection.recv()
            if version is not None:
                with open(recv_handle(connection), "rb") as file:
                    # The actors share the file's position: read from its beginning whatever another has read.
                    actor.learn(os.pread(file.fileno(), os.fstat(file.fileno()).st_size, 0), version)
            connection.send((None, actor.act(schooling)))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return
    except Exception as error:
        with contextlib.suppress(OSError):
            connection.send((reason(error), None))


@contextlib.contextmanager
def without_interrupts() -> Iterator[None]:
    """Start processes with Ctrl-C blocked, for they have the signal before they can say that they do not want it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
