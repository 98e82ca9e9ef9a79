"""Resample ablation of a head: replace its output z by what it is on another input."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from auditor.canonical.sites import Site
from auditor.contracts import InterpretationMethod, Request
from auditor.measures.ablation.substitutes import resampled
from auditor.measures.ablation.sweep import Ablation, sweep
from auditor.measures.expectations import head_scores
from auditor.records import Expected, Interpretation

DRAWS = 4
"""Other inputs per sequence; the effect is the mean over them."""


class HeadResampleAblation(InterpretationMethod):
    """KL(untouched ‖ ablated) when a head's z is taken from other sequences of the inputs, position for position.

    Stays on values that the head does put out, where a mean may lie far from all of them.
    """

    version = 1
    draws_at_random = True
    smallest_plan = "standard"
    family = "ablation"
    summary = "how much the output distribution moves when the head's z is taken from another sequence"
    unit = "nats per token"
    higher_means = "the head matters more"
    source = "Chan et al. 2022, Causal scrubbing, Alignment Forum"
    claims = ("value", "rank")
    distance = "relative_change"
    expected: ClassVar[Mapping[str, Expected]] = head_scores()

    def interpret(self, request: Request) -> Interpretation:
        """Scores [sequence, head]."""
        model, inputs, generator = request.model, request.inputs, request.generator
        heads = model.architecture.heads
        draws = [Ablation(heads, Site.Z, resampled(model, inputs, Site.Z, generator)) for _ in range(DRAWS)]
        effects = np.mean(sweep(model, inputs, draws), axis=0)
        return Interpretation(self.name, ("sequence", "head"), heads, effects)
