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


def model_card(name: str, about: dict[str, Any]) -> str:
    """Return the card as Markdown.

    Args:
        name: The model's name.
        about: As `planner.train` stores it with the weights: `data` (pictures by data set), `history` (settings by the
            update from which they held), `updates`, `minutes`, `seed`, `validation` (mean squared errors).
    """
    lines = [
        f"# {name}",
        "",
        "A SPIRAL agent that reproduces line art: policy and discriminator, conditional on a 64×64 grey target.",
        "Architecture: `planner/policy.py` and `planner/discriminator.py`; action space: `planner/actions.py`.",
        "",
        "## Data",
        "",
        *(f"- {count} pictures: {TERMS.get(data, data)}" for data, count in about["data"].items()),
        "",
        "Only weights learned from them are here, no picture.",
        "",
        "## Training",
        "",
        f"{about['updates']} updates in {about['minutes']} minutes on one CPU core, seed {about['seed']}.",
        "Settings, by the update from which they held (others as in `spiral-train --help`):",
        "",
        *(f"- {entry['update']}: `spiral-train {entry['words']}`" for entry in about["history"]),
        "",
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
    return "\n".join(lines)
