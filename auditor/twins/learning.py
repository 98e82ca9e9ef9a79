"""Rungs for twins that only learn the original's outputs: a start, more steps for it, a new start, and so on."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from auditor.canonical.model import CanonicalTransformer
from auditor.twins.ladder import Attempt, Next, Progress, Rung

GENTLER = 0.5
"""Learning rate of an attempt that goes on, in that of a new start."""

Start = Callable[[int, np.random.Generator], CanonicalTransformer]
"""(number of the new start from 0, its generator) → a student."""

Learn = Callable[[CanonicalTransformer, int, float, np.random.Generator, Progress], None]
"""Trains a student in place: (student, steps, share of the highest learning rate, generator, progress)."""


def learning(start: Start, learn: Learn, steps: int) -> Next:
    """A new start of ``steps`` optimiser steps and half as many more for it, in turn."""

    def next_rung(attempts: Sequence[Attempt]) -> Rung | None:
        count = len(attempts)
        return _more(count - 1) if count % 2 else _new(count // 2)

    def _new(number: int) -> Rung:
        def make(
            _before: CanonicalTransformer | None, generator: np.random.Generator, progress: Progress
        ) -> CanonicalTransformer:
            student = start(number, generator)
            learn(student, steps, 1.0, generator, progress)
            return student

        return Rung(f"start {number}", steps, make)

    def _more(origin: int) -> Rung:
        fewer = max(1, steps // 2)

        def make(
            before: CanonicalTransformer | None, generator: np.random.Generator, progress: Progress
        ) -> CanonicalTransformer:
            student = start(origin // 2, generator) if before is None else before
            learn(student, fewer, GENTLER, generator, progress)
            return student

        return Rung(f"going on from attempt {origin}", fewer, make, origin)

    return next_rung
