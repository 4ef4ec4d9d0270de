"""Canvases that the learner steps and tries actions on; `vector_environment` is SPIRAL's public one for Gymnasium."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal

import numpy as np

from planner.actions import Actions, Pen, apply, put_away
from sim import mypaint
from sim.canvas import Image, paint_batch
from sim.stroke import Array

Engine = Callable[[Image, Array], None]
"""Paints strokes (n, k, 12) on canvases (n, 64, 64) or (n, 64, 64, 3), in place; what they become follows from both
alone, so that the learner paints again from actions what an actor painted."""
EngineName = Literal["solid", "mypaint"]
ENGINES: Final[dict[EngineName, Engine]] = {"solid": paint_batch, "mypaint": mypaint.paint_batch}
"""The engines by their names.

In the papers' environment, as in `vector_environment`, an episode has one MyPaint brush, which stays down from a stroke
to the next and draws its dabs at random. Here each stroke has a brush of its own whose dabs follow from the stroke, and
the canvas is kept in steps of 1/255: equal strokes have equal dabs, also in another episode. On random programs
the two differ no more than two episodes with other dabs do (tests/sim/test_mypaint.py).
"""


class Environment:
    """Canvases (n, 64, 64), or (n, 64, 64, 3) in colour, white unless given, with a pen each at the top left."""

    def __init__(self, targets: Image, canvases: Image | None = None, engine: Engine = paint_batch) -> None:
        self.targets = targets
        """(n, 64, 64) or (n, 64, 64, 3) pictures to reproduce, 1 is white paper."""
        self.canvases = np.ones(targets.shape, np.float32) if canvases is None else canvases.copy()
        """Likewise, what is painted so far."""
        self.pen = Pen.at_start(len(targets))
        """Where the pens are."""
        self.engine = engine
        """What paints."""

    def errors(self, excess: float = 1.0) -> np.ndarray:
        """Return the mean squared errors (n,) over the canvas and its colours; `excess` as in `planner.foresight`."""
        difference = (self.canvases - self.targets).reshape(len(self.targets), -1)
        if excess != 1:
            difference = difference * np.where(difference < 0, np.float32(excess**0.5), np.float32(1))
        errors: np.ndarray = np.einsum("ij,ij->i", difference, difference) / difference.shape[1]
        return errors

    def step(self, actions: Actions) -> None:
        """Paint or jump, as actions (n, 5), or (n, 8) in colour, say."""
        strokes, painted, self.pen = apply(actions, self.pen)
        self.engine(self.canvases, put_away(strokes, painted)[:, None])

    def tries(self, count: int) -> Environment:
        """Return an environment in which each canvas stands `count` times in a row, to try actions on."""
        branch = Environment.__new__(Environment)
        branch.targets = np.repeat(self.targets, count, axis=0)
        branch.canvases = np.repeat(self.canvases, count, axis=0)
        branch.pen = self.pen.repeated(count)
        branch.engine = self.engine
        return branch

    def take(self, tried: Environment, index: np.ndarray) -> None:
        """Go on from what was tried: canvas i becomes canvas `index[i]` of `tried`."""
        self.canvases = tried.canvases[index]
        self.pen = tried.pen.chosen(index)
