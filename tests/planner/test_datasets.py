"""Data sets: every published format reads as an independent writer wrote it, and the parts are the same everywhere."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from planner import datasets
from planner.formats import mnist, omniglot, sketches
from planner.target import digit, drawing
from sim.errors import InputError
from tests.planner.written import idx, ink_blots


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
    whole = datasets.digits(ink_blots(36, 28, 1))
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
    with pytest.raises(InputError, match="kanji needs sketches/kanji.rdp100.npz"):
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
