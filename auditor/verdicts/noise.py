"""How much a score varies without any change of the model: the noise floor of every disagreement."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from auditor.records import Claim
from auditor.verdicts.bootstrap import generator_for
from auditor.verdicts.distances import relative_change, scale_of
from auditor.verdicts.pairing import Pairing

Array = NDArray[np.float64]

HALVES = 50
"""Random splits behind a noise floor."""

ROUNDING = 1e-12
"""Share of the largest score below which halves do not differ."""


@dataclass(frozen=True, slots=True)
class NoiseFloor:
    """Of one method on the original: ``halves`` relative to the score, per component; None where there are none.

    ``again`` is the original beside a second run of a method that draws at random; other methods have no such noise.
    """

    itself: Pairing
    halves: Array | None
    again: Pairing | None

    @classmethod
    def of(cls, itself: Pairing, again: Pairing | None, order: NDArray[np.intp], *, seed: int) -> NoiseFloor:
        """Split the sequences, put into ``order``, once for all components."""
        if not itself.per_sequence or itself.ours.ndim > 2:
            return cls(itself, None, again)
        known = np.isfinite(itself.ours).all(axis=0)
        scores = np.where(known, itself.ours, 0.0)
        halves = split_half_noise(scores[order], seed=seed) / scale_of(scores.mean(axis=0))
        return cls(itself, halves, again)

    def under(self, claim: Claim) -> float | None:
        """The floor under a value or pattern claim, in the unit of its effect; other kinds have none."""
        if claim.kind not in ("value", "pattern"):
            return None
        index, rerun = self.itself.index(claim.component), 0.0
        if self.again is not None and not self.again.why_undefined(claim):
            there = self.again.index(claim.component)
            change = self.again.variation.mean if claim.kind == "pattern" else relative_change(*self.again.means)
            rerun = float(change[there])
        if claim.kind == "pattern" or self.halves is None:
            return rerun
        return max(rerun, float(self.halves[index]))


def split_half_noise(values: Array, *, splits: int = HALVES, seed: int) -> Array:
    """Mean |difference of the means of two disjoint halves| over random splits, [component] from [sequence, component].

    With fewer than two sequences there are no halves: NaN.
    """
    count = len(values)
    if count < 2:
        return np.full(values.shape[1:], np.nan)
    generator, half = generator_for(seed, "halves", count), count // 2
    signs = np.zeros((splits, count))
    for split in signs:
        order = generator.permutation(count)
        split[order[:half]], split[order[half : 2 * half]] = 1 / half, -1 / half
    noise: Array = np.abs(np.tensordot(signs, values, axes=1)).mean(axis=0)
    return np.where(noise > ROUNDING * np.abs(values).max(axis=0), noise, 0.0)
