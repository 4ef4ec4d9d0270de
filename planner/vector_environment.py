"""SPIRAL's public paint environment for Gymnasium, many canvases at a time and one alone.

    import gymnasium
    envs = gymnasium.make_vec("planner.vector_environment:spiral_painter/Paint-v0", num_envs=64)
    env = gymnasium.make("planner.vector_environment:spiral_painter/Paint-v0", engine="mypaint", colour=True)

Two slips of the public code are not repeated: it begins the stroke after a jump to (x, y) at (y, y), and from the
second episode on its first observation counts the steps of the episode before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from numpy.typing import NDArray

from planner.actions import CANVAS_PX, RADII_PX, Pen, apply, put_away
from planner.specification import Specification, batched
from sim import mypaint
from sim.canvas import Image, paint_batch
from sim.errors import InputError
from sim.stroke import END, Array

ID: Final = "spiral_painter/Paint-v0"

Parts = dict[str, Any]
Flags = NDArray[np.bool_]


class Engine(Protocol):
    """What paints on a batch of canvases."""

    def restart(self, items: NDArray[np.int64], random: np.random.Generator) -> None:
        """Begin the episodes `items` anew, on white paper."""

    def paint(self, canvases: Image, strokes: Array, painted: Flags) -> None:
        """Paint a stroke (n, 12) on each canvas, in place, or jump to its end where nothing is painted."""


class Solid:
    """The solid engine, whose canvases are all that it remembers."""

    def restart(self, items: NDArray[np.int64], random: np.random.Generator) -> None:
        """Begin episodes."""

    def paint(self, canvases: Image, strokes: Array, painted: Flags) -> None:
        """Paint or jump."""
        paint_batch(canvases, put_away(strokes, painted)[:, None])


class MyPaint:
    """MyPaint's `classic/dry_brush`, the papers' engine; a sheet and a brush for each canvas."""

    def __init__(self, count: int) -> None:
        self.sheets = [mypaint.Sheet(CANVAS_PX, CANVAS_PX) for _ in range(count)]

    def restart(self, items: NDArray[np.int64], random: np.random.Generator) -> None:
        """Begin episodes, each with one of MyPaint's brushes."""
        for item, grain in zip(items, random.integers(0, mypaint.GRAINS, len(items)), strict=True):
            self.sheets[item].restart(int(grain))

    def paint(self, canvases: Image, strokes: Array, painted: Flags) -> None:
        """Paint or jump."""
        for canvas, sheet, row, paints in zip(canvases, self.sheets, strokes, painted, strict=True):
            if paints:
                sheet.paint(row)
                picture = sheet.image()
                canvas[:] = picture[..., 0] if canvas.ndim == 2 else picture
            else:
                sheet.jump(*row[END])


class PaintVectorEnv(VectorEnv[Parts, Mapping[str, NDArray[np.int64]], NDArray[Any]]):
    """A batch of canvases, each with an episode of its own.

    Actions: for each component of `Specification.components` whole numbers (n,). A location is row · 32 + column; flag
    1 paints, 0 jumps. A stroke is a quadratic Bézier from where the pen is, at the start the top left. Pressure ramps
    linearly from that of the stroke before, but not after a jump; size is the brush's radius.

    Observations: `canvas` (n, 64, 64, 1), in colour (n, 64, 64, 3), float32 in [0, 1]; `episode_step` and
    `episode_length` (n,) int32; `action_mask`, for each component which of the last actions used it, (n,) float32, at
    the start as after a jump. `episode_step` is 0 at the start, then 2, 3, ... up to `episode_length`, as in the public
    code. With targets there is `target` like `canvas`, with noise `noise_sample` (n, noise) float32, standard normal.
    Target and noise stay the same over an episode.

    After its last step an episode is terminated; the next step ignores its action and starts it anew.

    Rewards: by how much the step lowered the mean squared error to the target; 0 without targets, as in the public
    code. The papers' rewards are a discriminator's, which is the learner's.

    Infos: `total_strokes` and `total_disjoint` (n,), strokes painted and those of them that began after a jump or at
    the start, as in the public code.
    """

    metadata: dict[str, Any] = {  # noqa: RUF012 (Gymnasium's own name and type)
        "render_modes": ["rgb_array"],
        "render_fps": 4,
        "autoreset_mode": AutoresetMode.NEXT_STEP,
    }

    def __init__(
        self,
        num_envs: int = 1,
        *,
        episode_length: int = 20,
        radii_px: Sequence[float] = RADII_PX,
        colour: bool = False,
        pressure: bool = True,
        engine: str = "solid",
        targets: Image | None = None,
        noise: int = 0,
        render_mode: str | None = None,
    ) -> None:
        """Set the environments up.

        Args:
            num_envs: Canvases, n.
            episode_length: As in `Specification`, and so are the next three.
            radii_px: [px]
            colour: Whether there is colour.
            pressure: Whether it can be chosen.
            engine: `solid` or `mypaint`.
            targets: (m, 64, 64), in colour (m, 64, 64, 3), pictures in [0, 1]; each episode draws one of them.
            noise: Numbers of noise an episode.
            render_mode: None or `rgb_array`.

        Raises:
            InputError: a value makes no sense, or the engine is not installed.
        """
        self.specification = Specification(
            episode_length, tuple(radii_px), colour, pressure, targets is not None, noise
        )
        shape = self.specification.picture if colour else self.specification.picture[:2]
        if targets is not None:
            if targets.shape[1:] != shape or not len(targets):
                raise InputError(f"targets: have the shape {targets.shape}; give (m, {', '.join(map(str, shape))})")
            if not ((targets >= 0) & (targets <= 1)).all():
                raise InputError("targets: are not all in [0, 1]; give 0 for black to 1 for white paper")
        if engine not in ("solid", "mypaint"):
            raise InputError(f"engine: is {engine!r}; give solid or mypaint")
        self.num_envs, self.render_mode = num_envs, render_mode
        self.single_action_space = self.specification.action_space()
        self.single_observation_space = self.specification.observation_space()
        self.action_space = batched(self.single_action_space, num_envs)
        self.observation_space = batched(self.single_observation_space, num_envs)
        self._engine: Engine = Solid() if engine == "solid" else MyPaint(num_envs)
        self._targets = None if targets is None else np.asarray(targets, np.float32)
        self._canvases = np.ones((num_envs, *shape), np.float32)
        self._target = np.ones_like(self._canvases)
        self._noise = np.zeros((num_envs, noise), np.float32)
        self._pen = Pen.at_start(num_envs)
        self._step = np.zeros(num_envs, np.int32)
        self._painted = np.zeros(num_envs, np.bool_)
        self._strokes, self._disjoint = np.zeros(num_envs, np.int64), np.zeros(num_envs, np.int64)
        self._over = np.ones(num_envs, np.bool_)
        self._errors = self._measured()

    def reset(self, *, seed: int | None = None, options: Parts | None = None) -> tuple[Parts, Parts]:
        """Start all episodes anew. The seed decides targets, noise and MyPaint's random dabs; there are no options."""
        super().reset(seed=seed)
        self._restart(np.ones(self.num_envs, np.bool_))
        return self._observation(), self._infos()

    def step(self, actions: Mapping[str, NDArray[np.int64]]) -> tuple[Parts, NDArray[np.float64], Flags, Flags, Parts]:
        """Take a step in each episode, or start it anew where the last step ended it.

        Raises:
            InputError: a component of the action is missing, unknown or out of range.
        """
        over, errors = self._over, self._errors
        strokes, painted, pen = apply(self.specification.decode(actions), self._pen, self.specification.radii_px)
        self._painted = painted & ~over
        self._disjoint += self._painted & np.isnan(self._pen.pressure)
        self._strokes += self._painted
        self._pen = pen
        self._engine.paint(self._canvases, strokes, self._painted)
        # The first observation counts 0 and the second 2: the public code observes the start before it counts it.
        self._step = np.where(self._step == 0, 2, self._step + 1).astype(np.int32)
        self._over = self._step == self.specification.episode_length
        if over.any():
            self._restart(over)
        self._errors = self._measured()
        rewards = np.where(over, 0.0, errors - self._errors)
        return self._observation(), rewards, self._over.copy(), np.zeros(self.num_envs, np.bool_), self._infos()

    def render(self) -> tuple[Image, ...] | None:
        """Return the canvases, each (64, 64, 3) uint8, or None without the render mode `rgb_array`."""
        if self.render_mode != "rgb_array":
            return None
        pictures = np.rint(255 * self._seen(self._canvases)).astype(np.uint8)
        return tuple(np.broadcast_to(picture, (CANVAS_PX, CANVAS_PX, 3)).copy() for picture in pictures)

    def _restart(self, which: Flags) -> None:
        """Start episodes anew, the others untouched."""
        items = np.flatnonzero(which)
        self._engine.restart(items, self.np_random)
        if self._targets is not None:
            self._target[items] = self._targets[self.np_random.integers(0, len(self._targets), len(items))]
        self._noise[items] = self.np_random.standard_normal((len(items), self._noise.shape[1]))
        self._canvases[items] = 1.0
        self._pen.position[items], self._pen.pressure[items] = 0.0, np.nan
        self._step[items] = self._strokes[items] = self._disjoint[items] = 0
        self._painted[items] = self._over[items] = False
        self._errors = self._measured()

    def _measured(self) -> NDArray[np.float64]:
        """Return the mean squared errors (n,) to the targets, 0 without."""
        if self._targets is None:
            return np.zeros(self.num_envs)
        difference = (self._canvases - self._target).reshape(self.num_envs, -1)
        return np.einsum("ij,ij->i", difference, difference, dtype=np.float64) / difference.shape[1]

    def _seen(self, pictures: Image) -> Image:
        """Return pictures (n, 64, 64, 1 or 3)."""
        return pictures.reshape(self.num_envs, *self.specification.picture)

    def _observation(self) -> Parts:
        seen: Parts = {
            "canvas": self._seen(self._canvases).copy(),
            "episode_step": self._step.copy(),
            "episode_length": np.full(self.num_envs, self.specification.episode_length, np.int32),
            "action_mask": self.specification.mask(self._painted),
        }
        if self.specification.conditional:
            seen["target"] = self._seen(self._target).copy()
        if self.specification.noise:
            seen["noise_sample"] = self._noise.copy()
        return seen

    def _infos(self) -> Parts:
        present = np.ones(self.num_envs, np.bool_)
        infos = {"total_strokes": self._strokes.copy(), "total_disjoint": self._disjoint.copy()}
        return infos | {f"_{name}": present for name in infos}


class PaintEnv(gymnasium.Env[Parts, Mapping[str, np.int64]]):
    """One canvas: `PaintVectorEnv` without the first axis, started anew by `reset` alone."""

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 4}  # noqa: RUF012

    def __init__(self, **settings: Any) -> None:
        """Set the environment up, with the settings of `PaintVectorEnv` but `num_envs`."""
        self._batch = PaintVectorEnv(1, **settings)
        self.specification, self.render_mode = self._batch.specification, self._batch.render_mode
        self.action_space = self._batch.single_action_space
        self.observation_space = self._batch.single_observation_space

    def reset(self, *, seed: int | None = None, options: Parts | None = None) -> tuple[Parts, Parts]:
        """Start the episode anew."""
        super().reset(seed=seed)
        self._batch.np_random = self.np_random
        observation, infos = self._batch.reset()
        return _first(observation), _first(infos)

    def step(self, action: Mapping[str, np.int64]) -> tuple[Parts, float, bool, bool, Parts]:
        """Take a step.

        Raises:
            InputError: a component of the action is missing, unknown or out of range.
        """
        batch = {name: np.asarray([index]) for name, index in action.items()}
        observation, rewards, over, cut, infos = self._batch.step(batch)
        return _first(observation), float(rewards[0]), bool(over[0]), bool(cut[0]), _first(infos)

    def render(self) -> Image | None:
        """Return the canvas (64, 64, 3) uint8, or None without the render mode `rgb_array`."""
        pictures = self._batch.render()
        return None if pictures is None else pictures[0]


def _first(parts: Parts) -> Parts:
    """Return the first of a batch of dictionaries; names with an underscore say what a batch has, and are left out."""
    kept = {name: part for name, part in parts.items() if not name.startswith("_")}
    return {name: _first(part) if isinstance(part, dict) else np.asarray(part[0]) for name, part in kept.items()}


gymnasium.register(ID, f"{__name__}:PaintEnv", vector_entry_point=f"{__name__}:PaintVectorEnv")
