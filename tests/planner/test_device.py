"""Learning on a device: that nothing is left on the CPU by mistake, without a GPU, and what is refused."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
import traceback
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest
import torch

from planner import device, train
from planner.beginning import begin
from planner.options import check
from sim.errors import InputError

EXAMPLES = Path(__file__).parents[2] / "examples"


def failure(name: str, *given: object, **more: object) -> str:
    """Call a function of `simulated_device`, which not for the tests' own process; return its traceback if any."""
    from tests.planner import simulated_device

    try:
        getattr(simulated_device, name)(*given, **more)
    except RuntimeError:  # torch's cannot be sent to another process
        return traceback.format_exc()
    return ""


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[ProcessPoolExecutor]:
    """Yield a process in which the device can be simulated."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        yield pool


@pytest.mark.parametrize(
    "more",
    [
        {"complement": True, "samples": 2, "credit": "change", "error_reward": 1.0, "unroll": 1, "imitation": 0.1},
        {"net": "paper", "judge": "wgan-gp", "unconditional": True, "imitation_updates": 0, "strokes": 1},
    ],
    ids=["lean-spectral", "paper-wgan-gp"],
)
def test_a_run_keeps_to_its_device(elsewhere: ProcessPoolExecutor, more: dict[str, object]) -> None:
    assert not elsewhere.submit(failure, "learn", **more).result()


@pytest.mark.parametrize("forgotten", ["as_tensor", "rand"])
def test_a_tensor_left_on_the_cpu_is_found(elsewhere: ProcessPoolExecutor, forgotten: str) -> None:
    assert "to be on the same device" in elsewhere.submit(failure, "learn", forgotten).result()


def test_the_random_numbers_of_a_device_are_kept(elsewhere: ProcessPoolExecutor) -> None:
    assert not elsewhere.submit(failure, "keep_random_numbers").result()


def test_a_checkpoint_of_a_device_that_is_gone_is_read(tmp_path: Path) -> None:
    args = train.Args(data=EXAMPLES, out=tmp_path, device="cpu")
    state = begin(args)
    state.keep(tmp_path)
    kept = torch.load(tmp_path / "state.pt", weights_only=True)
    torch.save(kept | {"device_rng": torch.zeros(16, dtype=torch.uint8)}, tmp_path / "state.pt")
    assert begin(args).policy.device.type == "cpu"
    del kept["device_rng"]
    torch.save(kept, tmp_path / "state.pt")
    assert begin(args).update == 0, "one from before devices were kept is read, too"


@pytest.mark.parametrize(
    ("name", "message"),
    [("gpu", "no such device; give auto, cpu, cuda or cuda:N"), ("cuda:x", "no such device"), ("", "no such device")]
    + (
        []
        if torch.cuda.is_available()
        else [("cuda", "--device cuda: torch .* give --device cpu"), ("cuda:1", "torch")]
    ),
)
def test_a_device_that_is_not_there_is_refused_in_a_line(name: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message) as refused:
        train.train(train.Args(data=EXAMPLES, out=tmp_path / "run", device=name))
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "run").exists()


def test_the_command_exits_with_2_for_such_a_device(tmp_path: Path) -> None:
    words = ["--data", str(EXAMPLES), "--out", str(tmp_path / "run"), "--device", "cuda:99"]
    result = subprocess.run(
        [sys.executable, "-m", "planner.train", *words], capture_output=True, text=True, check=False
    )
    assert result.returncode == 2
    assert result.stderr.startswith("spiral-train: --device cuda:99: ")
    assert len(result.stderr.splitlines()) == 1


def test_a_gpu_beyond_those_there_are_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert device.find("auto") == torch.device("cuda")
    assert device.find("cuda:1") == torch.device("cuda", 1)
    with pytest.raises(InputError, match="there are 2 GPUs here; give one from cuda:0 to cuda:1"):
        device.find("cuda:2")


def test_a_population_learns_on_cpus() -> None:
    check(train.Args(population=2))
    with pytest.raises(InputError, match="--population --device cuda:0: its members learn on CPUs"):
        check(train.Args(population=2, device="cuda:0"))
