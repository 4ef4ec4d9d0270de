"""Actions and observations of SPIRAL's public paint environment, as Gymnasium's spaces.

After github.com/deepmind/spiral, spiral/environments/libmypaint.py, with the canvas of 64×64 pixels and the grid of
32×32 locations of the papers, in black on white or in colour without alpha.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from gymnasium import spaces
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from planner.actions import CANVAS_PX, COLOURS, COMPONENTS, JUMP, PAINT, RADII_PX, Actions
from sim.errors import InputError

NAMES: Final = ("control", "end", "flag", "pressure", "size", "red", "green", "blue")
"""Components of an action, in the order of the public code."""
USED_BY_JUMPS: Final = ("end", "flag")
PAINT_FLAG: Final = 1
"""The flag that paints, in the public code; 0 jumps."""


@dataclass(frozen=True)
class Specification:
    """What a set-up of the environment lets an agent choose and see.

    Raises:
        InputError: a value makes no sense.
    """

    episode_length: int = 20
    """Steps of an episode, of which the first is the start: 20 are 19 actions."""
    radii_px: tuple[float, ...] = RADII_PX
    """The brush's radii [px]; with one only, `size` is no component."""
    colour: bool = False
    """Whether strokes and canvases have colours; else all is black on white."""
    pressure: bool = True
    """Whether `pressure` is a component; else every stroke has pressure 1."""
    conditional: bool = False
    """Whether an observation holds a target."""
    noise: int = 0
    """Numbers of noise in an observation; the papers' unconditional agent takes 10."""

    def __post_init__(self) -> None:
        if self.episode_length < 2:
            raise InputError(f"episode_length: is {self.episode_length}; give 2, which is one action, or more")
        if not self.radii_px or not all(0 < radius <= CANVAS_PX for radius in self.radii_px):
            raise InputError(f"radii_px: are {self.radii_px}; give one or more in (0, {CANVAS_PX}]")
        if self.noise < 0:
            raise InputError(f"noise: is {self.noise}; give 0 or more")

    @property
    def picture(self) -> tuple[int, int, int]:
        """Shape of a canvas as it is observed."""
        return CANVAS_PX, CANVAS_PX, 3 if self.colour else 1

    @property
    def components(self) -> dict[str, int]:
        """Components of an action and their sizes, in the order of the public code."""
        sizes = {**COMPONENTS, **COLOURS, "size": len(self.radii_px)}
        fixed = {"pressure": not self.pressure, "size": len(self.radii_px) == 1}
        fixed |= dict.fromkeys(COLOURS, not self.colour)
        return {name: sizes[name] for name in NAMES if not fixed.get(name, False)}

    def action_space(self) -> spaces.Dict:
        """Return the space of one action."""
        return spaces.Dict(OrderedDict((name, spaces.Discrete(size)) for name, size in self.components.items()))

    def observation_space(self) -> spaces.Dict:
        """Return the space of one observation."""
        used = spaces.Dict(OrderedDict((name, spaces.Box(0, 1, (), np.float32)) for name in self.components))
        count = spaces.Box(0, np.iinfo(np.int32).max, (), np.int32)
        parts: list[tuple[str, spaces.Space[Any]]] = [
            ("canvas", spaces.Box(0, 1, self.picture, np.float32)),
            ("episode_step", count),
            ("episode_length", count),
            ("action_mask", used),
        ]
        if self.conditional:
            parts.append(("target", spaces.Box(0, 1, self.picture, np.float32)))
        if self.noise:
            parts.append(("noise_sample", spaces.Box(-np.inf, np.inf, (self.noise,), np.float32)))
        return spaces.Dict(OrderedDict(parts))

    def decode(self, action: Mapping[str, Any]) -> Actions:
        """Return actions (n, 5), or (n, 8) in colour, in the columns of `planner.actions`.

        Args:
            action: Whole numbers (n,) for each component.

        Raises:
            InputError: a component is missing, unknown or out of range.
        """
        components = self.components
        if set(action) != set(components):
            raise InputError(f"action: has the components {', '.join(action)}; give {', '.join(components)}")
        chosen = {name: np.asarray(indices) for name, indices in action.items()}
        for name, indices in chosen.items():
            if not np.issubdtype(indices.dtype, np.integer) or ((indices < 0) | (indices >= components[name])).any():
                raise InputError(f"action: {name} must be whole numbers from 0 to {components[name] - 1}")
        fixed = {"size": 0, "pressure": COMPONENTS["pressure"] - 1}
        columns = (*COMPONENTS, *COLOURS) if self.colour else tuple(COMPONENTS)
        actions = np.empty((len(chosen["flag"]), len(columns)), np.int64)
        for column, name in enumerate(columns):
            actions[:, column] = chosen[name] if name in chosen else fixed[name]
        actions[:, 0] = np.where(chosen["flag"] == PAINT_FLAG, PAINT, JUMP)
        return actions

    def mask(self, painted: NDArray[np.bool_]) -> dict[str, NDArray[np.float32]]:
        """Return for each component which actions used it (n,), from which of them painted (n,)."""
        return {
            name: np.ones(len(painted), np.float32) if name in USED_BY_JUMPS else painted.astype(np.float32)
            for name in self.components
        }


def batched(space: spaces.Space[Any], count: int) -> spaces.Space[Any]:
    """Return the space of `count` elements at a time; Gymnasium's own `batch_space` sorts a dictionary's names."""
    if isinstance(space, spaces.Dict):
        return spaces.Dict(OrderedDict((name, batched(part, count)) for name, part in space.items()))
    return batch_space(space, count)
