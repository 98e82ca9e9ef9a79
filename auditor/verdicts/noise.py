"""How much the random draws of a method itself move its scores: seen by running it on the original once more.

Original and variants are measured with the same draws (common random numbers, Glasserman & Yao 1992), so that most of
this cancels in their difference. What may be left enters as a variance: of the difference of two runs, estimated from
the one rerun. Other methods have no noise of their own; the noise of sampling sequences is in the bootstrap, which
resamples original and variant together.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from auditor.records import Claim
from auditor.verdicts.distances import scale_of
from auditor.verdicts.pairing import Pairing

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Rerun:
    """The original beside a second run of a method that draws at random; None of a method that does not."""

    again: Pairing | None

    def errors(self, pairing: Pairing) -> Array:
        """Standard deviation of the difference of two runs, per component of a pairing, in the unit of the scores.

        One difference per component says little about a deviation, so none is taken to be smaller than the root mean
        square over all of them. [component].
        """
        count = len(pairing.components)
        if self.again is None or self.again.ours.ndim > 2 or self.again.base.values.shape != pairing.base.values.shape:
            return np.zeros(count)
        change = np.abs(np.subtract(*self.again.means))
        finite = np.where(np.isfinite(change), change, 0.0)
        least = float(np.sqrt(np.square(finite).mean())) if finite.size else 0.0
        known = dict(zip(self.again.components, np.maximum(finite, least).tolist(), strict=True))
        return np.asarray([known.get(component, least) for component in pairing.components])

    def floor(self, claim: Claim) -> float:
        """What running the method again moves, in the unit of the claim's effect; 0 where nothing is drawn.

        A distance between arrays is never negative, so that noise alone makes one: it is taken off the effect of
        pattern claims. For the other kinds it is only shown.
        """
        if self.again is None or self.again.why_undefined(claim):
            return 0.0
        index = self.again.index(claim.component)
        if claim.kind == "pattern":
            return float(self.again.variation.mean[index])
        if self.again.ours.ndim > 2:
            return 0.0
        return float(self.errors(self.again)[index] / scale_of(self.again.means[0])[index])
