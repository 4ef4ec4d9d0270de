"""Pictures to learn from and to measure on: MNIST, Omniglot, Quick, Draw!, KanjiVG, CelebA, any folder of images."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from planner.collection import Collection, Pictures, Source
from planner.data_folder import PARTS
from planner.formats import images, mnist
from planner.formats.mnist import digits, read_idx
from sim.errors import InputError

__all__ = ["Collection", "Pictures", "Source", "colour", "digits", "labels", "line_art", "read_idx", "split"]

MNIST_VALIDATION: Final = 12
"""The last twelfth of MNIST's training file, 5000 images: tuning happens on them and training never sees them."""
HELD_EVERY: Final = 10
"""Of other sets, every tenth picture, from the first, is held out of training."""
IN_MEMORY: Final = 20_000
"""Image files of a folder that are kept in memory; those of a larger folder are read as they are needed."""
DRAWN_AT_ONCE: Final = 512

Choice = Callable[[Collection], Collection]
Kinds = Mapping[str, tuple[str, str]]
"""Sets of one kind: of each the parts, as in `SPLITS`, to train on and to validate on."""


def whole(pictures: Collection) -> Collection:
    """Return all pictures."""
    return pictures


def held(pictures: Collection) -> Collection:
    """Return every tenth picture, from the first."""
    return pictures.only(slice(None, None, HELD_EVERY))


def kept(pictures: Collection) -> Collection:
    """Return nine of ten pictures; every tenth is left out of training."""
    return pictures.only(np.flatnonzero(np.arange(len(pictures)) % HELD_EVERY))


def mnist_validation(pictures: Collection) -> Collection:
    """Return the last twelfth of MNIST's training images."""
    return pictures.only(slice(len(pictures) - len(pictures) // MNIST_VALIDATION, None))


def mnist_train(pictures: Collection) -> Collection:
    """Return MNIST's training images but the last twelfth."""
    return pictures.only(slice(None, len(pictures) - len(pictures) // MNIST_VALIDATION))


SPLITS: Final[dict[str, tuple[str, Choice]]] = {
    "mnist-train": ("mnist", mnist_train),
    "mnist-validation": ("mnist", mnist_validation),
    "mnist-test": ("mnist-t10k", whole),
    "quickdraw-train": ("quickdraw", kept),
    "quickdraw-held-out": ("quickdraw", held),
    "kanji-train": ("kanji", kept),
    "kanji-held-out": ("kanji", held),
    "omniglot-train": ("omniglot", kept),
    "omniglot-validation": ("omniglot", held),
    "omniglot-evaluation": ("omniglot-evaluation", whole),
    "celeba-train": ("celeba-train", whole),
    "celeba-validation": ("celeba-validation", whole),
    "celeba-test": ("celeba-test", whole),
    "faces-train": ("faces", kept),
    "faces-held-out": ("faces", held),
}
"""What is trained on, tuned on and measured on, the same everywhere: the part of the files, and what of it."""

LINE_ART: Final = {
    "mnist": ("mnist-train", "mnist-validation"),
    "quickdraw": ("quickdraw-train", "quickdraw-held-out"),
    "kanji": ("kanji-train", "kanji-held-out"),
    "omniglot": ("omniglot-train", "omniglot-validation"),
}
"""The sets of line art, in the order in which they are read: what to train and what to validate on."""
COLOUR: Final = {"celeba": ("celeba-train", "celeba-validation"), "faces": ("faces-train", "faces-held-out")}
"""The sets of pictures in colour."""


def split(name: str, data: Path) -> Collection:
    """Return a part of a set. Its pictures are drawn as it is indexed: `split("mnist-test", data)[:1000]`.

    MNIST's and Omniglot's pictures and their order are the same in whichever of its formats a set is there.

    Args:
        name: One of `SPLITS`.
        data: The data folder.

    Raises:
        InputError: There is no such part, the folder lacks its file, or the file is damaged.
    """
    if name not in SPLITS:
        raise InputError(f"{name}: no such part of a data set; choose of {', '.join(SPLITS)}")
    part, choose = SPLITS[name]
    return choose(PARTS[part].need(data, name).read())


def labels(name: str, data: Path) -> NDArray[np.uint8]:
    """Return the digits (n,), 0 to 9, that the pictures of mnist-train, mnist-validation or mnist-test show.

    Raises:
        InputError: The part has no labels, their file is missing or damaged, or their number is not the images'.
    """
    if name not in SPLITS or not name.startswith("mnist-"):
        raise InputError(f"{name}: has no labels; choose of {', '.join(each for each in SPLITS if 'mnist' in each)}")
    part, choose = SPLITS[name]
    file = PARTS[part].need(data, name).paths[0]
    path = mnist.labels_of(file)
    every, count = mnist.read_labels(path), len(read_idx(file))
    if len(every) != count:
        raise InputError(f"{path}: holds {len(every)} labels for {count} images; get whole copies of both files")
    chosen = choose(Collection(count, lambda which: every[which], str))
    return chosen.draw(np.arange(len(chosen)))


def line_art(data: Path, names: Sequence[str] | None = None) -> tuple[dict[str, Source], dict[str, Source]]:
    """Return the line art found under a data folder, by data set: what to train on and what to validate on.

    MNIST's last 5000 training images and every tenth picture of the other sets are for validation. Pictures are arrays
    (n, 64, 64), but those of a folder of more than `IN_MEMORY` images are read as they are indexed.

    Args:
        data: A folder with any of `mnist/`, `omniglot/` and `sketches/` in it, or one of images.
        names: Sets of `LINE_ART` that are wanted and must be there; None for all that are there.

    Raises:
        InputError: The folder is missing or holds none of them, they are in colour, or a file is damaged.
    """
    refuse_other(data, names, LINE_ART, COLOUR, "is in colour; give --colour")
    sets, validation = collections(data, LINE_ART, names)
    if not sets:
        return folder_of_images(data, images.line_art)
    return all_drawn(sets), all_drawn(validation)


def colour(data: Path, names: Sequence[str] | None = None) -> tuple[dict[str, Source], dict[str, Source]]:
    """Return the pictures in colour (n, 64, 64, 3) found under a data folder, as `line_art` does.

    They are read as they are indexed, but those of a folder of up to `IN_MEMORY` images, which are arrays. CelebA's own
    partition says what is for validation; of others it is every tenth.

    Args:
        data: A folder with `celeba/` or `faces/` in it, or one of images, also in folders below it.
        names: Sets of `COLOUR` that are wanted and must be there; None for all that are there.

    Raises:
        InputError: The folder is missing or holds none of them, they are line art, or a file is damaged.
    """
    refuse_other(data, names, COLOUR, LINE_ART, "is line art in black; leave --colour out")
    sets, validation = collections(data, COLOUR, names)
    if not sets:
        return folder_of_images(data, images.colour)
    return dict(sets), dict(validation)


def refuse_other(data: Path, names: Sequence[str] | None, known: Kinds, others: Kinds, why: str) -> None:
    """Refuse sets of the other kind, where they are named or where a folder holds them and none of this one.

    Raises:
        InputError: There is such a set.
    """

    def there(kinds: Kinds) -> list[str]:
        return [name for name, (training, _) in kinds.items() if PARTS[SPLITS[training][0]].find(data)]

    if names is None and not there(known):
        names = there(others)
    for name in names or ():
        if name in others:
            raise InputError(f"{data}: {name} {why}, or name other pictures with --data and --sets")


def collections(
    data: Path, known: Kinds, names: Sequence[str] | None
) -> tuple[dict[str, Collection], dict[str, Collection]]:
    """Return the sets of a kind that a data folder holds: what to train and what to validate on.

    Raises:
        InputError: As `line_art`.
    """
    if not data.is_dir():
        raise InputError(
            f"{data}: no such folder; give --data a folder with mnist/train-images-idx3-ubyte.gz, "
            "omniglot/images_background.zip, sketches/*.ndjson or your own images"
        )
    unknown = [name for name in names or () if name not in known]
    if unknown:
        raise InputError(f"{unknown[0]}: no such data set; choose of {', '.join(known)}")
    sets: dict[str, Collection] = {}
    validation: dict[str, Collection] = {}
    for name in names or known:
        (part, first), (other, second) = (SPLITS[each] for each in known[name])
        if names is None and PARTS[part].find(data) is None:
            continue
        files = PARTS[part].need(data, name)
        pictures = files.read()
        if other == part:
            sets[name], validation[name] = two_parts(str(files.paths[0]), pictures, first, second)
        else:
            sets[name], validation[name] = first(pictures), second(PARTS[other].need(data, name).read())
    return sets, validation


def folder_of_images(folder: Path, read: Callable[[Path], Collection]) -> tuple[dict[str, Source], dict[str, Source]]:
    """Return the images of a folder that holds no data set, as `read` makes pictures of them.

    Raises:
        InputError: There are too few, or one is damaged.
    """
    pictures = any_images(folder, read)
    training, validation = ({folder.name: part} for part in two_parts(str(folder), pictures, kept, held))
    if len(pictures) > IN_MEMORY:
        return dict(training), dict(validation)
    return all_drawn(training), all_drawn(validation)


def any_images(folder: Path, read: Callable[[Path], Collection] = images.line_art) -> Collection:
    """Return the images of a folder that holds no data set, as line art or as `read` says.

    Raises:
        InputError: There is no image.
    """
    try:
        return read(folder)
    except InputError:
        raise InputError(
            f"{folder}: holds neither a data set nor PNG, JPEG or WebP images; docs/training.md says what goes where"
        ) from None


def two_parts(place: str, pictures: Collection, first: Choice, second: Choice) -> tuple[Collection, Collection]:
    """Return what to train and what to validate on.

    Raises:
        InputError: One of them is empty.
    """
    training, validation = first(pictures), second(pictures)
    if not len(training) or not len(validation):
        raise too_few(place, pictures)
    return training, validation


def too_few(place: str, pictures: Collection) -> InputError:
    """Return the error of a set of which nothing is left to train or to validate on."""
    return InputError(f"{place}: too few pictures ({len(pictures)}) to keep some for validation; get more of them")


def all_drawn(sets: Mapping[str, Collection]) -> dict[str, Source]:
    """Return all pictures of each set in memory."""
    return {name: drawn(name, pictures) for name, pictures in sets.items()}


def drawn(name: str, pictures: Collection) -> Pictures:
    """Return all pictures of a collection, with a progress bar where it takes long.

    Raises:
        InputError: A file is damaged, or a picture has one colour only.
    """
    every = np.empty((len(pictures), *pictures[:1].shape[1:]), np.uint8)
    with tqdm(total=len(pictures), desc=name, unit="picture", delay=2, leave=False, disable=None) as progress:
        for first in range(0, len(pictures), DRAWN_AT_ONCE):
            some = pictures[first : first + DRAWN_AT_ONCE]
            every[first : first + DRAWN_AT_ONCE] = some
            progress.update(len(some))
    return every
