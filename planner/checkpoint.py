"""Weights on disk: one safetensors file with the policy, the discriminator and what they are."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from importlib import resources
from pathlib import Path
from typing import Final

import safetensors
import safetensors.torch

from planner.discriminator import Discriminator, build_discriminator
from planner.policy import Kind, Policy, build
from sim.errors import InputError

VERSION: Final = "3"
"""Of the file's layout: a file of another version cannot be loaded."""
EARLIER: Final = ("1", "2")
"""Read as well, though their nets lack parts; the first is always the lean conditional one."""


def shipped() -> dict[str, Path]:
    """Return the checkpoints that ship with the package, by name."""
    folder = Path(str(resources.files("planner"))) / "weights"
    return {file.stem: file for file in sorted(folder.glob("*.safetensors"))}


def find(model: str) -> Path:
    """Return the file of a model, given a shipped name or a path.

    Raises:
        InputError: There is no such model.
    """
    known = shipped()
    path = known.get(model, Path(model))
    if not path.is_file():
        names = ", ".join([*known, "none (pure search)"])
        raise InputError(f"model {model!r}: neither a shipped model ({names}) nor a file; name one of them")
    return path


def save(path: Path, policy: Policy, discriminator: Discriminator, about: dict[str, object]) -> None:
    """Write the networks, in half precision, and what is known about them.

    The old file stays whole until the new one is complete.

    Raises:
        InputError: The file cannot be written.
    """
    tensors = {
        f"{prefix}.{name}": tensor.half().contiguous()
        for prefix, module in (("policy", policy), ("discriminator", discriminator))
        for name, tensor in module.state_dict().items()
    }
    metadata = {
        "spiral_painter": VERSION,
        "policy": json.dumps(asdict(policy.kind)),
        "discriminator": json.dumps(discriminator.settings),
        "about": json.dumps(about),
    }
    partial = path.with_suffix(".partial")
    try:
        safetensors.torch.save_file(tensors, partial, metadata)
        os.replace(partial, path)
    except (OSError, safetensors.SafetensorError) as error:
        partial.unlink(missing_ok=True)
        raise InputError(
            f"{path}: cannot write the checkpoint ({error}); free some space or choose another folder"
        ) from error


def load(path: Path) -> tuple[Policy, Discriminator, dict[str, object]]:
    """Return policy, discriminator and what is known about them.

    Raises:
        InputError: The file is not a checkpoint of this version.
    """
    try:
        with safetensors.safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            version = metadata.get("spiral_painter")
            if version not in (VERSION, *EARLIER):
                raise InputError(
                    f"{path}: a checkpoint of version {version or 'unknown'}, this program reads version {VERSION}; "
                    "train it anew or install the program that wrote it"
                )
            tensors = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
        if version == EARLIER[0]:
            policy, discriminator = build(Kind()), build_discriminator("spectral", conditional=True, colour=False)
        else:
            policy = build(Kind(**json.loads(metadata["policy"])))
            discriminator = build_discriminator(**json.loads(metadata["discriminator"]))
        for module, prefix in ((policy, "policy."), (discriminator, "discriminator.")):
            own = {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
            module.load_state_dict(policy.completed(own) if version in EARLIER and module is policy else own)
    except (OSError, safetensors.SafetensorError, RuntimeError, KeyError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise InputError(f"{path}: not a readable checkpoint ({reason}); get a whole copy of the file") from error
    return policy.eval(), discriminator.eval(), json.loads(metadata.get("about", "{}"))
