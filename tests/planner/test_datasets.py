"""Data sets: every published format reads as an independent writer wrote it, and the parts are the same everywhere."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from planner import datasets
from planner.formats import mnist, omniglot, sketches
from planner.target import digit, drawing
from sim.errors import InputError

DIGITS = 36


def idx(path: Path, values: np.ndarray) -> None:
    """Write an idx file, gzipped where its name says so."""
    content = struct.pack(f">4B{values.ndim}I", 0, 0, 8, values.ndim, *values.shape) + values.tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


def ink_blots(count: int, side: int, seed: int) -> np.ndarray:
    """Return images (count, side, side) with a rectangle each, 255 is ink."""
    rng = np.random.default_rng(seed)
    images = np.zeros((count, side, side), np.uint8)
    for image in images:
        top, left = rng.integers(0, side // 2, 2)
        height, width = rng.integers(3, side // 2, 2)
        image[top : top + height, left : left + width] = rng.integers(200, 256)
    return images


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Return a data folder with a little of every set of line art."""
    folder = tmp_path / "data"
    idx(folder / "mnist" / "train-images-idx3-ubyte.gz", ink_blots(DIGITS, 28, 1))
    idx(folder / "mnist" / "train-labels-idx1-ubyte.gz", np.arange(DIGITS, dtype=np.uint8) % 10)
    idx(folder / "mnist" / "t10k-images-idx3-ubyte", ink_blots(7, 28, 2))
    idx(folder / "mnist" / "t10k-labels-idx1-ubyte", np.arange(7, dtype=np.uint8)[::-1])
    for name, seed in (("background", 3), ("evaluation_shared", 4)):
        (folder / "omniglot").mkdir(exist_ok=True)
        bits = np.packbits((ink_blots(20, 105, seed) > 0).reshape(20, -1), axis=1)
        np.savez(folder / "omniglot" / f"omniglot_{name}.npz", bits=bits)
    return folder


def test_digits_are_drawn_many_at_once_as_one_alone() -> None:
    images = np.random.default_rng(0).integers(0, 256, (600, 28, 28), dtype=np.uint8)
    drawn = datasets.digits(images)
    for k in (0, 1, 511, 512, 599):
        assert np.array_equal(drawn[k], np.rint(255 * digit(255 - images[k])))


def test_packed_characters_are_drawn_as_their_images(data: Path) -> None:
    images = 255 - 255 * (ink_blots(20, 105, 3) > 0).astype(np.uint8)
    drawn = omniglot.collection(data / "omniglot" / "omniglot_background.npz")
    assert np.array_equal(drawn[:], [np.rint(255 * drawing(image)) for image in images])


def test_the_parts_of_mnist_are_disjoint_and_have_their_labels(data: Path) -> None:
    train, validation = datasets.split("mnist-train", data), datasets.split("mnist-validation", data)
    assert (len(train), len(validation)) == (33, 3)
    whole = datasets.digits(ink_blots(DIGITS, 28, 1))
    assert np.array_equal(np.concatenate([train[:], validation[:]]), whole)
    assert datasets.labels("mnist-validation", data).tolist() == [3, 4, 5]
    assert datasets.labels("mnist-train", data).tolist() == [k % 10 for k in range(33)]
    assert datasets.labels("mnist-test", data).tolist() == [6, 5, 4, 3, 2, 1, 0]
    assert np.array_equal(datasets.split("mnist-test", data)[2:4], datasets.digits(ink_blots(7, 28, 2)[2:4]))


def test_every_tenth_picture_of_other_sets_is_held_out(data: Path) -> None:
    whole = omniglot.collection(data / "omniglot" / "omniglot_background.npz")[:]
    assert np.array_equal(datasets.split("omniglot-validation", data)[:], whole[::10])
    assert np.array_equal(datasets.split("omniglot-train", data)[:], np.delete(whole, [0, 10], axis=0))
    sets, held = datasets.line_art(data)
    assert {name: (len(sets[name]), len(held[name])) for name in sets} == {"mnist": (33, 3), "omniglot": (18, 2)}
    assert np.array_equal(held["omniglot"], whole[::10])


def test_a_data_folder_gives_the_named_sets_alone(data: Path) -> None:
    sets, held = datasets.line_art(data, ("mnist",))
    assert list(sets) == list(held) == ["mnist"]
    with pytest.raises(InputError, match="kanji needs sketches/kanjivg_stroke3.npz"):
        datasets.line_art(data, ("mnist", "kanji"))
    with pytest.raises(InputError, match="no such data set; choose of mnist"):
        datasets.line_art(data, ("mnst",))


def test_the_folder_of_one_set_is_a_data_folder_too(data: Path) -> None:
    assert list(datasets.line_art(data / "mnist")[0]) == ["mnist"]


def test_a_drawing_is_the_same_alone_and_in_a_batch(tmp_path: Path) -> None:
    moves = np.array([[0, 0, 0], [9, 1, 1], [0, 5, 0], [-4, 3, 0], [0, 0, 0], [3, 8, 1]], np.float32)
    np.savez(tmp_path / "kanji.npz", points=moves, offsets=np.array([0, 4, 6]))
    drawn = sketches.kanji(tmp_path / "kanji.npz")
    first = [np.array([[0.0, 0], [9, 1]]), np.array([[9.0, 6], [5, 9]])]
    assert np.array_equal(drawn[0], sketches.fit(first, sketches.line_width_px(0)))
    assert np.array_equal(drawn[1:2][0], drawn[:][1])


def test_labels_of_another_number_than_images_are_refused(data: Path) -> None:
    idx(data / "mnist" / "t10k-labels-idx1-ubyte", np.zeros(6, np.uint8))
    with pytest.raises(InputError, match="6 labels for 7 images"):
        datasets.labels("mnist-test", data)
    idx(data / "mnist" / "t10k-labels-idx1-ubyte", np.full(7, 10, np.uint8))
    with pytest.raises(InputError, match="the label 10"):
        mnist.read_labels(data / "mnist" / "t10k-labels-idx1-ubyte")
