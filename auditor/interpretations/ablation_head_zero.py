"""Zero ablation of a head: replace its output z by 0."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from auditor.contracts import InterpretationMethod, Request
from auditor.measures.ablation.substitutes import zero
from auditor.measures.ablation.sweep import head_effects
from auditor.measures.expectations import head_scores
from auditor.records import Expected, Interpretation


class HeadZeroAblation(InterpretationMethod):
    """KL(untouched ‖ ablated) when a head's z is set to zero, mean over the scored outputs of a sequence.

    Depends on where the value bias puts the zero: a value-bias shift moves it at will (Wen et al. 2023; Li & Janson
    2024).
    """

    version = 1
    smallest_plan = "quick"
    family = "ablation"
    summary = "how much the output distribution moves when the head's output z is set to zero"
    unit = "nats per token"
    higher_means = "the head matters more"
    source = "Michel et al. 2019, arXiv 1905.10650, section 3"
    claims = ("value", "rank")
    distance = "relative_change"
    expected: ClassVar[Mapping[str, Expected]] = head_scores(exact_value_bias_shift=Expected.FREE)

    def interpret(self, request: Request) -> Interpretation:
        """Scores [sequence, head]."""
        model, inputs = request.model, request.inputs
        effects = head_effects(model, inputs, zero(model))
        return Interpretation(self.name, ("sequence", "head"), model.architecture.heads, effects)
