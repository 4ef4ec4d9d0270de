"""What an actor does: it paints batches of episodes with the policy it was given and writes down every action."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from planner.actions import ANY_WIDTH, END_CELL, Pen, location
from planner.collection import Source, shades
from planner.colour_teacher import coloured_actions, teach_colour
from planner.environment import ENGINES, EngineName, Environment
from planner.foresight import excess
from planner.gains import Losses, losses
from planner.policy import NOISE, Memory, Policy
from planner.rollout import Choice, Stroke, decode_stroke, no_action, remembered, try_strokes
from planner.teacher import Choices, actions_of, choices_of, teach
from sim.canvas import Image

STROKES: Final = {"mnist": 8, "omniglot": 12, "quickdraw": 20, "kanji": 20, "celeba": 20, "faces": 20}
"""Strokes an episode by data set, unless one number is given for all."""
OTHERS_STROKES: Final = 12


@dataclass(frozen=True)
class Acting:
    """Settings of an actor."""

    batch: int = 16
    """Episodes side by side, B."""
    samples: int = 1
    """Strokes tried at each canvas, K; the first is the one the episode goes on from. SPIRAL has 1."""
    strokes: int | None = None
    """Strokes an episode; None for the data set's own number."""
    unroll: int = 10
    """Strokes a trajectory at most, T; a longer episode is cut, and the critic says what the rest is worth."""
    begun_share: float = 0.0
    """Share of the episodes that begin on canvases partly painted, as the closed loop does after each look."""
    mnist_share: float | None = None
    """Share of the episodes that are MNIST where other sets are there too; None for equal shares."""
    engine: EngineName = "solid"
    """What paints; the learner paints again with the same."""


@dataclass(frozen=True)
class Schooling:
    """Who teaches in an update, and how."""

    trials: int = 0
    """The teacher's tries a canvas; 0 for no teacher."""
    follow: float = 0.0
    """Share of the episodes that go on from the teacher's stroke."""
    exact: bool = False
    """Whether what every other choice would have earned is written down, and one stroke a canvas is chosen, the
    likeliest. Beside strokes drawn at random the policy would learn to be careful: its strokes get short."""


@dataclass
class Standing:
    """Where a batch of B episodes stands."""

    targets: NDArray[np.uint8]
    """(B, 64, 64), or (B, 64, 64, 3) in colour; an unconditional policy never sees them."""
    canvases: Image
    """Likewise, what is painted so far."""
    pen: Pen
    memory: Memory
    """The LSTM's state."""
    before: Tensor
    """(B, C) the action before."""
    left: int
    """Strokes still to paint."""

    @classmethod
    def fresh(
        cls, policy: Policy, targets: NDArray[np.uint8], canvases: Image, strokes: int, rng: np.random.Generator
    ) -> Standing:
        """Return episodes of so many strokes at their beginning, with noise of their own."""
        batch = len(targets)
        noise = torch.as_tensor(rng.standard_normal((batch, NOISE)).astype(np.float32), device=policy.device)
        memory = policy.initial_memory(batch, noise)
        return cls(
            targets,
            canvases,
            Pen.at_start(batch),
            memory,
            no_action(batch, policy.device, len(policy.components)),
            strokes,
        )

    @property
    def wanted(self) -> Image:
        """The targets (B, 64, 64) in [0, 1]."""
        return shades(self.targets)

    def state(self) -> dict[str, Any]:
        """Return all of it as what a checkpoint can hold."""
        arrays = (self.targets, self.canvases, self.pen.position, self.pen.pressure)
        return {
            "arrays": list(map(torch.from_numpy, arrays)),
            "tensors": [*self.memory, self.before],
            "left": self.left,
        }

    @classmethod
    def restored(cls, state: dict[str, Any]) -> Standing:
        """Return what `state` was taken from."""
        targets, canvases, position, pressure = (tensor.numpy() for tensor in state["arrays"])
        *memory, before = state["tensors"]
        return cls(targets, canvases, Pen(position, pressure), Memory(*memory), before, state["left"])


@dataclass
class Trajectory:
    """T strokes in B episodes. The engines are deterministic: where it began and the actions say it all."""

    start: Standing
    drawn: Choice
    """(T, B, K) strokes that the policy drew, of which the first was followed."""
    log_probability: NDArray[np.float32]
    """(T, B, K) in the actor's policy, jump and painting action together."""
    lesson: Choice | None = None
    """(T, B) strokes that it should have drawn."""
    followed: NDArray[np.bool_] | None = None
    """(T, B) whether the episode went on from the lesson instead; None where it always did."""
    version: int = 0
    """How many updates the actor's policy had seen."""
    losses: Losses | None = None
    """(T, B) what every choice would have lost, if asked for."""

    @property
    def last(self) -> bool:
        """Whether the episodes ended with it."""
        return self.start.left == len(self.log_probability)

    def drawn_at(self, step: int) -> Choice:
        """Return the strokes (B·K,) that were drawn at a step."""
        return self.drawn.map(lambda part: part[step].reshape(-1, *part.shape[3:]))

    def lesson_at(self, step: int) -> Choice | None:
        """Return the strokes (B,) that should have been drawn at a step."""
        return self.lesson and self.lesson.map(lambda part: part[step])

    def went(self, step: int) -> Choice:
        """Return the strokes (B,) that the episodes went on from at a step."""
        lesson = self.lesson_at(step)
        if lesson is None:
            return self.drawn.map(lambda part: part[step, :, 0])
        if self.followed is None:
            return lesson
        return lesson.where(self.followed[step], self.drawn.map(lambda part: part[step, :, 0]))


class Actor:
    """A policy in the paint environment."""

    def __init__(self, policy: Policy, sets: dict[str, Source], settings: Acting, seed: int) -> None:
        """Begin with fresh episodes; random numbers follow the seed, and torch's own where actions are sampled."""
        self.policy = policy
        self.sets = sets
        self.settings = settings
        self.rng = np.random.default_rng(seed)
        self.standing: Standing | None = None
        self.painted: tuple[NDArray[np.uint8], Image] | None = None
        """Targets and canvases (B, 64, 64) of the batch before, somewhere along its way."""

    def state(self) -> dict[str, Any]:
        """Return where it stands, for a checkpoint."""
        painted = self.painted and [torch.from_numpy(pictures) for pictures in self.painted]
        standing = self.standing and self.standing.state()
        return {"rng": self.rng.bit_generator.state, "painted": painted, "standing": standing}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what `state` returned."""
        self.rng.bit_generator.state = state["rng"]
        self.standing = state["standing"] and Standing.restored(state["standing"])
        self.painted = state["painted"] and (state["painted"][0].numpy(), state["painted"][1].numpy())

    def begin(self) -> Standing:
        """Return fresh episodes of one data set."""
        settings, names = self.settings, list(self.sets)
        shares = np.ones(len(names))
        if settings.mnist_share is not None and "mnist" in self.sets and len(names) > 1:
            shares[:] = (1 - settings.mnist_share) / (len(names) - 1)
            shares[names.index("mnist")] = settings.mnist_share
        name = names[self.rng.choice(len(names), p=shares / shares.sum())]
        pictures = self.sets[name]
        targets = pictures[np.sort(self.rng.integers(0, len(pictures), settings.batch))]
        canvases = np.ones(targets.shape, np.float32)
        if self.painted is not None and self.rng.random() < settings.begun_share:
            targets, canvases = self.painted
        strokes = settings.strokes or STROKES.get(name, OTHERS_STROKES)
        return Standing.fresh(self.policy, targets, canvases, strokes, self.rng)

    @torch.no_grad()
    def act(self, schooling: Schooling = Schooling(), version: int = 0) -> Trajectory:
        """Paint on, or anew where the episodes are done, and return what was done."""
        start = self.standing or self.begin()
        targets = start.wanted
        device = self.policy.device
        shown = torch.as_tensor(targets, device=device) if self.policy.kind.conditional else None
        world = Environment(targets, start.canvases, ENGINES[self.settings.engine])
        world.pen, memory, before = start.pen, start.memory.on(device), start.before.to(device)
        batch, samples = len(targets), 1 if schooling.exact else self.settings.samples
        drawn: list[Stroke] = []
        lessons: list[Choice] = []
        lost: list[Losses] = []
        follows: list[NDArray[np.bool_]] = []
        steps = min(self.settings.unroll, start.left)
        kept, painted = self.rng.integers(1, steps + 1, batch), np.empty_like(targets)
        first = np.arange(batch) * samples
        for step in range(steps):
            view = self.policy.look(torch.as_tensor(world.canvases, device=device), shown)
            left = torch.full((batch,), start.left - step, device=device)
            advanced = self.policy.remember(view, before, left, memory)
            count, pen = batch * samples, world.pen
            stroke = decode_stroke(self.policy, view, left, advanced, pen, ANY_WIDTH, count, schooling.exact)
            drawn.append(stroke)
            went, memory = stroke.choice.at(first), stroke.memory.chosen(torch.as_tensor(first, device=device))
            if schooling.exact:
                lost.append(losses(world, self.begun(world, stroke, 1)[:, 0], start.left - step))
            if schooling.trials:
                lesson = self.lesson(world, stroke, schooling.trials, start.left - step)
                follow = self.rng.random(batch) < schooling.follow
                lessons.append(lesson)
                follows.append(follow)
                went = lesson.where(follow, went)
                memory = remembered(self.policy, view, left, advanced, went)
            world.take(try_strokes(world, went, 1)[0], np.arange(batch))
            before = torch.as_tensor(went.paint, device=device)
            painted[kept == step + 1] = world.canvases[kept == step + 1]
        self.painted = start.targets, painted
        left_over = start.left - steps
        self.standing = (
            Standing(start.targets, world.canvases, world.pen, memory, before, left_over) if left_over else None
        )
        every = stacked([stroke.choice for stroke in drawn])
        return Trajectory(
            start,
            every.map(lambda part: part.reshape(steps, batch, samples, *part.shape[2:])),
            np.stack([stroke.log_probability.cpu().numpy().reshape(batch, samples) for stroke in drawn]),
            stacked(lessons) if lessons else None,
            np.stack(follows) if follows else None,
            version,
            Losses(*(np.stack(parts) for parts in zip(*lost, strict=True))) if lost else None,
        )

    def begun(self, world: Environment, stroke: Stroke, samples: int) -> Choices:
        """Return the strokes that the policy drew (B·K) as the teacher has them, (B, K, 9)."""
        pens = world.pen.repeated(samples).position
        start = np.where(stroke.jumped[:, None], location(stroke.jump[:, END_CELL]), pens)
        return choices_of(stroke.jumped, start, stroke.paint).reshape(len(world.targets), samples, 9)

    def lesson(self, world: Environment, stroke: Stroke, trials: int, left: int) -> Choice:
        """Return the strokes (B,) that the teacher finds, beginning with those that the policy drew (B·K).

        Args:
            world: The canvases.
            stroke: What was drawn.
            trials: The teacher's tries a canvas.
            left: Strokes still to paint.
        """
        given = (
            world.canvases,
            world.targets,
            world.pen,
            self.begun(world, stroke, self.settings.samples),
            trials,
            self.rng,
            ANY_WIDTH,
        )
        if self.policy.kind.colour:
            found = teach_colour(*given)
            return Choice(*coloured_actions(found.choices, found.levels))
        choices, _ = teach(*given, excess(left))
        return Choice(*actions_of(choices))


def stacked(choices: list[Choice]) -> Choice:
    """Return T choices (n,) as one (T, n)."""
    jumped, jump, paint = (np.stack(parts) for parts in zip(*choices, strict=True))
    return Choice(jumped, jump, paint)
