"""Activation patching of a head, noising: the corrupt z in the clean run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import InterpretationMethod, Request
from auditor.measures.expectations import head_scores
from auditor.measures.patching.activation import patched_head_effects
from auditor.measures.patching.pairs import no_pairs
from auditor.records import Expected, Interpretation


class HeadNoisePatching(InterpretationMethod):
    """Margin of the clean type that a head's corrupt z, at all positions, destroys in the clean run.

    Pairs and margin as in denoising. Says what is needed, not what is enough: heads that stand in for each other all
    score low.
    """

    version = 1
    family = "patching"
    summary = "how much of the bracket's type the head destroys when its z is taken from the corrupt input"
    unit = "logits"
    higher_means = "the head carries more of the bracket's type"
    source = "Heimersheim & Nanda 2024, arXiv 2404.15255"
    claims = ("value", "rank")
    distance = "relative_change"
    expected: ClassVar[Mapping[str, Expected]] = head_scores()

    def not_applicable(self, model: CanonicalTransformer) -> str | None:
        """Needs decisions between bracket types."""
        return no_pairs(model)

    def interpret(self, request: Request) -> Interpretation:
        """Scores [sequence, head]."""
        model, inputs = request.model, request.inputs
        effects = patched_head_effects(model, inputs, "noising")
        return Interpretation(self.name, ("sequence", "head"), model.architecture.heads, effects)
