"""Claims that are made of parts: how far each part is from failing, and what follows for the whole.

A part is a margin that must not exceed 0, with a p-value for "it does not", and a lower and an upper end. The parts of
a whole may come from different methods, on different sequences; nothing is assumed of how they depend on each other:

    every part holds   effect max · p  min(1, k · min pᵢ)  (Bonferroni)   ends: the largest lower, the largest upper
    some part holds    effect min · p  max pᵢ                             ends: the smallest lower, the smallest upper

To call *every* false, one of k parts is picked, so that p and the lower end are corrected for k; to call it true each
part must be so on its own, which needs no correction (Berger 1982, Technometrics 24, the intersection–union test). For
*some* it is the other way round: to call it false each part must be false on its own, and to call it true one of k is
picked, so that the upper ends are corrected for k.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from auditor.verdicts.bootstrap import studentised
from auditor.verdicts.contrasts import Margins
from auditor.verdicts.distances import EXACT_TOLERANCE
from auditor.verdicts.judgement import Resampling
from auditor.verdicts.worst_case import TAIL, spread_of

Indices = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Tails:
    """Probabilities that a lower and an upper end are on the wrong side, each corrected for the parts it is one of."""

    lower: float = TAIL
    upper: float = TAIL

    def of_every(self, parts: int) -> Tails:
        """For the parts of a whole that needs every one."""
        return replace(self, lower=self.lower / max(parts, 1))

    def of_some(self, parts: int) -> Tails:
        """For the parts of a whole that needs one."""
        return replace(self, upper=self.upper / max(parts, 1))


@dataclass(frozen=True, slots=True)
class Bound:
    """A margin that must not exceed 0: the largest that a whole has, its two ends, and p for "it is at most 0"."""

    effect: float
    low: float
    high: float
    p: float


def every(parts: Iterable[Bound]) -> Bound:
    """The bound of a whole that holds where every part does."""
    found = [*parts]
    return Bound(
        max(one.effect for one in found),
        max(one.low for one in found),
        max(one.high for one in found),
        min(1.0, len(found) * min(one.p for one in found)),
    )


def some(parts: Iterable[Bound]) -> Bound:
    """The bound of a whole that holds where some part does."""
    found = [*parts]
    return Bound(
        min(one.effect for one in found),
        min(one.low for one in found),
        min(one.high for one in found),
        max(one.p for one in found),
    )


def of_margins(margins: Margins, order: Indices, how: Resampling, tails: Tails) -> Bound:
    """The bound of a claim all of whose one-sided margins must hold, but for those that it spares.

    ``order`` is that of the sequences. Without a number per sequence the margins are known exactly.
    """
    inner = replace(tails.of_every(len(margins.effects)), upper=tails.upper / (1 + margins.spared))
    return every(of_columns(margins, order, how, inner))


def of_columns(margins: Margins, order: Indices, how: Resampling, tails: Tails) -> list[Bound]:
    """One bound for each margin by the bootstrap-t. A tail that the draws do not resolve has an infinite end."""
    effects = margins.effects
    if margins.parts is None:
        return [exactly(effect) for effect in effects.tolist()]
    _, t = studentised(margins.parts[order], draws=how.draws, seed=how.seed)
    errors, t = spread_of((margins,), t, seed=how.seed, tail=min(tails.lower, tails.upper))
    reach = np.quantile(t, [1 - tails.lower, tails.upper], axis=0)
    is_resolved = [tail * (how.draws + 1) >= 1 for tail in (tails.lower, tails.upper)]
    low = effects - reach[0] * errors if is_resolved[0] else np.full(len(effects), -np.inf)
    high = effects - reach[1] * errors if is_resolved[1] else np.full(len(effects), np.inf)
    p = (1 + (t >= effects / errors).sum(axis=0)) / (len(t) + 1)
    columns = (effects, np.minimum(low, effects), np.maximum(high, effects), p)
    return [Bound(*numbers) for numbers in zip(*(column.tolist() for column in columns), strict=True)]


def exactly(effect: float) -> Bound:
    """The bound of a margin that is known but for rounding."""
    return Bound(effect, effect, effect, 0.0 if effect > EXACT_TOLERANCE else 1.0)
