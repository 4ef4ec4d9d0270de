"""Targets from image files: what each kind of file becomes, and what is refused."""

from __future__ import annotations

import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from planner.target import Target
from sim.errors import InputError


def write(path: Path, image: np.ndarray) -> Path:
    """Write an image in the format of the path's ending."""
    assert cv2.imwrite(str(path), image)
    return path


def strokes(size: int = 64, width: int = 3) -> np.ndarray:
    """Return a drawing of a cross in a circle (size, size), black on white."""
    image = np.full((size, size), 255, np.uint8)
    middle = size // 2
    cv2.circle(image, (middle, middle), size // 3, 0, width, cv2.LINE_AA)
    cv2.line(image, (middle, size // 5), (middle, size - size // 5), 0, width)
    return image


def scene(seed: int = 0) -> np.ndarray:
    """Return a photo (240, 320, 3): a disc of radius 70 in the middle, lit from the side, with noise."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:240, :320]
    grey = 120 + 0.3 * columns - 60 * (np.hypot(rows - 120, columns - 160) < 70) + rng.normal(0, 6, rows.shape)
    return np.clip(np.dstack([grey * 0.8, grey, grey * 1.1]), 0, 255).astype(np.uint8)


def test_a_64_by_64_grey_file_is_used_exactly_as_it_is(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64)).astype(np.uint8)
    target = Target.load(write(tmp_path / "noise.png", noise))
    assert (target.name, target.kind, target.image.dtype) == ("noise", "exact", np.float32)
    np.testing.assert_array_equal(target.image, noise.astype(np.float32) / 255)


@pytest.mark.parametrize("kind", ["photo", "drawing"])
def test_a_saved_target_loads_as_the_same_picture(tmp_path: Path, kind: str) -> None:
    target = Target.load(write(tmp_path / "image.png", scene() if kind == "photo" else strokes(300)))
    assert target.kind == kind
    target.save(tmp_path / "target.png")
    again = Target.load(tmp_path / "target.png")
    np.testing.assert_array_equal(again.image, target.image)
    assert again.digest == target.digest
    assert len(target.digest) == 64


@pytest.mark.parametrize("ink_is_high", [False, True])
def test_a_28_by_28_digit_is_padded_and_resized_bilinearly_black_on_white(tmp_path: Path, ink_is_high: bool) -> None:
    digit = strokes(28, 2)
    target = Target.load(write(tmp_path / "digit.png", 255 - digit if ink_is_high else digit))
    padded = torch.nn.functional.pad(torch.from_numpy(digit).float() / 255, (2, 2, 2, 2), value=1.0)
    resized = torch.nn.functional.interpolate(padded[None, None], size=(64, 64), mode="bilinear")[0, 0]
    assert target.kind == "digit"
    np.testing.assert_allclose(target.image, resized.numpy(), atol=0.6 / 255 + 1e-3)


@pytest.mark.parametrize("shape", [(400, 90), (90, 400), (333, 333), (40, 30), (2400, 1800)])
def test_a_drawing_is_fitted_into_the_square_with_a_margin(tmp_path: Path, shape: tuple[int, int]) -> None:
    height, width = shape
    image = np.full((height, width), 255, np.uint8)
    top, left = height // 5, width // 4
    cv2.rectangle(image, (left, top), (left + width // 2, top + height // 2), 0, max(2, max(shape) // 40))
    drawn = [np.ptp(np.flatnonzero((image < 128).any(axis))) + 1 for axis in (1, 0)]
    target = Target.load(write(tmp_path / "frame.png", image))
    assert target.kind == "drawing"
    inked = target.image < 0.5
    rows, columns = np.flatnonzero(inked.any(1)), np.flatnonzero(inked.any(0))
    sides = np.array([np.ptp(rows) + 1, np.ptp(columns) + 1])
    assert sides.max() in (51, 52)
    np.testing.assert_allclose(sides, np.array(drawn) * 52 / max(drawn), atol=1.5)
    for places in (rows, columns):
        assert places[0] + places[-1] == pytest.approx(63, abs=1.5)
    assert (target.image[:6] == 1).all()
    assert (target.image[:, 58:] == 1).all()


def test_lines_too_thin_for_a_brush_are_thickened_to_black(tmp_path: Path) -> None:
    target = Target.load(write(tmp_path / "thin.png", strokes(1000, 2)))
    ink = 1 - target.image
    assert ink.max() > 0.95
    across = ink[20:24].sum(axis=1) / (np.diff((ink[20:24] > 0.5).astype(int), axis=1) == 1).sum(axis=1)
    assert 1.5 < across.mean() < 4.5


def test_a_pale_drawing_on_grey_noisy_paper_becomes_black_on_white(tmp_path: Path) -> None:
    clean = strokes(400, 8).astype(float)
    paper = 200 + np.random.default_rng(0).normal(0, 3, clean.shape)
    scan = np.clip(np.where(clean < 128, 110, paper), 0, 255).astype(np.uint8)
    found = Target.load(write(tmp_path / "scan.png", scan))
    expected = Target.load(write(tmp_path / "clean.png", strokes(400, 8)))
    assert found.kind == expected.kind == "drawing"
    assert np.abs(found.image - expected.image).mean() < 0.02


def test_transparent_paper_is_white(tmp_path: Path) -> None:
    drawing = strokes(200)
    layer = np.zeros((200, 200, 4), np.uint8)
    layer[..., 3] = 255 - drawing
    transparent, opaque = write(tmp_path / "layer.png", layer), write(tmp_path / "drawing.png", drawing)
    np.testing.assert_array_equal(Target.load(transparent).image, Target.load(opaque).image)


@pytest.mark.parametrize("ending", [".png", ".jpg", ".webp"])
def test_a_photo_becomes_lines_along_its_edges(tmp_path: Path, ending: str) -> None:
    target = Target.load(write(tmp_path / f"photo{ending}", scene()))
    assert target.kind == "photo"
    rows, columns = np.nonzero(target.image < 0.5)
    assert 0.03 < len(rows) / 64**2 < 0.2
    from_middle = np.hypot(rows + 0.5 - 32, columns + 0.5 - 32) * 240 / 52
    assert np.mean(np.abs(from_middle - 70) < 15) > 0.75
    quarters = np.histogram(np.arctan2(rows - 32, columns - 32), 4, (-np.pi, np.pi))[0]
    assert quarters.min() > 0.1 * len(rows)


def test_a_photo_is_turned_upright_as_its_camera_says(tmp_path: Path) -> None:
    lying = scene()
    lying[:60] //= 3
    plain = cv2.imencode(".jpg", lying)[1].tobytes()
    tiff = b"II*\0" + struct.pack("<IHHHIHHI", 8, 1, 0x0112, 3, 1, 6, 0, 0)  # orientation 6: turn right by 90°
    exif = b"\xff\xe1" + struct.pack(">H", len(tiff) + 8) + b"Exif\0\0" + tiff
    (tmp_path / "lying.jpg").write_bytes(plain[:2] + exif + plain[2:])
    upright = cv2.rotate(cv2.imdecode(np.frombuffer(plain, np.uint8), cv2.IMREAD_COLOR), cv2.ROTATE_90_CLOCKWISE)
    expected = Target.load(write(tmp_path / "upright.png", upright))
    np.testing.assert_array_equal(Target.load(tmp_path / "lying.jpg").image, expected.image)


@pytest.mark.parametrize("level", [255, 250, 128, 0])
@pytest.mark.parametrize("shape", [(64, 64), (28, 28), (200, 300), (300, 200, 3)])
def test_an_even_image_has_nothing_to_paint(tmp_path: Path, level: int, shape: tuple[int, ...]) -> None:
    path = write(tmp_path / "even.png", np.full(shape, level, np.uint8))
    with pytest.raises(InputError, match=r"even\.png: nothing to paint"):
        Target.load(path)


def test_what_cannot_be_read_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.png").write_text("no picture")
    for name, message in (
        ("absent.png", "cannot be read \\(No such file"),
        (".", "cannot be read \\(Is a directory"),
        ("empty.png", "is empty"),
        ("text.png", "is no whole PNG, JPEG or WebP"),
    ):
        with pytest.raises(InputError, match=message) as refusal:
            Target.load(tmp_path / name)
        assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("ending", [".png", ".jpg", ".webp"])
def test_a_file_cut_short_is_refused(tmp_path: Path, ending: str) -> None:
    whole = cv2.imencode(ending, scene())[1].tobytes()
    path = tmp_path / f"cut{ending}"
    for share in (0.01, 0.1, 0.5, 0.9, 0.999):
        path.write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(InputError, match="is no whole"):
            Target.load(path)


def test_the_shipped_targets_are_drawings_that_can_be_painted() -> None:
    files = sorted((Path(__file__).parents[2] / "examples").glob("*.png"))
    assert len(files) == 10
    for file in files:
        target = Target.load(file)
        assert target.kind == "drawing", file.name
        assert 0.05 < 1 - target.image.mean() < 0.3, file.name
