"""Resample ablation of a head: replace its output z by what it is on another input."""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np
from numpy.typing import NDArray

from auditor.contracts import Request
from auditor.measures.ablation.effects import EFFECTS
from auditor.measures.ablation.method import HeadAblation
from auditor.measures.ablation.substitutes import resampled
from auditor.measures.ablation.sweep import Ablation, sweep_effects
from auditor.measures.untouched import untouched
from auditor.records import Component

DRAWS = 4
"""Other inputs per sequence; the effect is the mean over them."""


class HeadResampleAblation(HeadAblation):
    """KL(untouched ‖ ablated) when a head's z is taken from other sequences of the inputs, position for position.

    Stays on values that the head does put out, where a mean may lie far from all of them.
    """

    version = 1
    draws_at_random = True
    smallest_plan = "standard"
    summary = "how much the output distribution moves when the head's z is taken from another sequence"
    source = "Chan et al. 2022, Causal scrubbing, Alignment Forum"

    @property
    def readings(self) -> frozenset[Hashable]:
        """Nothing that is shared: the draws are its own."""
        return frozenset()

    def scores(self, request: Request, components: tuple[Component, ...]) -> NDArray[np.float64]:
        """[sequence, head]."""
        run = untouched(request)
        draws = [Ablation(components, self.site, resampled(run, self.site, request.generator)) for _ in range(DRAWS)]
        effects: NDArray[np.float64] = np.mean([sweep_effects(run, one, (EFFECTS["kl"],))[0] for one in draws], axis=0)
        return effects
