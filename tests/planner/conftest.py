"""Data that several tests read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.planner.written import face, idx, ink_blots, printed_digits


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Return a data folder with a little of every set of line art."""
    folder = tmp_path / "data"
    idx(folder / "mnist" / "train-images-idx3-ubyte.gz", ink_blots(36, 28, 1))
    idx(folder / "mnist" / "train-labels-idx1-ubyte.gz", np.arange(36, dtype=np.uint8) % 10)
    idx(folder / "mnist" / "t10k-images-idx3-ubyte", ink_blots(7, 28, 2))
    idx(folder / "mnist" / "t10k-labels-idx1-ubyte", np.arange(7, dtype=np.uint8)[::-1])
    for name, seed in (("background", 3), ("evaluation_shared", 4)):
        (folder / "omniglot").mkdir(exist_ok=True)
        bits = np.packbits((ink_blots(20, 105, seed) > 0).reshape(20, -1), axis=1)
        np.savez(folder / "omniglot" / f"omniglot_{name}.npz", bits=bits)
    return folder


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Return a folder of a dozen pictures in colour."""
    for k in range(12):
        face(tmp_path / "photos" / f"{k}.png", k, (80, 96))
    return tmp_path / "photos"


@pytest.fixture(scope="session")
def printed_mnist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a data folder whose MNIST has 1200 printed digits to train on and 200 to test on."""
    folder = tmp_path_factory.mktemp("data")
    for part, count in (("train", 1200), ("t10k", 200)):
        images, labels = printed_digits(count, count)
        idx(folder / "mnist" / f"{part}-images-idx3-ubyte", images)
        idx(folder / "mnist" / f"{part}-labels-idx1-ubyte", labels)
    return folder
