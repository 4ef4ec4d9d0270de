"""Pictures to learn from and to measure on: MNIST, Omniglot, Quick, Draw!, KanjiVG and any folder of images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from planner.collection import Collection, Pictures
from planner.formats import images, mnist, omniglot, sketches
from planner.formats.mnist import digits, read_idx
from sim.errors import InputError

__all__ = ["Collection", "Pictures", "digits", "labels", "line_art", "read_idx", "split"]

MNIST_VALIDATION: Final = 12
"""The last twelfth of MNIST's training file, 5000 images: tuning happens on them and training never sees them."""
HELD_EVERY: Final = 10
"""Of other sets, every tenth picture, from the first, is held out of training."""

Reader = Callable[[Path], Collection]


def _held(pictures: Collection) -> Collection:
    return pictures.only(slice(None, None, HELD_EVERY))


def _kept(pictures: Collection) -> Collection:
    """Return nine of ten pictures; every tenth is left out of training."""
    return pictures.only(np.flatnonzero(np.arange(len(pictures)) % HELD_EVERY))


def _omniglot_evaluation(path: Path) -> Collection:
    return omniglot.collection(path, omniglot.EVALUATION_ALPHABETS)


PLACES: Final[dict[str, tuple[tuple[str, ...], tuple[tuple[str, Reader], ...]]]] = {
    "mnist": (("mnist",), (("train-images?idx3-ubyte*", mnist.collection),)),
    "mnist-t10k": (
        ("mnist",),
        (("t10k-images?idx3-ubyte*", mnist.collection), ("t10k-*-images?idx3-ubyte*", mnist.collection)),
    ),
    "quickdraw": (("sketches", "quickdraw"), (("quickdraw_simplified.npz", sketches.quickdraw),)),
    "kanji": (("sketches", "kanji"), (("kanjivg_stroke3.npz", sketches.kanji),)),
    "omniglot": (
        ("omniglot",),
        (
            ("omniglot_background.npz", omniglot.collection),
            ("images_background.zip", omniglot.collection),
            ("images_background", omniglot.collection),
        ),
    ),
    "omniglot-evaluation": (
        ("omniglot",),
        (
            ("omniglot_evaluation_shared.npz", omniglot.collection),
            ("images_evaluation.zip", _omniglot_evaluation),
            ("images_evaluation", _omniglot_evaluation),
        ),
    ),
}
"""Where the parts of the sets lie: the folders in a data folder (which may be one of them itself), and the files with
their readers. The first that is there counts."""

LINE_ART: Final = ("mnist", "quickdraw", "kanji", "omniglot")
"""The sets of line art that training knows, in their order."""

SPLITS: Final[dict[str, tuple[str, Callable[[Collection], Collection]]]] = {
    "mnist-train": ("mnist", lambda whole: whole.only(slice(None, -(len(whole) // MNIST_VALIDATION)))),
    "mnist-validation": ("mnist", lambda whole: whole.only(slice(-(len(whole) // MNIST_VALIDATION), None))),
    "mnist-test": ("mnist-t10k", lambda whole: whole),
    "quickdraw-train": ("quickdraw", _kept),
    "quickdraw-held-out": ("quickdraw", _held),
    "kanji-train": ("kanji", _kept),
    "kanji-held-out": ("kanji", _held),
    "omniglot-train": ("omniglot", _kept),
    "omniglot-validation": ("omniglot", _held),
    "omniglot-evaluation": ("omniglot-evaluation", lambda whole: whole),
}
"""The parts of the sets, by their names: what is trained on, tuned on, and measured on, is the same everywhere."""


def find(data: Path, part: str) -> tuple[Path, Reader] | None:
    """Return the file of a part of `PLACES` in a data folder and its reader, or None where there is none."""
    folders, files = PLACES[part]
    for pattern, reader in files:
        for folder in (*(data / name for name in folders), data):
            found = sorted(folder.glob(pattern))
            if found:
                return found[0], reader
    return None


def split(name: str, data: Path) -> Collection:
    """Return a part of a set. Its pictures are drawn as it is indexed: `split("mnist-test", data)[:1000]`.

    The pictures and their order are the same in whichever of its formats a set is there, but for Quick, Draw! and
    kanji: their published files hold other drawings than the npz.

    Args:
        name: One of `SPLITS`.
        data: The data folder.

    Raises:
        InputError: There is no such part, the folder lacks its file, or the file is damaged.
    """
    if name not in SPLITS:
        raise InputError(f"{name}: no such part of a data set; choose of {', '.join(SPLITS)}")
    part, choose = SPLITS[name]
    found = find(data, part)
    if found is None:
        folders, files = PLACES[part]
        raise InputError(
            f"{data}: {name} needs {folders[0]}/{files[0][0].rstrip('*').replace('?', '-')}; get this file"
        )
    path, reader = found
    return choose(reader(path))


def labels(name: str, data: Path) -> NDArray[np.uint8]:
    """Return the digits (n,), 0 to 9, that the pictures of mnist-train, mnist-validation or mnist-test show.

    Raises:
        InputError: The part has no labels, their file is missing or damaged, or their number is not the images'.
    """
    if name not in SPLITS or not name.startswith("mnist-"):
        raise InputError(f"{name}: has no labels; choose of {', '.join(each for each in SPLITS if 'mnist' in each)}")
    part, choose = SPLITS[name]
    found = find(data, part)
    if found is None:
        raise InputError(f"{data}: {name} needs a file of images in mnist/; get all four files of MNIST")
    path = found[0].with_name(found[0].name.replace("images", "labels").replace("idx3", "idx1"))
    every, count = mnist.read_labels(path), len(read_idx(found[0]))
    if len(every) != count:
        raise InputError(f"{path}: holds {len(every)} labels for {count} images; get whole copies of both files")
    whole = Collection(count, lambda which: every[which], str)
    return choose(whole).draw(np.arange(len(choose(whole))))


def line_art(data: Path, names: Sequence[str] | None = None) -> tuple[dict[str, Pictures], dict[str, Pictures]]:
    """Return the pictures found under a data folder, by data set: those to train on and those to validate on.

    MNIST's last 5000 training images and every tenth picture of the other sets are for validation.

    Args:
        data: A folder with any of `mnist/`, `omniglot/` and `sketches/` in it, or one of images.
        names: Sets of `LINE_ART` that are wanted and must be there; None for all that are there.

    Raises:
        InputError: The folder is missing or holds none of them, or a file is damaged.
    """
    if not data.is_dir():
        raise InputError(
            f"{data}: no such folder; give --data a folder with mnist/train-images-idx3-ubyte.gz, "
            "omniglot/omniglot_background.npz, sketches/*.npz or your own images"
        )
    unknown = [name for name in names or () if name not in LINE_ART]
    if unknown:
        raise InputError(f"{unknown[0]}: no such data set; choose of {', '.join(LINE_ART)}")
    sets: dict[str, Pictures] = {}
    held: dict[str, Pictures] = {}
    for name in names or LINE_ART:
        if names is None and find(data, name) is None:
            continue
        sets[name], held[name] = (split(each, data)[:] for each in SPLITS if SPLITS[each][0] == name)
    if not sets:
        pictures = images.collection(data)
        if len(pictures) < 2:
            raise InputError(f"{data}: holds one image; give two or more, of which one is kept for validation")
        sets[data.name], held[data.name] = _kept(pictures)[:], _held(pictures)[:]
    return sets, held
