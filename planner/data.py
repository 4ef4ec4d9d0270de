"""`spiral-data`: what a data folder holds, whether all of it can be read, and what is missing for which figure."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import tyro

from sim.errors import InputError

if TYPE_CHECKING:
    from planner.collection import Collection, Pictures
    from planner.data_folder import Found

MANUAL: Final = """\
Check a data folder: read every file and picture, as training does, and print what was found.

What may lie in the folder, where to get it and its terms stand in docs/training.md. A folder of images is one too.

examples:
  spiral-data data
  spiral-data data --sheet sheet.png

exit codes: 0 all of it can be read; 2 a file is damaged, or there is nothing to use; 130 interrupted
"""

TESTS: Final = {"mnist": "mnist-test", "omniglot": "omniglot-evaluation", "celeba": "celeba-test"}
"""What is measured on, of the sets that keep it in files of its own."""
PURPOSES: Final = {
    "mnist-train": "training line-art and digits",
    "mnist-test": "figures on MNIST's test images",
    "omniglot-train": "training line-art",
    "omniglot-evaluation": "figures on Omniglot's evaluation alphabets",
    "quickdraw-train": "training line-art, figures on Quick, Draw!",
    "kanji-train": "training line-art, figures on kanji",
    "celeba-train": "training and figures in colour",
}
"""What cannot be done without a part."""
AT_ONCE: Final = 256
SHEET: Final = 16
"""Pictures in a row of the sample sheet."""
TOLD: Final = 20
"""Damaged pictures of a set that are named, one line each."""


@dataclass
class Args:
    """What to check."""

    folder: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="FOLDER")]
    """Data folder, or a folder of images."""
    sheet: Annotated[Path | None, tyro.conf.arg(metavar="FILE.png", help_behavior_hint="")] = None
    """Picture of samples to write: of each set a row of 16 to train on, one to validate on, one to test on."""


@dataclass
class Report:
    """What was found."""

    lines: list[str] = field(default_factory=list)
    """To be read."""
    missing: list[str] = field(default_factory=list)
    """What is not there, and what it is for."""
    damaged: list[str] = field(default_factory=list)
    """What cannot be read: file, what is wrong, what to do."""
    rows: list[list[Pictures]] = field(default_factory=list)
    """Rows of the sample sheet: up to 16 pictures (64, 64) or (64, 64, 3) each."""


def check(folder: Path) -> Report:
    """Read everything in a data folder.

    Raises:
        InputError: There is no such folder, or nothing in it that can be used.
    """
    from planner.data_folder import PARTS
    from planner.datasets import COLOUR, LINE_ART, SPLITS

    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; name a data folder or a folder of images")
    report = Report()
    there = {name for name, part in PARTS.items() if part.find(folder)}
    for name, (training, held) in {**LINE_ART, **COLOUR}.items():
        splits = [training, held] + ([TESTS[name]] if name in TESTS else [])
        if any(SPLITS[each][0] in there for each in splits):
            check_set(report, folder, name, splits)
    if not there:
        check_images(report, folder)
        return report
    for name, purpose in PURPOSES.items():
        part = SPLITS[name][0]
        if part not in there:
            report.missing.append(f"missing: {PARTS[part].published}, for {purpose}")
    return report


def check_set(report: Report, folder: Path, name: str, splits: list[str]) -> None:
    """Read the files of a set and add to the report: training, validation and test pictures, files, ink, terms."""
    from planner.data_folder import PARTS
    from planner.datasets import SPLITS, too_few
    from planner.model_card import TERMS

    counts, files, shares = [], [], []
    wholes: dict[str, Collection] = {}
    for split in splits:
        part, choose = SPLITS[split]
        found = PARTS[part].find(folder)
        if found is None:
            counts.append("none")
            continue
        try:
            if part not in wholes:
                files.append(named(found, folder))
                wholes[part] = found.read()
                shares.append(read_all(report, part, wholes[part]))
            chosen = choose(wholes[part])
            counts.append(str(len(chosen)))
            if not len(chosen):
                raise too_few(str(found.paths[0]), wholes[part])
            report.rows.append(samples(chosen))
            if name == "mnist":
                check_labels(report, folder, split)
        except InputError as error:
            report.damaged.append(str(error))
            counts += ["?"] * (len(counts) == splits.index(split))
    line = f"{name}: {counts[0]} pictures to train on, {counts[1]} to validate on"
    report.lines.append(line + (f", {counts[2]} to test on" if len(counts) > 2 else ""))
    report.lines += [f"  files: {', '.join(files)}", *shares[:1], f"  terms: {TERMS.get(name, 'those of your copy')}"]


def check_labels(report: Report, folder: Path, split: str) -> None:
    """Add to the report if the labels of a part of MNIST are missing.

    Raises:
        InputError: They are there and damaged.
    """
    from planner.data_folder import PARTS
    from planner.datasets import SPLITS, labels
    from planner.formats.mnist import labels_of

    found = PARTS[SPLITS[split][0]].find(folder)
    if found and labels_of(found.paths[0]).exists():
        labels(split, folder)
    elif found:
        line = f"missing: {labels_of(found.paths[0]).relative_to(folder)}, for the classifier of digits"
        report.missing += [line] * (line not in report.missing)


def check_images(report: Report, folder: Path) -> None:
    """Read a folder of images and add to the report.

    Raises:
        InputError: There is no image in it, or only one.
    """
    from planner.datasets import any_images, held, kept, two_parts

    pictures = any_images(folder)
    training, validation = two_parts(str(folder), pictures, kept, held)
    line = f"{folder}: {len(training)} images to train on, {len(validation)} to validate on, as line art"
    report.lines += [line, read_all(report, folder.name, pictures)]
    report.rows += [samples(training), samples(validation)]


def read_all(report: Report, name: str, pictures: Collection) -> str:
    """Read every picture and return the line on their size and ink; what cannot be read goes to the report."""
    import numpy as np
    from tqdm import tqdm

    total, read, size, colour = 0.0, 0, "", False
    damaged: list[str] = []
    with tqdm(total=len(pictures), desc=name, unit="picture", delay=2, leave=False, disable=None) as progress:
        for some in chunks(pictures, damaged.append):
            total += float(np.mean(some)) * len(some)
            read += len(some)
            size = "×".join(str(side) for side in some.shape[1:3])
            colour = some.ndim == 4
            progress.update(len(some))
    report.damaged += damaged[:TOLD]
    if len(damaged) > TOLD:
        report.damaged.append(f"{name}: {len(damaged) - TOLD} more pictures cannot be read; mend those above first")
    if not read:
        return "  no picture can be read"
    ink = f"{100 * (1 - total / read / 255):.1f} % ink"
    return f"  size: {size}, {'in colour' if colour else ink}"


def chunks(pictures: Collection, tell: Callable[[str], None]) -> Iterator[Pictures]:
    """Yield all pictures that can be read, many at once; tell the error of each other one."""
    for first in range(0, len(pictures), AT_ONCE):
        try:
            yield pictures[first : first + AT_ONCE]
        except InputError:
            for index in range(first, min(first + AT_ONCE, len(pictures))):
                try:
                    some = pictures[index : index + 1]
                except InputError as error:
                    tell(str(error))
                else:
                    yield some


def samples(pictures: Collection) -> list[Pictures]:
    """Return up to 16 pictures (64, 64) or (64, 64, 3), evenly spread over a collection, that can be read."""
    import numpy as np

    spread = np.unique(np.linspace(0, len(pictures) - 1, min(SHEET, len(pictures))).astype(np.int64))
    return [picture for some in chunks(pictures.only(spread), lambda _: None) for picture in some]


def named(found: Found, folder: Path) -> str:
    """Return the words for the files of a part."""
    first = found.paths[0].relative_to(folder)
    more = len(found.paths) - 1 if found.place.read_all else 0
    return f"{first} and {more} more" if more else str(first)


def sheet(rows: list[list[Pictures]]) -> Pictures:
    """Return rows of pictures as one picture (H, 1024, 3) RGB, white where there is none."""
    import numpy as np

    paper = np.full((64 * len(rows), 64 * SHEET, 3), 255, np.uint8)
    for row, pictures in enumerate(rows):
        for column, picture in enumerate(pictures):
            cell = paper[64 * row : 64 * row + 64, 64 * column : 64 * column + 64]
            cell[:] = picture if picture.ndim == 3 else picture[..., None]
    return paper


def run(args: Args) -> int:
    """Check a folder, print the report and return the exit code.

    Raises:
        InputError: There is nothing to check, or the sheet cannot be written.
    """
    from sim import whole_file

    if args.sheet is not None and (args.sheet.suffix.lower() != ".png" or not args.sheet.absolute().parent.is_dir()):
        raise InputError(f"--sheet {args.sheet}: is no PNG file in a folder that is there; name another")
    report = check(args.folder)
    print("\n".join(report.lines + report.missing))
    if args.sheet is not None and any(len(row) for row in report.rows):
        whole_file.write_image(args.sheet, sheet([row for row in report.rows if len(row)]))
        print(f"sample sheet: {args.sheet}")
    for line in report.damaged:
        print(f"spiral-data: {line}", file=sys.stderr)
    return 2 if report.damaged else 0


def main() -> int:
    """Run the command; return its exit code."""
    args = tyro.cli(Args, prog="spiral-data", description=MANUAL)
    try:
        return run(args)
    except InputError as error:
        print(f"spiral-data: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("spiral-data: interrupted; nothing was written", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
