"""Balance violation as the published code computes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import InterpretationMethod, Request
from auditor.measures.balance import balance_violations, no_balance_condition
from auditor.measures.expectations import head_scores
from auditor.records import Expected, Interpretation


class PublishedBalanceViolation(InterpretationMethod):
    """As ``balance_violation_matched``, but with the n-th closing bracket of a type taken for the one of depth n.

    Closing brackets come innermost first, so this pairs depth d with depth D + 1 − d; for comparison with the paper.
    """

    version = 1
    family = "balance"
    summary = "the published balance number, which pairs depth d with depth D + 1 − d"
    unit = "share of the shortest sum"
    higher_means = "matched brackets cancel less"
    source = "Wen et al. 2023, arXiv 2312.01429, section 4.2 and its code"
    claims = ("value",)
    distance = "relative_change"
    expected: ClassVar[Mapping[str, Expected]] = head_scores(
        exact_value_bias_shift=Expected.CHANGES, exact_head_splitting=Expected.RELABELLED
    )

    def not_applicable(self, model: CanonicalTransformer) -> str | None:
        """Only models with a minimal first layer have the condition."""
        return no_balance_condition(model)

    def interpret(self, request: Request) -> Interpretation:
        """Scores [head] on the canonical string; reads no other inputs."""
        model = request.model
        heads = model.architecture.heads
        scores = balance_violations(model, as_published=True)
        nothing = dict.fromkeys(scores.isnan().nonzero().flatten().tolist(), "the head writes nothing")
        return Interpretation(self.name, ("head",), heads, scores.double().numpy(), nothing)
