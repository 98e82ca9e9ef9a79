"""Direct logit attribution of a head."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from auditor.behaviour.closing import no_closing_contrast
from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import InterpretationMethod, Request
from auditor.measures.direct_logits import direct_logits, heads_write
from auditor.measures.expectations import head_scores
from auditor.records import Expected, Interpretation


class DirectLogitHead(InterpretationMethod):
    """z W_O along the logit of the right closing bracket minus the others' mean, with the scale of every norm frozen.

    Moves with the zero of the values, as zero ablation does: a value-bias shift can make it anything.
    """

    version = 1
    smallest_plan = "standard"
    family = "direct logits"
    summary = "what the head writes along the logit of the right closing bracket"
    unit = "logits"
    higher_means = "the head itself speaks more for the right bracket"
    source = "nostalgebraist 2020, interpreting GPT: the logit lens; Wang et al. 2022, arXiv 2211.00593, section 3.1"
    claims = ("value", "rank")
    distance = "relative_change"
    expected: ClassVar[Mapping[str, Expected]] = head_scores(exact_value_bias_shift=Expected.FREE)

    def not_applicable(self, model: CanonicalTransformer) -> str | None:
        """Needs two closing brackets and a path from heads to logits that is linear but for norms."""
        if model.architecture.mlp == "two_layer" and not model.architecture.mlp_residual:
            return "what a head writes reaches the logits through the MLP only"
        return no_closing_contrast(model)

    def interpret(self, request: Request) -> Interpretation:
        """Scores [sequence, head]."""
        model, inputs = request.model, request.inputs
        heads = model.architecture.heads
        values = direct_logits(model, inputs, heads_write, len(heads))
        return Interpretation(self.name, ("sequence", "head"), heads, values)
