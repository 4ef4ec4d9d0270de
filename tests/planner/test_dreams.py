"""What is measured of dreams, against closed forms and brute force; the seed alone decides on a dream."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from planner import checkpoint, dreams
from planner.agent import DREAMING, Agent
from planner.classifier import Reading
from planner.discriminator import build_discriminator
from planner.policy import Kind, build
from planner.reproduction import Setting
from sim.canvas import render
from sim.errors import InputError
from sim.stroke import CONTROL, END, SIZE, START


@pytest.fixture(scope="module")
def dreamer() -> Agent:
    """Return an agent that has learned nothing yet."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Agent("novice", build(Kind(conditional=False)).eval(), None)


def test_a_dream_is_the_same_alone_and_among_others_whatever_else_was_drawn(dreamer: Agent) -> None:
    together = dreamer.dreams([4, 5, 6], strokes=5)
    torch.rand(3)
    alone = dreamer.dream(5, strokes=5)
    np.testing.assert_array_equal(alone.strokes, together[1])
    assert not np.array_equal(together[0], together[1])
    assert (alone.provenance.model, alone.provenance.seed, alone.provenance.target_digest) == ("novice", 5, "")


def test_a_model_in_colour_is_refused_in_one_line(tmp_path: Path) -> None:
    policy = build(Kind(conditional=False, colour=True))
    checkpoint.save(tmp_path / "colour.safetensors", policy, build_discriminator("spectral", False, True), {})
    with pytest.raises(InputError, match="paints in colour"):
        Agent.load(str(tmp_path / "colour.safetensors"))


def test_random_programs_draw_every_component_evenly_and_jump_half_the_time() -> None:
    programs = dreams.random_programs(2000, 4, np.random.default_rng(0))
    strokes = programs.reshape(-1, 12)
    for columns in (CONTROL, END):
        assert np.bincount(np.rint(32 * strokes[:, columns]).astype(int).ravel(), minlength=32) / 500 == pytest.approx(
            np.ones(32), abs=0.25
        )
    sizes, counts = np.unique(strokes[:, SIZE], return_counts=True)
    assert sizes == pytest.approx(np.array([1, 2, 4, 8, 12, 24]) / 32)
    assert counts / len(strokes) == pytest.approx(1 / 6, abs=0.02)
    connected = (programs[:, 1:, START] == programs[:, :-1, END]).all(axis=2).mean()
    assert connected == pytest.approx(0.5, abs=0.02)


def test_scattered_programs_keep_their_widths_only() -> None:
    programs = dreams.random_programs(50, 3, np.random.default_rng(1))
    thrown = dreams.scattered(programs, np.random.default_rng(2))
    np.testing.assert_array_equal(thrown[..., 6:], programs[..., 6:])
    assert (thrown[..., :6] == programs[..., :6]).mean() < 0.1


def test_a_row_counts_sure_pictures_and_the_spread_over_the_digits_seen() -> None:
    rng = np.random.default_rng(3)
    features = rng.normal(size=(40, 5))
    probabilities = np.full((40, 10), 0.005)
    probabilities[np.arange(40), np.arange(40) % 4] = 0.955
    probabilities[:10] = 0.05
    probabilities[np.arange(10), np.arange(10) % 4] = 0.55
    reading = Reading(probabilities, features)
    programs = np.zeros((2, 2, 12))
    programs[:, :, END] = programs[:, :, CONTROL] = (0.3, 0.4)
    row = dreams.row("some", programs, reading, reading)
    assert row.sure == 0.75
    assert row.entropy_nats == pytest.approx(np.log(4))
    assert row.frechet == pytest.approx(0, abs=1e-9)
    assert (row.strokes, row.ink_mm) == (2.0, pytest.approx(200, abs=0.1))  # two lines of half a side, 0.2 m wide


def test_the_nearest_picture_is_that_of_a_search_through_all() -> None:
    rng = np.random.default_rng(4)
    pictures = rng.integers(0, 256, (dreams.COMPARED + 30, 64, 64), dtype=np.uint8)
    which = np.array([7, dreams.COMPARED + 5, 123])
    blurred = (0.7 * pictures[which] / 255 + 0.3 * rng.random((3, 64, 64))).astype(np.float32)
    np.testing.assert_array_equal(dreams.nearest(blurred, pictures), pictures[which])


def test_dreams_are_measured_beside_real_digits_and_random_strokes(
    dreamer: Agent, printed_mnist: Path, tmp_path: Path
) -> None:
    measured = dreams.measure(dreamer, 12, DREAMING, None, printed_mnist, Setting(3, 20, save=tmp_path))
    np.testing.assert_array_equal(measured.canvases[2], render(dreamer.dream(22, 3).strokes))
    assert sorted(file.name for file in tmp_path.iterdir())[:2] == ["novice-20.json", "novice-20.png"]
    ours, floor, ceiling, wide = measured.rows
    assert floor.frechet < min(ours.frechet, ceiling.frechet, wide.frechet)
    assert ours.strokes == ceiling.strokes == 3
    sheet = dreams.sheet(measured.canvases, printed_mnist)
    np.testing.assert_array_equal(sheet[2:66, 2:66], np.rint(255 * measured.canvases[0]))
    assert dreams.table(measured).count("\n|") == 5
