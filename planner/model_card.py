"""The model card that stands beside trained weights: data and its terms, commands, seed, duration, figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from planner.policy import Kind

TERMS: Final = {
    "mnist": "MNIST training images but the last 5000 (Y. LeCun, C. Cortes, C. J. C. Burges; CC BY-SA 3.0)",
    "quickdraw": "Quick, Draw!, nine of ten drawings (Google, Inc.; CC BY 4.0)",
    "kanji": "KanjiVG, nine of ten characters, as pictures (Ulrich Apel; CC BY-SA 3.0)",
    "omniglot": "Omniglot background set, nine of ten images (Brenden Lake; MIT)",
    "celeba": "CelebA aligned faces, its training part (Z. Liu and others, CUHK; non-commercial research only)",
}
"""The data sets that `planner.datasets` knows; others are named as they are."""


NETS: Final = {"lean": "planner/lean_policy.py", "paper": "planner/paper_policy.py"}


def model_card(name: str, about: dict[str, Any], kind: Kind) -> str:
    """Return the card as Markdown.

    Args:
        name: The model's name.
        about: As `planner.train` stores it with the weights: `data` (pictures by data set), `history` (settings by the
            update from which they held), `updates`, `minutes`, `seed`, `validation` (mean squared errors), `parent`
            (the same of the weights that it started from, or None).
        kind: Of the policy.
    """
    figures = [
        "## Figures",
        "",
        "Mean squared error of the policy alone (greedy, one rollout) on pictures held out from training:",
        "",
        "| data | mse |",
        "|---|---|",
        *(f"| {data.removeprefix('validation/')} | {error:.4f} |" for data, error in about["validation"].items()),
        "",
        "Figures on test data, with search: `docs/results.md`.",
        "",
    ]
    lines = [
        f"# {name}",
        "",
        summary(kind),
        f"Architecture: `{NETS[kind.net]}` and `planner/discriminator.py`; action space: `planner/actions.py`.",
        "",
        "## Data",
        "",
        *(f"- {count} pictures: {TERMS.get(data, data)}" for data, count in about["data"].items()),
        "",
        "Only weights learned from them are here, no picture.",
        "",
        "## Training",
        "",
        *training(about),
        "",
        *(figures if about["validation"] else ["Figures: `docs/results.md`.", ""]),
    ]
    return "\n".join(lines)


def summary(kind: Kind) -> str:
    """Return what a model is, in a sentence."""
    if not kind.conditional:
        how = " in colour" if kind.colour else ""
        return f"A SPIRAL agent that paints by itself{how}: policy and discriminator; noise decides what it paints."
    what, target = ("pictures in colour", "RGB") if kind.colour else ("line art", "grey")
    return f"A SPIRAL agent that reproduces {what}: policy and discriminator, conditional on a 64×64 {target} target."


def training(about: dict[str, Any]) -> list[str]:
    """Return what is known about the training of weights, and before it of those that they started from."""
    before: list[str] = []
    if parent := about.get("parent"):
        before = [
            *training(parent),
            "",
            f"Then, from `{parent['name']}` as it was after that:",
            "",
        ]
    return [
        *before,
        f"{about['updates']} updates in {about['minutes']} minutes on one CPU core, seed {about.get('seed', 0)}.",
        "Options by the update from which they held:",
        "",
        *(f"- {entry['update']}: {entry['words'] or 'none'}" for entry in about["history"]),
    ]
