"""A classifier of digits, with which dreams are measured and nothing is trained."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import safetensors
import safetensors.torch
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

from sim import whole_file
from sim.errors import InputError

CLASSES: Final = 10
FEATURES: Final = 128
VERSION: Final = "1"
SHIPPED: Final = Path(__file__).parent / "weights" / "classifier" / "digit-classifier.safetensors"
BATCH: Final = 64
EPOCHS: Final = 10
RATE: Final = 3e-3
SHARPEST: Final = 4.0
"""Blurred ink times this is as hard-edged as a stroke of the solid engine."""


class DigitClassifier(nn.Module):
    """Three convolutions and a hidden layer on the canvas at half its size."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for channels, more in ((1, 16), (16, 32), (32, 64)):
            layers += [nn.Conv2d(channels, more, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
        self.body = nn.Sequential(*layers, nn.Flatten(), nn.Linear(64 * 4 * 4, FEATURES), nn.ReLU())
        self.head = nn.Linear(FEATURES, CLASSES)

    def features(self, canvas: Tensor) -> Tensor:
        """Return the last hidden layer (n, 128) for canvases (n, 64, 64) in [0, 1], 1 is white paper."""
        result: Tensor = self.body(functional.avg_pool2d(1 - canvas[:, None], 2))
        return result

    def forward(self, canvas: Tensor) -> Tensor:
        """Return logits (n, 10) for canvases (n, 64, 64)."""
        logits: Tensor = self.head(functional.dropout(self.features(canvas), 0.3, self.training))
        return logits


@dataclass(frozen=True)
class Reading:
    """What a classifier makes of n canvases."""

    probabilities: NDArray[np.float64]
    """(n, 10)"""
    features: NDArray[np.float64]
    """(n, 128)"""


@torch.no_grad()
def read(classifier: DigitClassifier, canvases: NDArray[np.float32] | NDArray[np.uint8]) -> Reading:
    """Return the reading of canvases (n, 64, 64): floats in [0, 1] or uint8."""
    probabilities, features = [], []
    classifier.eval()
    for first in range(0, len(canvases), 250):
        hidden = classifier.features(_as_floats(canvases[first : first + 250]))
        features.append(hidden)
        probabilities.append(functional.softmax(classifier.head(hidden), dim=1))
    return Reading(*(torch.cat(parts).double().numpy() for parts in (probabilities, features)))


def accuracy(classifier: DigitClassifier, canvases: NDArray[np.uint8], labels: NDArray[np.uint8]) -> float:
    """Return the share of canvases (n, 64, 64) whose likeliest digit is their label (n,)."""
    return float((read(classifier, canvases).probabilities.argmax(axis=1) == labels).mean())


def train(
    pictures: NDArray[np.uint8], labels: NDArray[np.uint8], seed: int = 0, epochs: float = EPOCHS
) -> DigitClassifier:
    """Return a classifier trained on pictures (n, 64, 64) with labels (n,)."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        classifier = DigitClassifier().train()
        optimiser = torch.optim.AdamW(classifier.parameters(), RATE, weight_decay=1e-2)
        steps = max(1, round(epochs * len(pictures) / BATCH))
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, steps)
        order = np.concatenate([torch.randperm(len(pictures)).numpy() for _ in range(int(np.ceil(epochs)) + 1)])
        for step in tqdm(range(steps), desc="classifier", unit="batch", disable=None):
            chosen = order[step * BATCH : (step + 1) * BATCH]
            logits = classifier(vary(_as_floats(pictures[chosen])))
            loss = functional.cross_entropy(logits, torch.from_numpy(labels[chosen].astype(np.int64)))
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
    return classifier.eval()


def vary(canvases: Tensor) -> Tensor:
    """Return canvases (n, 64, 64) moved, turned, scaled, and with thicker or thinner lines of softer or harder edges.

    MNIST's lines are blurred and a brush's are not: edges as hard as those must not be news to the classifier.
    """
    count = len(canvases)

    def between(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(count)

    angle, scale = between(-0.2, 0.2), between(0.88, 1.14)
    shear = between(-0.15, 0.15)
    rows = torch.stack(
        (
            torch.stack((angle.cos(), -angle.sin() + shear, between(-0.12, 0.12)), dim=1),
            torch.stack((angle.sin(), angle.cos(), between(-0.12, 0.12)), dim=1),
        ),
        dim=1,
    )
    rows[:, :, :2] *= scale[:, None, None]
    grid = functional.affine_grid(rows, [count, 1, 64, 64], align_corners=False)
    ink = functional.grid_sample(1 - canvases[:, None], grid, align_corners=False)[:, 0]
    hardness, threshold = between(1.0, SHARPEST)[:, None, None], between(0.25, 0.65)[:, None, None]
    hardened = ((ink - threshold) * hardness + threshold).clamp(0, 1)
    return 1 - torch.where(torch.rand(count)[:, None, None] < 0.3, ink, hardened)


def save(path: Path, classifier: DigitClassifier, about: dict[str, Any]) -> None:
    """Write a classifier, in half precision, and what is known about it.

    Raises:
        InputError: The file cannot be written.
    """
    tensors = {name: tensor.half().contiguous() for name, tensor in classifier.state_dict().items()}
    metadata = {"spiral_painter.classifier": VERSION, "about": json.dumps(about)}
    whole_file.write(path, safetensors.torch.save(tensors, metadata))


def load(path: Path) -> tuple[DigitClassifier, dict[str, Any]]:
    """Return a classifier and what is known about it: `accuracy`, on `items` of MNIST's test set.

    Raises:
        InputError: The file is no classifier of this version.
    """
    classifier = DigitClassifier()
    try:
        with safetensors.safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            if metadata.get("spiral_painter.classifier") != VERSION:
                raise InputError(f"{path}: is no digit classifier of version {VERSION}; name another file")
            classifier.load_state_dict({name: file.get_tensor(name).float() for name in file.keys()})  # noqa: SIM118
        about = json.loads(metadata["about"])
    except (OSError, ValueError, KeyError, safetensors.SafetensorError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path}: no readable classifier ({reason}); remove the file to train it anew") from error
    return classifier.eval(), about


def _as_floats(canvases: NDArray[np.float32] | NDArray[np.uint8]) -> Tensor:
    if canvases.dtype == np.uint8:
        return torch.from_numpy(canvases).float() / 255
    return torch.from_numpy(np.array(canvases, np.float32))
