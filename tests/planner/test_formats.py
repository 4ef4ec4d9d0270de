"""The files in which data sets are published: each is written here by other code than reads it; damage gives a line."""

from __future__ import annotations

import json
import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from planner import datasets
from planner.formats import images, kanjivg, mnist, ndjson, omniglot, sketch_rnn, sketches
from sim.errors import InputError
from tests.planner.written import DRAWING, cut, face, idx, ink_blots, png

PUBLISHED = Path(__file__).parent / "published"
KANJI = [
    np.array([[3, 4, 0], [30, 0, 1], [-30, 20, 0], [30, 2, 0], [0, 9, 1]], np.int16),
    np.array([[0, 0, 0], [0, 50, 1]], np.int16),
    np.array([[7, 7, 0], [5, 5, 0], [5, -5, 1]], np.int16),
]


def characters(path: Path, alphabets: tuple[str, ...]) -> np.ndarray:
    """Write a zip as Omniglot's, two characters an alphabet and three drawers each; return the ink (n, 105, 105)."""
    ink = ink_blots(6 * len(alphabets), 105, 5) > 0
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.mkdir(path.stem)
        archive.writestr(f"__MACOSX/{path.stem}/._0001_01.png", b"no image")
        for k in reversed(range(len(ink))):  # the order in the zip must not matter
            name = (
                f"{path.stem}/{sorted(alphabets)[k // 6]}/character{k // 3 % 2 + 1:02}/{k // 3:04}_{k % 3 + 1:02}.png"
            )
            archive.writestr(name, png(Image.fromarray(~ink[k]).convert("1")))
    return ink


def sketch_rnn_file(path: Path, parts: dict[str, object]) -> None:
    """Write an npz of arrays of objects."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, part in parts.items():
            header = b"{'descr': '|O', 'fortran_order': False, 'shape': (2,), }"
            header += b" " * (117 - len(header)) + b"\n"
            archive.writestr(f"{name}.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", 118) + header + pickle.dumps(part))


def objects(*items: object) -> np.ndarray:
    """Return an array of objects."""
    array = np.empty(len(items), object)
    for k, item in enumerate(items):
        array[k] = item
    return array


def test_the_zip_of_omniglot_gives_the_pictures_of_the_packed_file(tmp_path: Path) -> None:
    ink = characters(tmp_path / "omniglot" / "images_background.zip", ("Greek", "Latin", "N_Ko"))
    from_zip = datasets.split("omniglot-validation", tmp_path)[:]
    np.savez(tmp_path / "omniglot" / "omniglot_background.npz", bits=np.packbits(ink.reshape(18, -1), axis=1))
    (tmp_path / "omniglot" / "images_background.zip").unlink()
    assert np.array_equal(datasets.split("omniglot-validation", tmp_path)[:], from_zip)
    assert len(from_zip) == 2


def test_real_characters_are_their_ink_fitted_into_the_square() -> None:
    drawn = omniglot.collection(PUBLISHED / "images_background.zip")[:]
    with zipfile.ZipFile(PUBLISHED / "images_background.zip") as archive:
        for picture, name in zip(drawn, sorted(archive.namelist()), strict=True):
            ink = Image.open(archive.open(name)).convert("L").point(lambda level: 255 - level)
            box = ink.crop(ink.getbbox())
            scale = 52 / max(box.size)
            small = box.resize([max(1, round(side * scale)) for side in box.size], Image.Resampling.BOX)
            paper = Image.new("L", (64, 64))
            paper.paste(small, ((64 - small.width) // 2, (64 - small.height) // 2))
            expected = np.array(paper, float)
            assert np.mean((255.0 - picture - expected) ** 2) < 0.05 * np.mean(expected**2)


def test_an_unpacked_zip_of_omniglot_is_the_same_as_the_zip(tmp_path: Path) -> None:
    ink = characters(tmp_path / "images_background.zip", ("Greek", "Latin"))
    with zipfile.ZipFile(tmp_path / "images_background.zip") as archive:
        archive.extractall(tmp_path)
    bits = omniglot.read_images(tmp_path / "images_background")
    assert np.array_equal(np.unpackbits(bits, axis=1, count=11025).reshape(-1, 105, 105), ink)
    assert np.array_equal(omniglot.read_images(tmp_path / "images_background.zip"), bits)


def test_of_the_evaluation_zip_the_ten_shared_alphabets_are_measured_on(tmp_path: Path) -> None:
    characters(tmp_path / "images_evaluation.zip", ("Avesta", "Oriya", "Tibetan"))
    assert len(datasets.split("omniglot-evaluation", tmp_path)) == 12


def test_the_drawings_of_ndjson_are_those_of_the_npz(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    drawings = [[rng.integers(0, 256, (2, rng.integers(1, 9))) for _ in range(rng.integers(1, 4))] for _ in range(5)]
    for name, some in (("cat", drawings[:2]), ("dog", drawings[2:])):
        lines = [json.dumps({**DRAWING, "drawing": [stroke.tolist() for stroke in drawing]}) for drawing in some]
        (tmp_path / f"{name}.ndjson").write_text("\n".join(lines) + "\n", encoding="utf-8")
    strokes = [stroke.T.astype(np.uint8) for drawing in drawings for stroke in drawing]
    np.savez(
        tmp_path / "drawings.npz",
        points=np.concatenate(strokes),
        stroke_offsets=np.cumsum([0] + [len(stroke) for stroke in strokes]),
        drawing_offsets=np.cumsum([0] + [len(drawing) for drawing in drawings]),
    )
    read = ndjson.collection(sorted(tmp_path.glob("*.ndjson")))
    assert np.array_equal(read[:], sketches.quickdraw(tmp_path / "drawings.npz")[:])
    assert read.place(1).endswith("cat.ndjson, line 2")
    assert read.place(2).endswith("dog.ndjson, line 1")


def test_of_large_ndjson_files_equal_shares_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ndjson, "AT_MOST", 60)
    for name in ("cat", "dog"):
        (tmp_path / f"{name}.ndjson").write_text(40 * (json.dumps(DRAWING) + "\n") + "{", encoding="utf-8")
    assert len(ndjson.collection(sorted(tmp_path.glob("*.ndjson")))) == 60


def test_a_horizontal_line_is_drawn_in_the_middle_as_wide_as_it_should_be(tmp_path: Path) -> None:
    (tmp_path / "line.ndjson").write_text(json.dumps({**DRAWING, "drawing": [[[0, 255], [7, 7]]]}), encoding="utf-8")
    (picture,) = ndjson.collection([tmp_path / "line.ndjson"])[:]
    ink = 1 - picture / 255
    assert ink[:, 20:44].sum(axis=0) == pytest.approx(2.2, abs=0.3)
    assert ink[30:34].sum() == pytest.approx(ink.sum())
    assert np.flatnonzero(ink.any(axis=0))[[0, -1]] == pytest.approx([6, 57], abs=1)


def test_real_drawings_are_their_lines_fitted_into_the_square() -> None:
    drawn = ndjson.collection([PUBLISHED / "drawings.ndjson"])[:]
    lines = (PUBLISHED / "drawings.ndjson").read_text(encoding="utf-8").splitlines()
    for index, (picture, line) in enumerate(zip(drawn, lines, strict=True)):
        strokes = [np.transpose(stroke).astype(float) for stroke in json.loads(line)["drawing"]]
        points = np.concatenate(strokes)
        width = sketches.line_width_px(index)
        scale = (52 - width) / np.ptp(points, axis=0).max()
        centre = (points.min(axis=0) + points.max(axis=0)) / 2
        image = Image.new("L", (1024, 1024), 255)
        pen = ImageDraw.Draw(image)
        for stroke in strokes:
            placed = 16 * ((stroke - centre) * scale + 32)
            pen.line([tuple(point) for point in placed], 0, round(16 * width), "curve")
            for x, y in placed:
                pen.ellipse((x - 8 * width, y - 8 * width, x + 8 * width, y + 8 * width), 0)
        expected = np.array(image.resize((64, 64), Image.Resampling.BOX)) / 255
        assert np.mean((picture / 255 - expected) ** 2) < 0.1 * np.mean((1 - expected) ** 2)


def test_the_kanji_of_sketch_rnn_are_those_of_the_npz(tmp_path: Path) -> None:
    sketch_rnn_file(tmp_path / "kanji.rdp100.npz", {"train": objects(*KANJI[:2]), "valid": objects(KANJI[2])})
    np.savez(
        tmp_path / "kanjivg_stroke3.npz",
        points=np.concatenate(KANJI).astype(np.float32),
        offsets=np.cumsum([0] + [len(moves) for moves in KANJI]),
    )
    pickled = sketch_rnn.kanji(tmp_path / "kanji.rdp100.npz")[:]
    assert np.array_equal(pickled, sketches.kanji(tmp_path / "kanjivg_stroke3.npz")[:])


class Trap:
    """An object whose pickle calls os.mkdir."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable, tuple]:
        return os.mkdir, (str(self.path),)


def test_nothing_that_a_pickle_names_is_called(tmp_path: Path) -> None:
    sketch_rnn_file(tmp_path / "kanji.npz", {"train": objects(KANJI[0], Trap(tmp_path / "trap")), "valid": objects()})
    with pytest.raises(InputError, match="holds posix.mkdir, no array"):
        sketch_rnn.kanji(tmp_path / "kanji.npz")
    assert not (tmp_path / "trap").exists()


def test_an_svg_path_is_flattened_as_its_curves_run() -> None:
    absolute, relative = (
        kanjivg.polylines("M10,20C10,40 30,40,30,20S50,0 50,20"),
        kanjivg.polylines("m10 20c0 20 20 20 20 0s20-20 20 0"),
    )
    assert np.allclose(absolute[0], relative[0])
    t = np.linspace(0, 1, 13)[1:, None]
    first = (1 - t) ** 3 * [10, 20] + 3 * t * (1 - t) ** 2 * [10, 40] + 3 * t**2 * (1 - t) * [30, 40] + t**3 * [30, 20]
    assert np.allclose(absolute[0][1:13], first)
    assert np.allclose(absolute[0][13:, 1], 40 - first[:, 1])  # the second curve is the first one upside down
    bent, straight = kanjivg.polylines("M1-2h3v.5L9,9l1,1M0,0 5,5")
    assert bent.tolist() == [[1, -2], [4, -2], [4, -1.5], [9, 9], [10, 10]]
    assert straight.tolist() == [[0, 0], [5, 5]]


def test_kanji_in_a_zip_of_svg_are_drawn_as_their_strokes(tmp_path: Path) -> None:
    text = '<svg viewBox="0 0 109 109"><path id="kvg:1-s1" kvg:type="a" d="M20,55L90,55"/><path d="M55,20v70"/></svg>'
    with zipfile.ZipFile(tmp_path / "kanjivg-1-main.zip", "w") as archive:
        archive.writestr("kanji/05341.svg", text)
        archive.writestr("kanji/0534a.svg", text.replace("90,55", "90,5"))
    (tmp_path / "kanji").mkdir()
    (tmp_path / "kanji" / "05341.svg").write_text(text, encoding="utf-8")
    cross = sketches.fit([np.array([[20.0, 55], [90, 55]]), np.array([[55.0, 20], [55, 90]])], 2.0)
    assert np.array_equal(datasets.split("kanji-held-out", tmp_path)[0], cross)
    (tmp_path / "kanjivg-1-main.zip").unlink()
    assert np.array_equal(datasets.split("kanji-held-out", tmp_path)[0], cross)


def test_faces_are_the_centre_square_resized_by_area(tmp_path: Path) -> None:
    image = face(tmp_path / "celeba" / "img_align_celeba" / "000001.jpg", 1)
    read = images.colour(tmp_path / "celeba" / "img_align_celeba")[0]
    expected = np.array(image.crop((0, 20, 178, 198)).resize((64, 64), Image.Resampling.BOX, reducing_gap=None))
    assert read.shape == (64, 64, 3)
    assert np.abs(read.astype(int) - expected).mean() < 1
    weights = np.clip(np.minimum(np.arange(1, 179), 178 / 64) - np.arange(178), 0, 1)  # the first of 64 bins
    corner = np.einsum("y,x,yxc", weights, weights, np.array(image.crop((0, 20, 178, 198)), float)) / weights.sum() ** 2
    assert np.abs(read[0, 0] - corner).max() <= 1.5


@pytest.mark.parametrize("packed", [False, True])
def test_celeba_is_parted_as_its_partition_says(tmp_path: Path, packed: bool) -> None:
    folder = tmp_path / "celeba" / "img_align_celeba"
    for k in range(1, 7):
        face(folder / f"{k:06}.jpg", k)
    every = images.colour(folder)[:]
    (tmp_path / "celeba" / "list_eval_partition.txt").write_text(
        "".join(f"{k:06}.jpg {part}\n" for k, part in enumerate((0, 2, 0, 1, 0, 0), 1)), encoding="utf-8"
    )
    if packed:
        with zipfile.ZipFile(tmp_path / "celeba" / "img_align_celeba.zip", "w") as archive:
            for file in folder.iterdir():
                archive.write(file, f"img_align_celeba/{file.name}")
                file.unlink()
        folder.rmdir()
    train, held = datasets.colour(tmp_path)
    assert np.array_equal(train["celeba"][:], every[[0, 2, 4, 5]])
    assert np.array_equal(train["celeba"][np.array([3, 1])], every[[5, 2]])
    assert np.array_equal(held["celeba"][:], every[[3]])
    assert np.array_equal(datasets.split("celeba-test", tmp_path)[:], every[[1]])


def test_without_a_partition_every_tenth_face_is_held_out(tmp_path: Path) -> None:
    for k in range(11):
        face(tmp_path / "img_align_celeba" / f"{k:06}.jpg", k)
    train, held = datasets.colour(tmp_path, ("celeba",))
    assert (len(train["celeba"]), len(held["celeba"])) == (9, 2)


def test_only_the_faces_that_are_asked_for_are_decoded(tmp_path: Path) -> None:
    for k in range(5):
        face(tmp_path / "img_align_celeba" / f"{k}.jpg", k)
    (tmp_path / "img_align_celeba" / "3.jpg").write_bytes(b"no image")
    train, _ = datasets.colour(tmp_path)
    assert train["celeba"][:2].shape == (2, 64, 64, 3)
    with pytest.raises(InputError, match=r"img_align_celeba/3.jpg: is no whole PNG, JPEG or WebP"):
        train["celeba"][:]


def test_a_collection_that_is_sent_to_another_process_draws_the_same(data: Path) -> None:
    for k in range(11):
        face(data / "celeba" / "img_align_celeba" / f"{k:06}.jpg", k)
    for name in ("mnist-validation", "omniglot-validation", "celeba-validation"):
        pictures = datasets.split(name, data)
        assert np.array_equal(pickle.loads(pickle.dumps(pictures))[:], pictures[:])


@pytest.mark.parametrize("read", [datasets.line_art, datasets.colour])
def test_a_large_folder_of_images_is_read_as_it_is_indexed(  # type: ignore[no-untyped-def]
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read
) -> None:
    for k in range(4):
        face(tmp_path / f"{k}.jpg", k)
    (at_once,), _ = (list(sets.values()) for sets in read(tmp_path))
    monkeypatch.setattr(datasets, "IN_MEMORY", 3)
    (lazy,), _ = (list(sets.values()) for sets in read(tmp_path))
    assert isinstance(at_once, np.ndarray)
    assert isinstance(lazy, datasets.Collection)
    assert np.array_equal(lazy[:], at_once)


def test_line_art_is_not_read_in_colour_nor_faces_in_black(data: Path, tmp_path: Path) -> None:
    for read, name in ((datasets.colour, "mnist"), (datasets.line_art, "celeba")):
        with pytest.raises(InputError, match=f"{name} is .*--colour"):
            read(data, (name,))
    with pytest.raises(InputError, match=r"data: mnist is line art in black; leave --colour out"):
        datasets.colour(data)
    for k in range(11):
        face(tmp_path / "faces" / "celeba" / "img_align_celeba" / f"{k:06}.jpg", k)
        face(data / "celeba" / "img_align_celeba" / f"{k:06}.jpg", k)
    with pytest.raises(InputError, match=r"faces: celeba is in colour; give --colour"):
        datasets.line_art(tmp_path / "faces")
    assert list(datasets.colour(data)[0]) == ["celeba"], "where both kinds are there, each finds its own"
    assert "mnist" in datasets.line_art(data)[0]


def saved(path: Path, **arrays: np.ndarray) -> Path:
    """Write an npz."""
    np.savez(path, **arrays)
    return path


def test_damaged_idx_files_are_told_from_whole_ones(tmp_path: Path) -> None:
    path = tmp_path / "images.gz"
    idx(path, np.random.default_rng(0).integers(0, 256, (20, 28, 28), dtype=np.uint8))
    cut(path)
    with pytest.raises(
        InputError, match=r"images.gz: cannot be read as MNIST images \(Compressed file ended .*; get a whole"
    ):
        mnist.read_idx(path)
    path.write_bytes(b"\x1f\x8b\x08\x00 no deflate stream")
    with pytest.raises(InputError, match="cannot be read as MNIST images"):
        mnist.read_idx(path)
    path.write_bytes(struct.pack(">4I", 0x803, 60_000, 28, 28) + bytes(784))
    with pytest.raises(InputError, match="its header promises 47040000 bytes of images, it holds 784"):
        mnist.read_idx(path)
    path.write_bytes(struct.pack(">2I", 0x803, 1))
    with pytest.raises(InputError, match="ends within its header"):
        mnist.read_idx(path)
    path.write_bytes(struct.pack(">2I", 0x801, 1) + b"\x01")
    with pytest.raises(InputError, match="not an idx file of images"):
        mnist.read_idx(path)
    idx(path, np.ones((3, 32, 32), np.uint8))
    with pytest.raises(InputError, match="holds 3×32×32 values, MNIST n×28×28"):
        mnist.collection(path)
    with pytest.raises(InputError, match="No such file"):
        mnist.read_idx(tmp_path / "none")


def test_a_zip_that_python_cannot_unpack_is_told(tmp_path: Path) -> None:
    path = saved(tmp_path / "bits.npz", bits=np.zeros((3, 1379), np.uint8))
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 0x40  # strong encryption
    content[6] |= 0x40
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"bits.npz: cannot be read as npz \(strong encryption"):
        omniglot.collection(path)


def test_a_digit_without_ink_is_named(tmp_path: Path) -> None:
    digits = ink_blots(30, 28, 0)
    digits[7] = 0
    idx(tmp_path / "train-images-idx3-ubyte", digits)
    with pytest.raises(InputError, match="train-images-idx3-ubyte, image 7: has one colour only"):
        datasets.line_art(tmp_path)


def test_damaged_npz_files_are_told_from_whole_ones(tmp_path: Path) -> None:
    points = np.zeros((6, 2), np.uint8)
    whole = {"points": points, "stroke_offsets": np.array([0, 2, 6]), "drawing_offsets": np.array([0, 1, 2])}
    path = tmp_path / "sketches.npz"
    assert len(sketches.quickdraw(saved(path, **whole))) == 2
    for change, words in (
        ({"stroke_offsets": np.array([0, 2, 7])}, "stroke_offsets must rise from 0 to 6"),
        ({"stroke_offsets": np.array([0, 0, 6])}, "stroke_offsets must rise"),
        ({"drawing_offsets": np.array([0, 2, 1])}, "drawing_offsets must rise from 0 to 2"),
        ({"drawing_offsets": np.array([0.0, 1, 2])}, "drawing_offsets must rise"),
        ({"points": np.zeros((6, 3))}, r"points is float64 \(6, 3\), not \(p, 2\)"),
        ({"points": np.full((6, 2), np.nan)}, "points holds values that are no numbers"),
        ({"points": objects(1, 2)}, "allow_pickle"),
    ):
        with pytest.raises(InputError, match=words):
            sketches.quickdraw(saved(path, **{**whole, **change}))
    del whole["stroke_offsets"]
    with pytest.raises(InputError, match="array stroke_offsets is missing; there are: points, drawing_offsets"):
        sketches.quickdraw(saved(path, **whole))
    cut(path)
    with pytest.raises(InputError, match=r"sketches.npz: cannot be read as npz \(.*\); get a whole copy"):
        sketches.quickdraw(path)
    with pytest.raises(InputError, match=r"bits is uint8 \(3, 9\), not uint8 \(n, 1379\)"):
        omniglot.collection(saved(path, bits=np.zeros((3, 9), np.uint8)))
    path.write_bytes(b"")
    with pytest.raises(InputError, match="cannot be read as npz"):
        sketches.kanji(path)
    sketch_rnn_file(path, {"train": objects(*KANJI[:2])})
    with pytest.raises(InputError, match="There is no item named 'valid.npy'"):
        sketch_rnn.kanji(path)


def test_a_damaged_zip_is_told_and_its_broken_file_named(tmp_path: Path) -> None:
    path = tmp_path / "images_background.zip"
    characters(path, ("Greek",))
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        broken = archive.infolist()[-1]
    start = broken.header_offset + 30 + len(broken.filename)
    content[start + broken.compress_size // 2] ^= 255
    path.write_bytes(content)
    with pytest.raises(InputError, match=rf"images_background.zip/{broken.filename}: .*; get a whole copy of"):
        omniglot.read_images(path)
    cut(path)
    with pytest.raises(InputError, match=r"images_background.zip: cannot be read as zip \(File is not a zip file\)"):
        omniglot.read_images(path)
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("Greek/1.png", png(Image.new("L", (28, 28))))
    with pytest.raises(InputError, match=r"other.zip/Greek/1.png: is no 105×105 PNG; get a whole copy of other.zip"):
        omniglot.read_images(tmp_path / "other.zip")
    with pytest.raises(InputError, match="holds none of the alphabets Latin"):
        omniglot.read_images(tmp_path / "other.zip", ("Latin",))
    with pytest.raises(InputError, match="holds no .svg file"):
        kanjivg.collection([tmp_path / "other.zip"])


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('{"drawing": [[[0, 1], [0', "line 3: is no drawing"),
        ('{"word": "cat"}', "no 'drawing'"),
        ('{"drawing": [[[0, 1], [0]]]}', "is no drawing"),
        ('{"drawing": []}', "a stroke is a list of x and as long a list of y"),
        ('{"drawing": [[[0, NaN], [0, 1]]]}', "a coordinate is no number"),
        ("[]", "is no drawing"),
        ("", "is no drawing"),
    ],
)
def test_a_broken_line_of_ndjson_is_named(tmp_path: Path, line: str, words: str) -> None:
    path = tmp_path / "cat.ndjson"
    path.write_text(2 * (json.dumps(DRAWING) + "\n") + f"{line}\n{json.dumps(DRAWING)}\n", encoding="utf-8")
    with pytest.raises(InputError, match=words) as raised:
        ndjson.collection([path])
    assert f"{path}, line 3: " in str(raised.value)
    assert "\n" not in str(raised.value)


def test_an_svg_that_is_cut_short_or_holds_no_strokes_is_named(tmp_path: Path) -> None:
    path = tmp_path / "05341.svg"
    for text, words in (
        ('<svg><path d="M1,2L3', "cut short"),
        ("<svg></svg>", "no strokes"),
        ('<svg><path d="M1,2C3,4"/></svg>', "a path is cut short"),
        ('<svg><path d="M1,2A3,4"/></svg>', "path command A"),
        ('<svg><path d="L1,2"/></svg>', "a path is cut short"),
    ):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(InputError, match=rf"05341.svg: is no character of KanjiVG \({words}\)"):
            kanjivg.collection([path])[:]


def test_a_damaged_partition_of_celeba_is_refused(tmp_path: Path) -> None:
    for k in range(2):
        face(tmp_path / "img_align_celeba" / f"{k:06}.jpg", k)
    partition = tmp_path / "list_eval_partition.txt"
    partition.write_text("000000.jpg 0\n000001.jp", encoding="utf-8")
    with pytest.raises(InputError, match="list_eval_partition.txt, line 2: is no image and 0, 1 or 2"):
        datasets.colour(tmp_path)
    partition.write_text("000000.jpg 0\n", encoding="utf-8")
    with pytest.raises(InputError, match="does not name 000001.jpg"):
        datasets.colour(tmp_path)


def test_folders_without_anything_usable_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder; give --data a folder with"):
        datasets.line_art(tmp_path / "none")
    for read in (datasets.line_art, datasets.colour):
        with pytest.raises(InputError, match="holds neither a data set nor PNG"):
            read(tmp_path)
    face(tmp_path / "one.jpg", 1)
    with pytest.raises(InputError, match=r"too few pictures \(1\) to keep some for validation"):
        datasets.line_art(tmp_path)
    Image.new("RGB", (80, 80), (9, 9, 200)).save(tmp_path / "even.png")
    with pytest.raises(InputError, match=r"even.png: nothing to paint"):
        datasets.line_art(tmp_path)
    with pytest.raises(InputError, match=r"even.png: has one colour only; remove it"):
        images.colour(tmp_path)[:]
