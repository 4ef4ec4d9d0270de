"""The digit classifier: what ships reads digits with a brush's hard edges, and anyone can train another."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from planner import checkpoint, classifier
from planner.datasets import digits, labels, split
from sim.errors import InputError
from tests.planner.written import printed_digits


def test_the_shipped_classifier_reads_digits_with_hard_edges() -> None:
    shipped, about = classifier.load(classifier.SHIPPED)
    assert about["accuracy"] >= 0.99
    images, written = printed_digits(200, 1, side=64)
    paper = np.where(images > 127, 0, 255).astype(np.uint8)
    assert classifier.accuracy(shipped, paper, written) > 0.8
    assert classifier.SHIPPED.stat().st_size < 1_000_000


def test_a_classifier_that_is_trained_reads_digits_it_has_not_seen_and_is_the_same_from_its_file(
    printed_mnist: Path, tmp_path: Path
) -> None:
    pictures, written = split("mnist-train", printed_mnist)[:], labels("mnist-train", printed_mnist)
    trained = classifier.train(pictures, written, epochs=6)
    images, expected = printed_digits(100, 2)
    unseen = digits(images)
    assert classifier.accuracy(trained, unseen, expected) > 0.9
    classifier.save(tmp_path / "own.safetensors", trained, {"accuracy": 0.5, "items": 3})
    loaded, about = classifier.load(tmp_path / "own.safetensors")
    assert about == {"accuracy": 0.5, "items": 3}
    one, other = (classifier.read(each, unseen) for each in (trained, loaded))
    np.testing.assert_allclose(one.probabilities, other.probabilities, atol=0.02)
    np.testing.assert_allclose(one.probabilities.sum(axis=1), 1, atol=1e-5)


def test_reading_bytes_and_fractions_is_the_same() -> None:
    shipped, _ = classifier.load(classifier.SHIPPED)
    pictures = digits(printed_digits(10, 3)[0])
    one, other = (classifier.read(shipped, each) for each in (pictures, (pictures / 255).astype(np.float32)))
    np.testing.assert_allclose(one.features, other.features, atol=1e-4)


def test_a_file_that_is_no_classifier_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no digit classifier of version"):
        classifier.load(checkpoint.find("line-art"))
    (tmp_path / "cut.safetensors").write_bytes(classifier.SHIPPED.read_bytes()[:2000])
    with pytest.raises(InputError, match="no readable classifier"):
        classifier.load(tmp_path / "cut.safetensors")
