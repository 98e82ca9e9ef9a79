"""Path patching, head → head: one number per sender and receiver."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import InterpretationMethod, Request
from auditor.measures.expectations import head_scores
from auditor.measures.patching.pairs import no_pairs
from auditor.measures.patching.paths import head_to_head_effects, no_later_head
from auditor.records import Expected, Interpretation

MAX_SEQUENCES = 64
"""Sequences patched: the work grows with the square of the heads."""


class HeadToHeadPatching(InterpretationMethod):
    """Margin of the clean type that is lost when a head's corrupt z reaches one later head alone.

    Scores of a sender are laid out by receiver; 0 where the receiver stands in no later layer.
    """

    version = 1
    family = "patching"
    summary = "margin lost when a head's corrupt output reaches one later head directly, for each pair"
    unit = "logits"
    higher_means = "the path carries more of the bracket's type"
    source = (
        "Wang et al. 2022, arXiv 2211.00593, section 3.1 (path patching); Goldowsky-Dill et al. 2023, arXiv 2304.05969"
    )
    claims = ("pattern",)
    distance = "frobenius"
    expected: ClassVar[Mapping[str, Expected]] = head_scores(exact_head_splitting=Expected.CHANGES)

    def not_applicable(self, model: CanonicalTransformer) -> str | None:
        """Needs decisions between bracket types and a way from head to head."""
        return no_pairs(model) or no_later_head(model)

    def interpret(self, request: Request) -> Interpretation:
        """Scores [sequence, head, to_head]."""
        model, inputs = request.model, request.inputs
        seen = inputs.rows(slice(0, min(MAX_SEQUENCES, len(inputs))))
        effects = head_to_head_effects(model, seen)
        return Interpretation(self.name, ("sequence", "head", "to_head"), model.architecture.heads, effects)
