"""Checkpoints: every kind round-trips, earlier ones are read, damaged and foreign ones give one clear line."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest
import safetensors.torch
import torch

from planner import checkpoint
from planner.discriminator import build_discriminator
from planner.lean_policy import LeanPolicy
from planner.policy import Kind, build
from sim.errors import InputError


@pytest.mark.parametrize("net", ["lean", "paper"])
@pytest.mark.parametrize("conditional", [True, False])
@pytest.mark.parametrize("loss", ["spectral", "wgan-gp"])
def test_a_checkpoint_brings_back_the_networks_that_were_saved(tmp_path: Path, net, conditional, loss) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "agent.safetensors"
    policy = build(Kind(net, conditional, colour=True))
    discriminator = build_discriminator(loss, conditional, colour=True, complement=conditional)
    checkpoint.save(path, policy, discriminator, {"updates": 3})
    same, judge, about = checkpoint.load(path)
    assert same.kind == policy.kind
    assert judge.settings == discriminator.settings
    assert about == {"updates": 3}
    for mine, loaded in ((policy, same), (discriminator, judge)):
        kept = loaded.state_dict()
        assert all(torch.equal(tensor.half().float(), kept[name]) for name, tensor in mine.state_dict().items())
        assert not loaded.training
    canvas = torch.rand(2, 64, 64, 3)
    assert torch.isfinite(judge(canvas, canvas if conditional else None)).all()


NEW = ("policy.bends.", "policy.bent")
LACKING = {"1": ("policy.critic.", *NEW), "2": NEW}


def earlier(path: Path, version: str) -> None:
    """Write a checkpoint as an earlier version was: no critic and no kind, or no parts that look at locations."""
    policy, discriminator = build(Kind()), build_discriminator("spectral", conditional=True, colour=False)
    kinds = {"policy": json.dumps(asdict(policy.kind)), "discriminator": json.dumps(discriminator.settings)}
    tensors = {
        f"{prefix}.{name}": tensor.half().contiguous()
        for prefix, module in (("policy", policy), ("discriminator", discriminator))
        for name, tensor in module.state_dict().items()
        if not f"{prefix}.{name}".startswith(LACKING[version])
    }
    kept = {"spiral_painter": version, "about": "{}"} | (kinds if version > "1" else {})
    safetensors.torch.save_file(tensors, path, kept)


@pytest.mark.parametrize("version", LACKING)
def test_a_checkpoint_of_an_earlier_version_is_read_with_new_parts_that_change_nothing(
    tmp_path: Path, version: str
) -> None:
    path = tmp_path / "early.safetensors"
    earlier(path, version)
    policy, discriminator, _ = checkpoint.load(path)
    assert policy.kind == Kind("lean", conditional=True, colour=False)
    assert discriminator.settings["kind"] == "spectral"
    assert isinstance(policy, LeanPolicy)
    assert (policy.value(torch.randn(3, 256)) == 0).all()
    assert (policy.bent == 0).all()
    again = tmp_path / "now.safetensors"
    checkpoint.save(again, policy, discriminator, {})
    now = checkpoint.load(again)[0].state_dict()
    assert all(torch.equal(part.half().float(), now[name]) for name, part in policy.state_dict().items())


def test_every_shipped_model_loads() -> None:
    assert "line-art" in checkpoint.shipped()
    for name, path in checkpoint.shipped().items():
        policy, discriminator, _ = checkpoint.load(checkpoint.find(name))
        assert path.stat().st_size <= 16e6
        assert policy.kind.conditional == discriminator.settings["conditional"]


def rewritten(path: Path, metadata: dict[str, str], drop: str = "", resize: str = "") -> None:
    """Write the file at `path` anew with other metadata, without a tensor or with one of another shape."""
    with safetensors.safe_open(path, "pt") as file:
        kept = dict(file.metadata()) | metadata
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    tensors.pop(drop, None)
    if resize:
        tensors[resize] = tensors[resize][:1].clone()
    safetensors.torch.save_file(tensors, path, kept)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-1000]), "not a readable checkpoint"),
        (lambda path: path.write_bytes(path.read_bytes()[:5]), "not a readable checkpoint"),
        (lambda path: rewritten(path, {}, drop="policy.lstm.weight_ih"), "Missing key.*lstm.weight_ih"),
        (lambda path: rewritten(path, {}, resize="policy.flat.weight"), "size mismatch for flat.weight"),
        (lambda path: rewritten(path, {"policy": json.dumps({"net": "huge"})}), "no such net: huge"),
        (lambda path: rewritten(path, {"policy": json.dumps({"depth": 3})}), "depth"),
        (lambda path: rewritten(path, {"policy": "lean"}), "not a readable checkpoint"),
        (lambda path: rewritten(path, {"policy": json.dumps({"net": "paper"})}), "not a readable checkpoint"),
        (lambda path: rewritten(path, {"policy": json.dumps({"colour": True})}), "Missing key.*red"),
        (lambda path: rewritten(path, {"discriminator": "{}"}), "not a readable checkpoint"),
        (lambda path: rewritten(path, {"spiral_painter": "9"}), "a checkpoint of version 9, this program reads"),
    ],
)
def test_damaged_and_foreign_checkpoints_are_refused_in_one_line(tmp_path: Path, damage, message: str) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "agent.safetensors"
    checkpoint.save(path, build(Kind()), build_discriminator("spectral", conditional=True, colour=False), {})
    damage(path)
    with pytest.raises(InputError, match=message) as refused:
        checkpoint.load(path)
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)
