"""What no model can do better than: the entropy of the next bracket, exactly, by recursion over the depth."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray


def depth_distribution(depth: int, brackets: int, open_probability: float) -> NDArray[np.float64]:
    """P(depth before bracket t) of prefixes, [bracket, depth]: an empty stack opens, a full one closes."""
    found = np.zeros((brackets, depth + 1))
    now = np.zeros(depth + 1)
    now[0] = 1.0
    opens = np.full(depth + 1, open_probability)
    opens[0], opens[depth] = 1.0, 0.0
    for place in range(brackets):
        found[place] = now
        after = np.zeros(depth + 1)
        after[1:] += (now * opens)[:-1]
        after[:-1] += (now * (1.0 - opens))[1:]
        now = after
    return found


def entropy_floor(types: int, *, depth: int, brackets: int, open_probability: float = 0.5) -> float:
    """Mean entropy of the next bracket in nats.

    Between the bounds H(p) + p ln k: whether it opens, and then which type. At depth 0 ln k, at the bound 0.
    """
    p = open_probability
    at = np.full(depth + 1, -p * math.log(p) - (1 - p) * math.log(1 - p) + p * math.log(types))
    at[0], at[depth] = math.log(types), 0.0
    return float((depth_distribution(depth, brackets, p) @ at).mean())


def forced_share(*, depth: int, brackets: int, open_probability: float = 0.5) -> float:
    """Share of brackets of which it is certain whether they open or close."""
    found = depth_distribution(depth, brackets, open_probability)
    return float((found[:, 0] + found[:, depth]).mean())
