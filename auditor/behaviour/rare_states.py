"""Sequences in distribution that reach a state which few reach: the depth bound, or a match far away."""

from __future__ import annotations

from functools import lru_cache, reduce

import numpy as np
import torch

from auditor.behaviour.breakdown import FAR, RARE_SEQUENCES
from auditor.behaviour.input_batch import InputBatch, draw_inputs, joined
from auditor.language.task import Task
from auditor.seeds import numpy_generator

WANTED = 150
"""Sequences wanted for each state: without a difference its bound is then 2 %."""

DRAWN = 20_000
"""Sequences that are drawn to find them; what is rarer than one in 133 of them is not judged in distribution."""

CHUNK = 2_000
"""Sequences drawn at once."""

DRAWN_TOKENS = 1_000_000
"""Fewer are drawn where the sequences are long."""


def draw_rare(task: Task, generator: np.random.Generator, wanted: int = WANTED) -> InputBatch | None:
    """Up to ``wanted`` sequences of each state; None for classifiers, and where too few reach either."""
    if task.objective == "classifier" or task.longest_input < 2:
        return None
    parts: list[InputBatch] = []
    missing = dict.fromkeys(("far", "deepest"), wanted)
    if task.longest_input < FAR:
        missing["far"] = 0
    affordable = min(DRAWN, DRAWN_TOKENS // task.longest_input)
    for start in range(0, affordable, CHUNK):
        drawn = draw_inputs(task, min(CHUNK, affordable - start), generator)
        reached = _reached(drawn)
        chosen = torch.zeros(len(drawn), dtype=torch.bool)
        for state, which in reached.items():
            first = which.nonzero().flatten()[: missing[state]]
            missing[state] -= len(first)
            chosen[first] = True
        parts.append(drawn.rows(chosen.nonzero().flatten()))
        if not any(missing.values()):
            break
    if not parts:
        return None
    found = reduce(joined, parts)
    return found if max(wanted - left for left in missing.values()) >= RARE_SEQUENCES else None


def _reached(inputs: InputBatch) -> dict[str, torch.Tensor]:
    """[sequence] whether it has a scored output in each state."""
    place = torch.arange(inputs.tokens.shape[1])[None, :]
    far = inputs.scored & (inputs.opener >= 0) & (place + 1 - inputs.opener >= FAR)
    deepest = inputs.scored & (inputs.depth == inputs.task.language.depth)
    return {"far": far.any(1), "deepest": deepest.any(1)}


@lru_cache(maxsize=8)
def rare_for_search(task: Task) -> InputBatch | None:
    """Always the same sequences of a task: for the search for a twin, never for its certificate."""
    return draw_rare(task, numpy_generator(0, "rare states", "search"))
