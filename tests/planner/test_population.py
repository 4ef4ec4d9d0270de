"""A population of two: the worse takes over from the better, on a real local Ray cluster."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from planner import checkpoint, datasets, train
from planner.beginning import begin
from planner.population import FACTORS, FOLDER, Member
from planner.train import Args
from sim.errors import InputError
from tests.planner.test_actors import EXAMPLES


def args(out: Path) -> Args:
    return Args(data=EXAMPLES, out=out, batch=2, strokes=2, updates=6, population=2, population_updates=2)


def member(out: Path, seed: int) -> Member:
    sets, held = datasets.line_art(EXAMPLES)
    out.mkdir()
    return Member(replace(args(out), seed=seed), sets, held, {"learning_rate": 1e-3, "entropy_cost": 0.01})


def test_a_member_that_takes_over_has_the_other_ones_networks_and_its_own_settings(tmp_path: Path) -> None:
    better, worse = member(tmp_path / "better", 1), member(tmp_path / "worse", 2)
    assert better.step()["update"] == 2
    better.save(tmp_path)
    worse.take(tmp_path, {"learning_rate": 1.2e-3, "entropy_cost": 0.008}, number=1)
    one, other = better.run.state, worse.run.state
    for name in ("policy", "discriminator"):
        for mine, its in zip(getattr(one, name).parameters(), getattr(other, name).parameters(), strict=True):
            assert torch.equal(mine, its)
    assert other.update == 2
    assert worse.run.args.learning_rate == 1.2e-3
    worse.step()
    better.step()
    assert other.policy_optimiser.param_groups[0]["lr"] > one.policy_optimiser.param_groups[0]["lr"]
    assert one.rng.bit_generator.state != other.rng.bit_generator.state
    assert not torch.equal(next(one.policy.parameters()), next(other.policy.parameters()))


def test_the_worse_member_goes_on_from_the_better_with_perturbed_settings(tmp_path: Path) -> None:
    out = tmp_path / "run"
    # So many updates that both are at work at once, however late Ray starts the second.
    words = ["--data", EXAMPLES, "--out", out, "--batch", 2, "--strokes", 2, "--updates", 24]
    words += ["--population", 2, "--population-updates", 2]
    env = os.environ | {"HOME": str(tmp_path), "RAY_worker_niceness": "0"}
    command = [sys.executable, "-m", "planner.train", *map(str, words)]
    result = subprocess.run(command, env=env, capture_output=True, text=True, timeout=200)
    assert result.returncode == 0, result.stderr
    told = re.findall(r"^member (\d): update 24, score -[\d.]+, learning rate", result.stdout, re.MULTILINE)
    assert {"0", "1"} <= set(told)
    # Ray's own record: who took over from whom, and the settings before and after.
    for line in (out / FOLDER / "pbt_global.txt").read_text().splitlines():
        worse, better, *_, before, after = json.loads(line)
        assert worse != better
        for name in ("learning_rate", "entropy_cost"):
            assert any(after[name] == pytest.approx(before[name] * factor) for factor in FACTORS)
    _, _, about = checkpoint.load(out / "run.safetensors")
    assert about["updates"] == 24
    assert begin(args(out)).update == 24


@pytest.mark.parametrize(
    ("options", "message"), [({"population": 1}, "give 2 or more"), ({"actors": 2}, "is one process")]
)
def test_options_that_make_no_population_are_refused(tmp_path: Path, options: dict[str, int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        train.train(replace(args(tmp_path / "run"), **options))  # type: ignore[arg-type]
