"""A device without hardware: tensors have shapes, types and a place, but no values, and what mixes places fails.

`FakeTensorMode` knows for each operation what it returns and where, as torch.compile needs it, and raises where an
operation gets tensors from two devices. The device is PrivateUse1, torch's name for any device that it does not know: a
build of torch without CUDA does not let even a simulated tensor be moved to "cuda". This changes the process it is
imported in for good, and must be there before the first backward pass: the tests run it in a process of its own.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final
from unittest.mock import patch

import numpy as np
import torch
from torch._subclasses import fake_tensor
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.utils.backend_registration import _DummyBackendModule, _setup_privateuseone_for_python_backend

from planner import datasets, device, train, training
from planner.beginning import begin
from planner.policy import Policy
from planner.schedule import total
from planner.validation import validate

EXAMPLES: Final = Path(__file__).parents[2] / "examples"
NAME: Final = "simulated"


class Module(_DummyBackendModule):
    """What torch.cuda is for CUDA, as far as it is asked for: its random numbers."""

    states: Final = {"now": torch.zeros(1, dtype=torch.uint8)}

    def manual_seed_all(self, seed: int) -> None:
        self.states["now"] = torch.tensor([seed % 256], dtype=torch.uint8)

    def get_rng_state(self, device: torch.device) -> torch.Tensor:
        return self.states["now"].clone()

    def set_rng_state(self, state: torch.Tensor, device: torch.device) -> None:
        assert state.device.type == "cpu", "torch.cuda, too, takes states that lie on the CPU"
        self.states["now"] = state.clone()


_setup_privateuseone_for_python_backend(NAME, Module())
DEVICE: Final = torch.device(NAME, 0)


def zeros(tensor: FakeTensor) -> np.ndarray:
    """Stand in for `Tensor.numpy`, which fails likewise for tensors on a device and for those with a gradient."""
    if tensor.device.type != "cpu" or tensor.requires_grad:
        raise TypeError(f"can't convert a tensor on {tensor.device} to numpy; use .detach().cpu() first")
    return np.zeros(
        tuple(tensor.shape), {torch.bool: bool, torch.int64: np.int64, torch.float32: np.float32}[tensor.dtype]
    )


def moved(module: torch.nn.Module, move: Callable[[torch.Tensor], torch.Tensor]) -> torch.nn.Module:
    """Stand in for `Module._apply`, which cannot exchange parameters without values."""
    for each in module.modules():
        for name, parameter in each._parameters.items():
            if parameter is not None:
                each._parameters[name] = torch.nn.Parameter(move(parameter.detach()))
        for name, buffer in each._buffers.items():
            each._buffers[name] = move(buffer)
    return module


@contextlib.contextmanager
def simulated(truth: bool = True) -> Iterator[None]:
    """Compute without values: what is read back is 0, and conditions on values have the value `truth`."""
    with (
        patch.object(fake_tensor, "CONSTANT_NUMEL_LIMIT", 0),  # else tensors of one element have values, on the CPU
        FakeTensorMode(),
        patch.object(FakeTensorMode, "__deepcopy__", lambda mode, _: mode, create=True),
        patch.object(torch.nn.Module, "_apply", moved),
        patch.object(FakeTensor, "numpy", zeros),
        patch.object(FakeTensor, "item", lambda _: 1.0, create=True),  # Adam's number of steps, from 1
        patch.object(FakeTensor, "__float__", lambda _: 0.0, create=True),
        patch.object(FakeTensor, "__bool__", lambda _: truth, create=True),
    ):
        yield


def learn(forgotten: str = "", **more: object) -> None:
    """Let a run go through all its stages on the simulated device, with the discriminator's lessons and a validation.

    Args:
        forgotten: A function of torch that forgets for which device it was called, as whoever calls it may.
        more: Settings of the run.
    """
    small = {"imitation_updates": 1, "critic_updates": 1, "updates": 1, "batch": 2, "trials": 2, "strokes": 2}
    make = getattr(torch, forgotten or "full")
    with tempfile.TemporaryDirectory() as folder, simulated(), patch.object(device, "find", lambda _: DEVICE):
        args = train.Args(data=EXAMPLES, out=Path(folder), **(small | more))  # type: ignore[arg-type]
        sets, held = datasets.line_art(EXAMPLES)
        state = begin(args)
        assert {each.device for each in (state.policy, state.average, state.discriminator)} == {DEVICE}
        forgetful = patch.object(torch, forgotten, lambda *given, device=None, **other: make(*given, **other))
        with forgetful if forgotten else contextlib.nullcontext(), training.Run(args, state, sets, None) as run:
            while state.update < total(args):
                run.update()
        assert all(parameter.grad.device == DEVICE for parameter in state.discriminator.parameters())
        validate(state, held, args.out)


def keep_random_numbers() -> None:
    """Write a checkpoint and go on from it; what was drawn on the device in between must not count."""
    state = begin(train.Args(device="cpu", out=Path("nowhere")))
    module = Module()
    with tempfile.TemporaryDirectory() as folder, patch.object(Policy, "device", DEVICE):
        torch.manual_seed(7)
        state.keep(Path(folder))
        with device.seeded(9, DEVICE):
            assert module.get_rng_state(DEVICE).item() == 9
        assert module.get_rng_state(DEVICE).item() == 7
        torch.manual_seed(8)
        assert state.go_on(Path(folder))
        assert module.get_rng_state(DEVICE).item() == 7
