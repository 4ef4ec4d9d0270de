"""Environment steps a second in training, with and without actor processes, and what more actors would need.

python -m benchmarks.training --data data --seconds 300
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import multiprocessing
import os
import tempfile
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

MEMORY_EVERY_S = 1.0
READY = 12
"""Trajectories that the learner alone is fed with, over and over."""
WARM = 4
"""Updates before the clock starts: compiled code is loaded, processes start."""
SHORT_S = 30.0
"""Time for learner alone and for actor alone [s]."""


def family(pid: int) -> list[int]:
    """Return a process and all below it."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    found = [pid]
    for parent in found:
        found += [child for child, its in parents.items() if its == parent]
    return found


def memory(pid: int) -> int:
    """Return the bytes of memory that a process and those below it use, pages they share counted once."""
    total = 0
    for each in family(pid):
        with contextlib.suppress(OSError):
            lines = Path(f"/proc/{each}/smaps_rollup").read_text().splitlines()
            total += sum(1024 * int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total


class Memory:
    """The most memory that this process and those below it used while this was open."""

    def __enter__(self) -> Memory:
        self.peak, self.done = 0, threading.Event()
        self.thread = threading.Thread(target=self.watch, daemon=True)
        self.thread.start()
        return self

    def watch(self) -> None:
        while not self.done.wait(MEMORY_EVERY_S):
            self.peak = max(self.peak, memory(os.getpid()))

    def __exit__(self, *_: object) -> None:
        self.done.set()
        self.thread.join()


def begin(options: argparse.Namespace, actors: int, out: Path):  # type: ignore[no-untyped-def]
    """Return a run as `spiral-train` would begin it."""
    import torch

    from planner import beginning, datasets, train, training

    torch.set_num_threads(1)
    args = train.Args(
        data=options.data,
        out=out,
        sets=tuple(options.sets),
        net=options.net,
        batch=options.batch,
        samples=options.samples,
        credit=options.credit,
        discriminator_reward=0.003,
        error_reward=10.0,
        entropy_cost=0.002,
        actors=actors,
    )
    sets, _ = datasets.line_art(args.data, args.sets or None)
    out.mkdir()
    return training.Run(args, beginning.begin(args), sets, None)


def together(options: argparse.Namespace, actors: int) -> tuple[float, float, int]:
    """Return environment steps and updates a second of a run, and its peak memory in bytes."""
    with tempfile.TemporaryDirectory() as folder, Memory() as used, begin(options, actors, Path(folder) / "run") as run:
        for _ in range(WARM):
            run.update()
        steps, updates, started = run.state.steps, run.state.update, time.monotonic()
        while (passed := time.monotonic() - started) < options.seconds:
            run.update()
        return (run.state.steps - steps) / passed, (run.state.update - updates) / passed, used.peak


def apart(options: argparse.Namespace) -> tuple[float, float, float, int, int]:
    """Return steps a second of an actor alone and of the learner alone, and steps and bytes of a trajectory, and of the
    weights."""
    from planner.acting import Schooling
    from planner.remote_actor import pack, unpack, weights_of
    from planner.training import InTurn

    class Ready:
        """A source that has all trajectories already, packed as actors send them."""

        def __init__(self, packed: list[bytes]) -> None:
            self.packed = itertools.cycle(packed)

        def next(self, _: Schooling):  # type: ignore[no-untyped-def]
            return unpack(next(self.packed))

        def publish(self, policy, _: int) -> None:  # type: ignore[no-untyped-def]
            weights_of(policy)

        def close(self) -> None:
            pass

    with tempfile.TemporaryDirectory() as folder, begin(options, 0, Path(folder) / "run") as run:
        source = run.source
        assert isinstance(source, InTurn)
        source.next(Schooling())
        painted, packed, started = 0, [], time.monotonic()
        while (passed := time.monotonic() - started) < SHORT_S or len(packed) < READY:
            trajectory = source.next(Schooling())
            painted += trajectory.log_probability.size
            packed.append(pack(trajectory))
        acting = painted / passed
        run.source = Ready(packed[:READY])
        for _ in range(WARM):
            run.update()
        steps, started = run.state.steps, time.monotonic()
        while (passed := time.monotonic() - started) < SHORT_S:
            run.update()
        learning = (run.state.steps - steps) / passed
        weights = len(weights_of(run.state.policy))
    return acting, learning, painted / len(packed), sum(map(len, packed)) // len(packed), weights


def report(options: argparse.Namespace) -> None:
    """Print the figures."""
    print(
        f"{os.cpu_count()} cores; {options.net} net, {options.batch} episodes an update, {options.samples} strokes "
        f"tried at each canvas, one discriminator update for each of the policy, {options.seconds:.0f} s each"
    )
    fresh = {"mp_context": multiprocessing.get_context("spawn"), "max_tasks_per_child": 1, "max_workers": 1}
    with ProcessPoolExecutor(**fresh) as pool:
        for actors in options.actors:
            rate, updates, peak = pool.submit(together, options, actors).result()
            print(f"  {actors} actors: {rate:.0f} steps/s, {updates:.2f} updates/s, {peak / 1e9:.2f} GB", flush=True)
        acting, learning, steps, size, weights = pool.submit(apart, options).result()
    print(f"  an actor alone: {acting:.0f} steps/s; the learner alone, fed with ready ones: {learning:.0f} steps/s")
    print(f"  a trajectory: {steps:.0f} steps in {size / 1e3:.1f} kB; the weights: {weights / 1e6:.1f} MB")
    crowd = options.crowd
    inward, outward = crowd * acting / steps * size, crowd * acting / steps * weights
    print(
        f"  {crowd} actors would paint {crowd * acting:.0f} steps/s and send {inward / 1e6:.2f} MB/s; "
        f"new weights for each trajectory: {outward / 1e6:.0f} MB/s; one such learner "
        f"takes what {learning / acting:.1f} actors paint"
    )


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("data"), help="folder of data sets, as for spiral-train")
    parser.add_argument("--sets", nargs="*", default=[], help="sets of it; all by default")
    parser.add_argument("--seconds", type=float, default=300.0, help="time for each number of actors [s]")
    parser.add_argument("--actors", type=int, nargs="*", default=[0, 1, 2], help="numbers of actor processes")
    parser.add_argument("--samples", type=int, default=8, help="strokes tried at each canvas")
    parser.add_argument("--batch", type=int, default=16, help="episodes an update")
    parser.add_argument("--credit", choices=("end", "change"), default="change", help="when rewards are given")
    parser.add_argument("--net", choices=("lean", "paper"), default="lean")
    parser.add_argument("--crowd", type=int, default=64, help="number of actors to reckon for")
    report(parser.parse_args())


if __name__ == "__main__":
    main()
