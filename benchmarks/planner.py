"""The planner on MNIST test items 0–99 in eight strokes, beside pure search: `make bench`."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch

from planner.actions import END_CELL, WidthLimits
from planner.agent import RENDERS, Agent
from planner.datasets import digits, read_idx
from planner.policy import Kind, Policy, build
from sim.canvas import blank, render

STROKES = 8
TEST_FILES = ("t10k-images-idx3-ubyte.gz", "t10k-images-idx3-ubyte", "t10k-0000-4999-images-idx3-ubyte.gz")
"""MNIST's test images as they are published, unpacked, or the first 5000 of them."""


def mean_error(agent: Agent, targets: np.ndarray, renders: int) -> tuple[float, float]:
    """Return the mean squared error over the targets and the seconds a target."""
    errors = []
    agent.search(targets[0], blank(64), STROKES, 0, WidthLimits(), renders)
    started = time.perf_counter()
    for seed, target in enumerate(targets):
        (strokes,) = agent.search(target, blank(64), STROKES, seed, WidthLimits(), renders)
        errors.append(float(np.mean((render(strokes) - target) ** 2)))
    return float(np.mean(errors)), (time.perf_counter() - started) / len(targets)


@torch.inference_mode()
def step_ms(policy: Policy) -> float:
    """Return the median time [ms] of 1000 greedy steps at one canvas: look, remember and decode."""
    kind = policy.kind
    canvas = torch.rand(1, 64, 64, 3) if kind.colour else torch.rand(1, 64, 64)
    target = canvas if kind.conditional else None
    before = torch.zeros(1, len(policy.components), dtype=torch.long)
    left, may_jump, allowed = torch.tensor([STROKES]), torch.ones(1).bool(), torch.ones(1, 6, 10).bool()
    memory, times = policy.initial_memory(1), []
    for _ in range(1000):
        started = time.perf_counter()
        view = policy.look(canvas, target)
        memory = policy.remember(view, before, left, memory)
        before = policy.decode(memory.hidden, view, before[:, END_CELL], may_jump, allowed, greedy=True).actions
        times.append(time.perf_counter() - started)
    return 1000 * float(np.median(times))


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("data"), help="folder with mnist/ in it")
    parser.add_argument("--model", default="line-art")
    parser.add_argument("--count", type=int, default=100, help="test items, from the first")
    args = parser.parse_args()
    files = [args.data / "mnist" / name for name in TEST_FILES if (args.data / "mnist" / name).exists()]
    if not files:
        print(f"planner: NOT MEASURED, {args.data}/mnist/{TEST_FILES[0]} is missing; give its folder with --data")
        return
    torch.set_num_threads(1)
    targets = digits(read_idx(files[0])[: args.count]).astype(np.float32) / np.float32(255)
    agent, blind = Agent.load(args.model), Agent.load("none")
    if agent.policy is None:
        raise SystemExit("--model none: has no policy to measure; name another")
    lean, paper = (step_ms(policy) for policy in (agent.policy, build(Kind("paper")).eval()))
    print(f"policy step, batch 1, median of 1000: lean {lean:.2f} ms (at most 2 ms), the papers' {paper:.2f} ms")
    print(f"MNIST test items 0-{args.count - 1}, {STROKES} strokes; blank paper {np.mean((1 - targets) ** 2):.4f}")
    greedy = [np.mean((render(agent.greedy(t, STROKES, WidthLimits())) - t) ** 2) for t in targets]
    print(f"  policy alone, greedy: {np.mean(greedy):.5f} (at most 0.012)")
    error, seconds = mean_error(agent, targets, RENDERS)
    print(f"  full planner, {RENDERS} renders: {error:.5f} (at most 0.0045) in {seconds:.3f} s (at most 0.3 s)")
    error, seconds = mean_error(blind, targets, 15_000)
    print(f"  pure search, 15000 renders: {error:.5f} (at most 0.0067, else it is no rival) in {seconds:.3f} s")
    for renders in (500, 2000):
        ours, ours_s = mean_error(agent, targets, renders)
        theirs, theirs_s = mean_error(blind, targets, renders)
        print(
            f"  {renders} renders: policy + search {ours:.5f} in {1000 * ours_s:.0f} ms, pure search {theirs:.5f} "
            f"in {1000 * theirs_s:.0f} ms: {100 * (1 - ours / theirs):.0f} % below (at least 55 %)"
        )


if __name__ == "__main__":
    main()
