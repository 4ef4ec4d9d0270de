"""The model card that stands beside trained weights: data and its terms, commands, seed, duration, figures."""

from __future__ import annotations

from typing import Any, Final

TERMS: Final = {
    "mnist": "MNIST training images but the last 5000 (Y. LeCun, C. Cortes, C. J. C. Burges; CC BY-SA 3.0)",
    "quickdraw": "Quick, Draw!, nine of ten drawings (Google, Inc.; CC BY 4.0)",
    "kanji": "KanjiVG, nine of ten characters, as pictures (Ulrich Apel; CC BY-SA 3.0)",
    "omniglot": "Omniglot background set, nine of ten images (Brenden Lake; MIT)",
    "celeba": "CelebA aligned faces, its training part (Z. Liu and others, CUHK; non-commercial research only)",
}
"""The data sets that `planner.datasets` knows; others are named as they are."""


SUMMARY: Final = {
    True: "A SPIRAL agent that reproduces line art: policy and discriminator, conditional on a 64×64 grey target.",
    False: "A SPIRAL agent that paints by itself: policy and discriminator; noise decides what it paints.",
}


def model_card(name: str, about: dict[str, Any], conditional: bool = True) -> str:
    """Return the card as Markdown.

    Args:
        name: The model's name.
        about: As `planner.train` stores it with the weights: `data` (pictures by data set), `history` (settings by the
            update from which they held), `updates`, `minutes`, `seed`, `validation` (mean squared errors), `parent`
            (the same of the weights that it started from, or None).
        conditional: Whether it reproduces targets.
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
        SUMMARY[conditional],
        "Architecture: `planner/lean_policy.py` and `planner/discriminator.py`; action space: `planner/actions.py`.",
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
