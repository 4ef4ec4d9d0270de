"""Foresight: a stroke covers for good, while ink that is missing may still come.

So as long as strokes are left, ink where the target has none weighs more than ink that is missing. Placed one by one
for the plain squared error, the first strokes are wide ones across several lines, which no later stroke can mend.
"""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True)
def excess(left):  # type: ignore[no-untyped-def]
    """Return how much more an error weighs where the canvas is darker than the target, with `left` strokes to paint.

    1 for the last one, and a third more for each before it: tuned on placing alone, on training pictures, among
    constant weights and such as fall along the program.
    """
    return np.float32((left + 2.0) / 3.0)


def untried_excess(left: int) -> np.float32:
    """Return `excess` for strokes that a policy paints without having tried them: its square root.

    With the whole of it the policy learns to be careful, and its strokes get short.
    """
    return np.float32(np.sqrt(excess(left)))


@njit(cache=True, fastmath=True)
def squared(difference, excess):  # type: ignore[no-untyped-def]
    """Return the squared error of a canvas that is lighter than its target by `difference`."""
    return difference * difference * (excess if difference < 0 else np.float32(1))
