"""Canvases that the learner steps and tries actions on; `vector_environment` is SPIRAL's public one for Gymnasium."""

from __future__ import annotations

import numpy as np

from planner.actions import Actions, Pen, apply, put_away
from sim.canvas import Image, paint_batch


class Environment:
    """Canvases (n, 64, 64), or (n, 64, 64, 3) in colour, white unless given, with a pen each at the top left."""

    def __init__(self, targets: Image, canvases: Image | None = None) -> None:
        self.targets = targets
        """(n, 64, 64) or (n, 64, 64, 3) pictures to reproduce, 1 is white paper."""
        self.canvases = np.ones(targets.shape, np.float32) if canvases is None else canvases.copy()
        """Likewise, what is painted so far."""
        self.pen = Pen.at_start(len(targets))
        """Where the pens are."""

    def errors(self) -> np.ndarray:
        """Return the mean squared errors (n,) over the canvas and its colours."""
        difference = (self.canvases - self.targets).reshape(len(self.targets), -1)
        errors: np.ndarray = np.einsum("ij,ij->i", difference, difference) / difference.shape[1]
        return errors

    def step(self, actions: Actions) -> None:
        """Paint or jump, as actions (n, 5), or (n, 8) in colour, say."""
        strokes, painted, self.pen = apply(actions, self.pen)
        paint_batch(self.canvases, put_away(strokes, painted)[:, None])

    def tries(self, count: int) -> Environment:
        """Return an environment in which each canvas stands `count` times in a row, to try actions on."""
        branch = Environment.__new__(Environment)
        branch.targets = np.repeat(self.targets, count, axis=0)
        branch.canvases = np.repeat(self.canvases, count, axis=0)
        branch.pen = self.pen.repeated(count)
        return branch

    def take(self, tried: Environment, index: np.ndarray) -> None:
        """Go on from what was tried: canvas i becomes canvas `index[i]` of `tried`."""
        self.canvases = tried.canvases[index]
        self.pen = tried.pen.chosen(index)
