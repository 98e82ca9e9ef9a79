"""An adversarial twin, rewritten by exact moves: both kinds of freedom at once."""

from __future__ import annotations

from dataclasses import replace

import torch

from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import Equivalence, Transformed, TransformRequest, equivalences
from auditor.records import Kind

TWIN, REWRITE = "behavioural_adversarial_attention", "exact_random_composition"

SHARE_OF_PROGRESS = 0.95
"""Spent on the twin."""


class AdversarialRewritten(Equivalence):
    """The twin whose last layer attends elsewhere, then every exact move that keeps its size, in random order.

    What survives each alone need not survive both. The exact part keeps the outputs, so the certificate is about the
    twin.
    """

    version = 2
    kind = Kind.BEHAVIOURAL
    summary = "same answers with attention elsewhere in the last layer, then rewritten by exact moves in random order"
    needs = f"what {TWIN} and {REWRITE} need"
    source = "this package; the composition of a behavioural and an exact equivalence"

    def not_applicable(self, model: CanonicalTransformer) -> str | None:
        """Needs both parts."""
        known = equivalences()
        return known[TWIN].not_applicable(model) or known[REWRITE].not_applicable(model)

    def transform(self, request: TransformRequest) -> Transformed:
        """The rewritten twin in float64; ``parameters`` are those of the twin and the ``moves`` in their order."""
        known = equivalences()

        def progress(share: float, words: str) -> None:
            request.progress(SHARE_OF_PROGRESS * share, words)

        first = known[TWIN].transform(replace(request, progress=progress))
        twin = first.model.clone(dtype=torch.float64)
        choice = known[REWRITE].choices(twin.architecture, 1)[0]
        second = known[REWRITE].transform(TransformRequest(twin, request.inputs, request.generator, choice))
        return Transformed(
            second.model,
            second.relabelling.after(first.relabelling),
            {**first.parameters, **second.parameters},
        )
