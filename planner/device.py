"""The device that the learner computes on, and the random numbers that torch draws there.

Arrays reach it by `torch.as_tensor(array, device=policy.device)`, which on the CPU shares their memory, and leave it by
`.cpu().numpy()`. Painting, teacher and actors' messages are NumPy's, wherever the networks are.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

import torch
from torch import Tensor

from sim.errors import InputError


def find(name: str) -> torch.device:
    """Return a device by its name: `cpu`, `cuda`, `cuda:N`, or `auto` for CUDA where there is one, else the CPU.

    Raises:
        InputError: It is no such name, or torch finds no such device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    parts = re.fullmatch(r"cpu|cuda(?::(\d{1,2}))?", name)
    if not parts:
        raise InputError(f"--device {name!r}: there is no such device; give auto, cpu, cuda or cuda:N")
    if name == "cpu":
        return torch.device(name)
    if not torch.cuda.is_available():
        why = "finds no GPU; see nvidia-smi" if torch.version.cuda else "was built without CUDA; install one with it"
        raise InputError(f"--device {name}: torch {torch.__version__} {why}, or give --device cpu")
    count = torch.cuda.device_count()
    if int(parts[1] or 0) >= count:
        raise InputError(f"--device {name}: there are {count} GPUs here; give one from cuda:0 to cuda:{count - 1}")
    return torch.device(name)


def rng_state(device: torch.device) -> Tensor | None:
    """Return the state of a device's own random numbers; of the CPU, which torch keeps apart, None."""
    if device.type == "cpu":
        return None
    state: Tensor = torch.get_device_module(device).get_rng_state(device)
    return state


def set_rng_state(state: Tensor | None, device: torch.device) -> None:
    """Go on from what `rng_state` returned; a device for which nothing was kept stays as it is."""
    if state is not None and device.type != "cpu":
        torch.get_device_module(device).set_rng_state(state, device)


@contextlib.contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Let torch draw from a seed, on the CPU and on a device, and afterwards go on as if it had not."""
    own = [] if device.type == "cpu" else [device]
    with torch.random.fork_rng(own, device_type="cuda" if device.type == "cpu" else device.type):
        torch.manual_seed(seed)
        yield
