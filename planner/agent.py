"""The trained agent at work: it proposes, the canvas tries, the best is kept and improved jointly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import torch

from planner import checkpoint, search
from planner.actions import WidthLimits
from planner.curves import to_curves, to_strokes
from planner.environment import Environment
from planner.episode import Luck, rollout
from planner.program import Provenance, StrokeProgram
from planner.search import Tuning
from planner.target import digest
from sim.canvas import Image, blank, paint
from sim.errors import InputError
from sim.stroke import Array

if TYPE_CHECKING:
    from planner.discriminator import Discriminator
    from planner.policy import Policy

RENDERS: Final = 20_000
"""Canvas renders a plan, by default."""
AT_A_LOOK: Final = 3000
"""Canvas renders each way to go on that is proposed between two looks, by default."""
MOST_SAMPLES: Final = 8
"""Strokes that are tried at each canvas, at most."""
TEMPERATURE: Final = 1.0
"""Of the policy's proposals."""
BATCH: Final = 128
"""Rollouts that are advanced together, at most."""
DREAMING: Final = (0.8, 0.3)
"""Of the first stroke of a dream, and of those after it: what is painted is chosen freely, and then done with care."""
PLACING: Final = 0.45
"""Share of the renders that is spent on placing strokes one by one, before they are improved jointly."""
SAMPLING: Final = 0.5
"""Share of the renders for a stroke that goes into the policy's proposals, as far as there are enough of them."""
MOST_PLACED: Final = 300
"""Renders for placing a stroke, at most."""
# Tuned on MNIST's last 5000 training images, and on training pictures of the other sets, as are the numbers above.
BRIEF: Final = Tuning(coarse_px=3.0, fine_px=0.5, newton=0.9, replace=0.1)
THOROUGH: Final = Tuning(coarse_px=4.0, fine_px=0.7, newton=0.45, replace=0.1)
BRIEF_RENDERS: Final = 220
"""With fewer renders a stroke than this the improvement is brief."""
USELESS: Final = 1e-6
"""A stroke that lowers the mean squared error by less is left out."""


@dataclass(frozen=True)
class Verdict:
    """What the agent thinks of a canvas."""

    error: float
    """Mean squared error over the 64×64 pixels; NaN without a target."""
    score: float
    """The discriminator's probability that the canvas is the target itself, or without a target that it is one of the
    pictures learned from; NaN without a discriminator."""


@dataclass(frozen=True)
class Proposal:
    """A way to go on."""

    strokes: Array
    """(n, 12) in painting order."""
    predicted: Image
    """(64, 64) the canvas after them."""
    verdict: Verdict
    """On the predicted canvas."""


class Agent:
    """A policy with its discriminator, or none: pure search."""

    def __init__(self, name: str, policy: Policy | None, discriminator: Discriminator | None) -> None:
        self.name = name
        """The model's name."""
        self.policy = policy
        """None for pure search."""
        self.discriminator = discriminator
        """None for pure search."""

    @classmethod
    def load(cls, model: str) -> Agent:
        """Return the agent of a shipped name or a file; `none` is pure search.

        Raises:
            InputError: There is no such model, its file cannot be read, or it paints in colour.
        """
        if model == "none":
            return cls(model, None, None)
        path = checkpoint.find(model)
        policy, discriminator, _ = checkpoint.load(path)
        if policy.kind.colour:
            raise InputError(f"{path}: paints in colour, search and arm know black only; name another model")
        return cls(path.stem, policy, discriminator)

    @property
    def unconditional(self) -> bool:
        """Whether it paints what it wants, and takes no target."""
        return self.policy is not None and not self.policy.kind.conditional

    @torch.no_grad()
    def judge(self, canvas: Image, target: Image | None) -> Verdict:
        """Return the verdict on a canvas (64, 64) against its target (64, 64); an unconditional agent has none."""
        error = float("nan") if target is None else float(np.mean(np.square(canvas - target)))
        if self.discriminator is None:
            return Verdict(error, float("nan"))
        shown = [None if image is None else torch.from_numpy(np.array(image))[None] for image in (canvas, target)]
        return Verdict(error, float(torch.sigmoid(self.discriminator(*shown))[0]))

    def greedy(self, target: Image, strokes: int, limits: WidthLimits) -> Array:
        """Return the strokes (n, 12) of the policy alone: one greedy rollout, nothing tried."""
        return self.greedy_batch(target[None], strokes, limits)[0]

    def greedy_batch(self, targets: Image, strokes: int, limits: WidthLimits) -> Array:
        """Return the programs (n, strokes, 12) of the policy alone for targets (n, 64, 64)."""
        assert self.policy is not None, "pure search has no policy"
        found = []
        for first in range(0, len(targets), BATCH):
            some = targets[first : first + BATCH]
            found.append(rollout(self.policy, some, np.repeat(blank(64)[None], len(some), axis=0), strokes, limits))
        return np.concatenate(found)

    def search(
        self,
        target: Image,
        canvas: Image,
        strokes: int,
        seed: int,
        limits: WidthLimits,
        renders: int = RENDERS,
        continuations: int = 1,
    ) -> list[Array]:
        """Return programs (n, 12), each found with a budget of canvas renders.

        A policy step counts as one render, as does each stroke that is tried; 3 renders a stroke are spent at least.
        Composing the canvas again from strokes that are kept is not counted. Strokes that turn out to be of no use are
        left out.

        Args:
            target: (64, 64).
            canvas: (64, 64) what is painted so far.
            strokes: How many at most.
            seed: Of everything random.
            limits: Widths that the brush can paint.
            renders: The budget of each program.
            continuations: How many programs, each from other random numbers.
        """
        rng = np.random.default_rng(seed)
        each = max(3, min(MOST_PLACED, round(PLACING * renders / strokes)))
        if self.policy is None:
            begun = [search.place(canvas, target, strokes, each, rng, limits) for _ in range(continuations)]
        else:
            # At most two policy steps a stroke, a jump's and its own.
            samples = max(1, min(MOST_SAMPLES, round(SAMPLING * each) - 2))
            trials = each - 2 - samples

            def settle(world: Environment, strokes: Array, left: int) -> Array:
                given = zip(world.canvases, world.targets, to_curves(strokes), strict=True)
                return to_strokes(np.stack([search.settle(*one, trials, rng, limits, left) for one in given]))

            targets, canvases = (np.repeat(image[None], continuations, axis=0) for image in (target, canvas))
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                found = rollout(
                    self.policy,
                    targets,
                    canvases,
                    strokes,
                    limits,
                    samples,
                    (TEMPERATURE, TEMPERATURE),
                    settle=settle if trials > 1 else None,
                )
            begun = [to_curves(program) for program in found]
        left = renders - each * strokes
        tuning = BRIEF if left < BRIEF_RENDERS * strokes else THOROUGH
        better = [search.improve(canvas, target, curves, max(0, left), rng, limits, tuning) for curves in begun]
        return [useful(to_strokes(curves), canvas, target) for curves in better]

    def propose(
        self,
        target: Image,
        canvas: Image,
        strokes: int,
        seed: int,
        limits: WidthLimits,
        continuations: int = 4,
        renders: int = AT_A_LOOK,
    ) -> list[Proposal]:
        """Return several ways to go on from a canvas (64, 64), each of at most `strokes` strokes."""
        found = self.search(target, canvas, strokes, seed, limits, renders, continuations)
        return [self.proposal(target, canvas, one) for one in found]

    def proposal(self, target: Image | None, canvas: Image, strokes: Array) -> Proposal:
        """Return strokes (n, 12) with the canvas that they would leave and the verdict on it, as `judge` gives it."""
        predicted = canvas.copy()
        paint(predicted, strokes)
        return Proposal(strokes, predicted, self.judge(predicted, target))

    def paint(
        self,
        target: Image,
        strokes: int,
        seed: int = 0,
        limits: WidthLimits | None = None,
        renders: int = RENDERS,
    ) -> StrokeProgram:
        """Return a program that paints a target (64, 64), open loop."""
        (found,) = self.search(target, blank(64), strokes, seed, limits or WidthLimits(), renders)
        return self.program(found, target, seed)

    def dreams(
        self,
        seeds: Sequence[int],
        strokes: int,
        limits: WidthLimits | None = None,
        temperatures: tuple[float, float] = DREAMING,
    ) -> Array:
        """Return what an unconditional agent paints by itself, a program (n, strokes, 12) for each seed (n,)."""
        assert self.policy is not None, "pure search wants nothing"
        assert self.unconditional, "a conditional policy paints targets"
        found = []
        for first in range(0, len(seeds), BATCH):
            luck = Luck.of(seeds[first : first + BATCH], self.policy, strokes)
            paper = np.repeat(blank(64)[None], len(luck.noise), axis=0)
            found.append(rollout(self.policy, None, paper, strokes, limits or WidthLimits(), 1, temperatures, luck))
        return np.concatenate(found)

    def dream(
        self,
        seed: int,
        strokes: int,
        limits: WidthLimits | None = None,
        temperatures: tuple[float, float] = DREAMING,
    ) -> StrokeProgram:
        """Return what an unconditional agent paints by itself: the seed alone decides."""
        return self.program(self.dreams([seed], strokes, limits, temperatures)[0], None, seed)

    def program(self, strokes: Array, target: Image | None, seed: int) -> StrokeProgram:
        """Return strokes (n, 12), for a target (64, 64) or of a dream, with this agent as their provenance."""
        return StrokeProgram(strokes, 1.0, Provenance(self.name, seed, "" if target is None else digest(target)))


def useful(strokes: Array, canvas: Image, target: Image) -> Array:
    """Return the strokes without those whose absence does not raise the error; at least one stays."""
    kept, error = strokes, _error(strokes, canvas, target)
    for index in range(len(strokes) - 1, -1, -1):
        fewer = np.delete(kept, index, axis=0)
        if len(fewer) and (without := _error(fewer, canvas, target)) <= error + USELESS:
            kept, error = fewer, without
    return kept


def _error(strokes: Array, canvas: Image, target: Image) -> float:
    painted = canvas.copy()
    paint(painted, strokes)
    return float(np.mean(np.square(painted - target)))
