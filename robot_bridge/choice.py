"""What to paint next: the agent proposes, the judge chooses, and the best is improved further."""

from __future__ import annotations

from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from calibration.calibration import Calibration
from planner import search
from planner.actions import CANVAS_PX, WidthLimits
from planner.agent import AT_A_LOOK, Agent, Proposal, Verdict, useful
from planner.curves import to_curves, to_strokes
from planner.search import Tuning
from sim.canvas import blank
from sim.stroke import COLUMNS

Array = NDArray[np.float64]
Grey = NDArray[np.float32]
Judge = Literal["error", "discriminator", "both"]

CONTINUATIONS: Final = 2
"""Ways to go on that are compared at each look; one of them is the rest of the last plan, where there is one."""
AHEAD: Final = Tuning(coarse_px=1.5, fine_px=0.35, newton=0.5, replace=0.0)
"""How strokes that are good already are improved."""
SURE_TOUCH: Final = 1.1
"""The narrowest planned width over the narrowest that the brush paints."""
WORTHWHILE: Final = 0.003
"""A plan is worth painting if it promises to lower what a judge counts by this share of blank paper's."""


def paintable(calibration: Calibration) -> WidthLimits:
    """Return the widths that the brush paints on the paper, as fractions of its longer side.

    At its narrowest the brush would only just touch: the smallest deviation then lifts it and leaves dashes. The limits
    stay a little above that.
    """
    brush, side = calibration.brush, calibration.longer_side_m
    return WidthLimits(SURE_TOUCH * brush.min_width_m / side, brush.max_width_m / side)


def chooser(agent: Agent, target: Grey | None, limits: WidthLimits, judge: Judge) -> Choice | Dream:
    """Return what chooses the strokes to come: for a target (64, 64), or without one as the agent wants."""
    return Dream(agent, limits) if target is None else Choice(agent, target, limits, judge)


class Dream:
    """Gives the strokes to come of what an unconditional agent wants: one way, from the first stroke to the last."""

    def __init__(self, agent: Agent, limits: WidthLimits) -> None:
        """Make ready.

        Args:
            agent: Dreams and judges.
            limits: Widths that the brush can paint.
        """
        self._agent, self._limits = agent, limits

    def verdict(self, canvas: Grey) -> Verdict:
        """Return the agent's verdict on a canvas (64, 64)."""
        return self._agent.judge(canvas, None)

    def proposals(self, canvas: Grey, strokes: int, ahead: Array, seed: int) -> list[Proposal]:
        """Return the rest of the dream, given what is ahead (n, 12), or from the start one of so many strokes."""
        if not len(ahead):
            ahead = self._agent.dream(seed, strokes, self._limits).strokes
        return [self._agent.proposal(None, canvas, ahead)]

    def first(self, strokes: int, seed: int) -> Proposal:
        """Return the whole dream."""
        return self.proposals(blank(CANVAS_PX), strokes, np.zeros((0, len(COLUMNS))), seed)[0]

    def worthwhile(self, proposal: Proposal, canvas: Grey) -> bool:
        """Return True: half a dream is none."""
        return True


class Choice:
    """Chooses the strokes to come, for one target."""

    def __init__(self, agent: Agent, target: Grey, limits: WidthLimits, judge: Judge) -> None:
        """Make ready.

        Args:
            agent: Proposes and judges.
            target: (64, 64) what to paint.
            limits: Widths that the brush can paint.
            judge: What counts; without a discriminator the squared error alone.
        """
        self._agent, self._target, self._limits, self._judge = agent, target, limits, judge
        self._blank = agent.judge(blank(CANVAS_PX), target)
        self._perfect = agent.judge(target, target)

    def verdict(self, canvas: Grey) -> Verdict:
        """Return the agent's verdict on a canvas (64, 64)."""
        return self._agent.judge(canvas, self._target)

    def proposals(self, canvas: Grey, strokes: int, ahead: Array, seed: int) -> list[Proposal]:
        """Return ways to go on from a canvas, the best first.

        Args:
            canvas: (64, 64) as it was seen.
            strokes: How many at most.
            ahead: (n, 12) the rest of the last plan, which is one of the ways.
            seed: Of everything random.
        """
        count = CONTINUATIONS - (1 if len(ahead) else 0)
        proposals = self._agent.propose(self._target, canvas, strokes, seed, self._limits, count)
        if len(ahead):
            proposals.append(self._improved(ahead, canvas, seed, AT_A_LOOK))
        proposals.sort(key=self._cost)
        # Improving one further is cheaper than proposing more, and pays more.
        better = self._improved(proposals[0].strokes, canvas, seed, 2 * AT_A_LOOK)
        if self._cost(better) < self._cost(proposals[0]):
            proposals[0] = better
        return proposals

    def first(self, strokes: int, seed: int) -> Proposal:
        """Return the plan with which a painting of at most so many strokes begins."""
        return self.proposals(blank(CANVAS_PX), strokes, np.zeros((0, len(COLUMNS))), seed)[0]

    def worthwhile(self, proposal: Proposal, canvas: Grey) -> bool:
        """Return whether any judge expects a gain: of two, both must be content before a painting ends."""
        gains = np.array(self._costs(self.verdict(canvas))) - self._costs(proposal.verdict)
        return bool(gains.max() > WORTHWHILE)

    def _improved(self, strokes: Array, canvas: Grey, seed: int, renders: int) -> Proposal:
        """Return strokes (n, 12) improved jointly, those of no use left out."""
        curves, rng = to_curves(strokes), np.random.default_rng(seed)
        curves = search.improve(canvas, self._target, curves, renders, rng, self._limits, AHEAD)
        better = useful(to_strokes(curves), canvas, self._target)
        return self._agent.proposal(self._target, canvas, better)

    def _cost(self, proposal: Proposal) -> float:
        return sum(self._costs(proposal.verdict))

    def _costs(self, verdict: Verdict) -> list[float]:
        """Return what each judge counts: about 1 for blank paper, less for better canvases."""
        costs = []
        if self._agent.discriminator is None or self._judge != "discriminator":
            costs.append(verdict.error / self._blank.error)
        if self._agent.discriminator is not None and self._judge != "error":
            # Better than the target itself is no better; and a score that means nothing divides by nothing.
            costs.append(1 - min(1.0, verdict.score / max(self._perfect.score, 1e-3)))
        return costs
