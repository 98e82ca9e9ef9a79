"""What is true of a claim on a twin: its effect over so many sequences that sampling no longer matters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from auditor.records import Claim, Interpretation, MethodCard
from auditor.verdicts.distances import SMALLEST_EFFECT, relative_change
from auditor.verdicts.pairing import Pairing

AT_THRESHOLD = 0.02
"""Closer to the threshold than this, no verdict is wrong, and none is asked for."""

AWAY = 0.05
"""From here on an audit should decide: half the smallest effect of interest of a value."""


@dataclass(frozen=True, slots=True)
class Truth:
    """How far a claim's effect lies above (unstable) or below (stable) its threshold, in the unit of the effect."""

    effect: float
    margin: float

    @property
    def verdict(self) -> str | None:
        """stable, unstable, or None at the threshold."""
        if abs(self.margin) < AT_THRESHOLD:
            return None
        return "unstable" if self.margin > 0 else "stable"

    @property
    def is_away(self) -> bool:
        """Whether an inconclusive verdict counts against the audit."""
        return abs(self.margin) >= AWAY


@dataclass(frozen=True)
class Population:
    """Scores of one method on a planted original and its rungs, over many sequences."""

    card: MethodCard
    original: Interpretation
    rungs: Mapping[str, Interpretation]

    @property
    def size(self) -> int:
        """Sequences; 1 for scores of weights."""
        return len(self.original.values) if self.original.per_sequence else 1

    def truth(self, claim: Claim, rung: str) -> Truth | None:
        """The truth of a claim on a rung; None where the claim is false for the original or undefined."""
        pairing = Pairing(self.original, self.rungs[rung], self.card.distance)
        if pairing.why_undefined(claim):
            return None
        threshold = SMALLEST_EFFECT[claim.kind]
        if claim.kind == "pattern":
            effect = float(pairing.variation.mean[pairing.index(claim.component)])
            return Truth(effect, effect - threshold)
        ours, theirs = pairing.means
        index = pairing.index(claim.component)
        if claim.kind == "value":
            effect = float(relative_change(ours, theirs)[index])
            return Truth(effect, effect - threshold)
        if claim.kind == "rank" and claim.parameters.get("top") == 1:
            before, after = _lead(ours, index), _lead(theirs, index)
            return None if before <= AT_THRESHOLD else Truth(-after, -after - threshold)
        return None


def _lead(scores: np.ndarray, index: int) -> float:
    """How far a component is ahead of the next, as a share of the largest score; negative behind."""
    others = np.delete(scores, index)
    return float((scores[index] - others.max()) / np.abs(scores).max())
