"""Where the published files of the data sets lie in a data folder, and which reader takes them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from planner.collection import Collection
from planner.formats import images, kanjivg, mnist, ndjson, omniglot, sketch_rnn, sketches
from sim.errors import InputError


@dataclass(frozen=True)
class Place:
    """Files of one format."""

    pattern: str
    """Of their names in a folder."""
    read_one: Callable[[Path], Collection] | None = None
    """Read the first of these files, which is all."""
    read_all: Callable[[list[Path]], Collection] | None = None
    """Read all of them as one."""


@dataclass(frozen=True)
class Found:
    """The files of a part of a data set, as one of its places."""

    paths: list[Path]
    place: Place

    def read(self) -> Collection:
        """Return their pictures.

        Raises:
            InputError: A file is damaged.
        """
        if self.place.read_all:
            return self.place.read_all(self.paths)
        assert self.place.read_one
        return self.place.read_one(self.paths[0])


@dataclass(frozen=True)
class Part:
    """A part of a data set that lies in files of its own."""

    published: str
    """Its file as it is published, in a data folder; what a user is told to get."""
    folders: tuple[str, ...]
    """Its folders in a data folder, which may also be this folder itself."""
    places: tuple[Place, ...]
    """Its formats; the first that is there counts."""

    def find(self, data: Path) -> Found | None:
        """Return its files in a data folder, or None where there is none."""
        for place in self.places:
            for folder in (*(data / name for name in self.folders), data):
                paths = sorted(folder.glob(place.pattern))
                if paths:
                    return Found(paths, place)
        return None

    def need(self, data: Path, name: str) -> Found:
        """Return its files in a data folder.

        Raises:
            InputError: There is none.
        """
        found = self.find(data)
        if found is None:
            raise InputError(f"{data}: {name} needs {self.published}; docs/training.md says where to get it")
        return found


_EVALUATION = partial(omniglot.collection, alphabets=omniglot.EVALUATION_ALPHABETS)
_CELEBA = ("img_align_celeba", "img_align_celeba.zip", "Img/img_align_celeba", "Img/img_align_celeba.zip")
_FIVE_HEX = 5 * "[0-9a-f]"

PARTS: Final = {
    "mnist": Part(
        "mnist/train-images-idx3-ubyte.gz", ("mnist",), (Place("train-images?idx3-ubyte*", mnist.collection),)
    ),
    "mnist-t10k": Part(
        "mnist/t10k-images-idx3-ubyte.gz",
        ("mnist",),
        (Place("t10k-images?idx3-ubyte*", mnist.collection), Place("t10k-*-images?idx3-ubyte*", mnist.collection)),
    ),
    "quickdraw": Part(
        "sketches/CATEGORY.ndjson",
        ("sketches", "quickdraw"),
        (Place("quickdraw_simplified.npz", sketches.quickdraw), Place("*.ndjson", read_all=ndjson.collection)),
    ),
    "kanji": Part(
        "sketches/kanji.rdp100.npz",
        ("sketches", "kanji", "kanjivg"),
        (
            Place("kanjivg_stroke3.npz", sketches.kanji),
            Place("kanji.rdp100.npz", sketch_rnn.kanji),
            Place("kanjivg*.zip", read_all=kanjivg.collection),
            Place(f"{_FIVE_HEX}*.svg", read_all=kanjivg.collection),
            Place(f"kanji/{_FIVE_HEX}*.svg", read_all=kanjivg.collection),
        ),
    ),
    "omniglot": Part(
        "omniglot/images_background.zip",
        ("omniglot",),
        tuple(
            Place(name, omniglot.collection)
            for name in ("omniglot_background.npz", "images_background.zip", "images_background")
        ),
    ),
    "omniglot-evaluation": Part(
        "omniglot/images_evaluation.zip",
        ("omniglot",),
        tuple(
            Place(name, _EVALUATION)
            for name in ("omniglot_evaluation_shared.npz", "images_evaluation.zip", "images_evaluation")
        ),
    ),
    **{
        f"celeba-{part}": Part(
            "celeba/img_align_celeba.zip",
            ("celeba", "CelebA"),
            tuple(Place(name, partial(images.celeba, part=part)) for name in _CELEBA),
        )
        for part in images.CELEBA_PARTS
    },
    "faces": Part("faces/ANY.zip", (), (Place("faces/*.zip", images.colour),)),
}
"""The parts of the data sets, by their names."""
