"""Attribution patching of a head: activation patching to first order, from one gradient."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import InterpretationMethod, Request
from auditor.measures.expectations import head_scores
from auditor.measures.patching.gradient import approximate_head_effects
from auditor.measures.patching.pairs import no_pairs
from auditor.records import Expected, Interpretation


class HeadAttributionPatching(InterpretationMethod):
    """Σ over positions and d_v of (z_clean − z_corrupt) · ∂ margin / ∂z, the gradient taken at the corrupt input.

    What denoising activation patching would restore if the rest of the model were linear; softmax and norms are not.
    """

    version = 1
    family = "patching"
    summary = "first-order estimate of what activation patching of the head restores"
    unit = "logits"
    higher_means = "the head carries more of the bracket's type"
    source = "Syed et al. 2023, arXiv 2310.10348, section 3; Nanda 2023, Attribution patching"
    claims = ("value", "rank")
    distance = "relative_change"
    expected: ClassVar[Mapping[str, Expected]] = head_scores()

    def not_applicable(self, model: CanonicalTransformer) -> str | None:
        """Needs decisions between bracket types."""
        return no_pairs(model)

    def interpret(self, request: Request) -> Interpretation:
        """Scores [sequence, head]."""
        model, inputs = request.model, request.inputs
        effects = approximate_head_effects(model, inputs)
        return Interpretation(self.name, ("sequence", "head"), model.architecture.heads, effects)
