"""Direct logit attribution of an MLP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from auditor.behaviour.closing import no_closing_contrast
from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import InterpretationMethod, Request
from auditor.measures.direct_logits import direct_logits, mlp_writes
from auditor.measures.expectations import whole_scores
from auditor.records import Component, Expected, Interpretation


class DirectLogitMlp(InterpretationMethod):
    """What an MLP writes along the right closing logit minus the others' mean, with the scale of every norm frozen."""

    version = 1
    family = "direct logits"
    summary = "what the MLP writes along the logit of the right closing bracket"
    unit = "logits"
    higher_means = "the MLP itself speaks more for the right bracket"
    source = "nostalgebraist 2020, interpreting GPT: the logit lens; Wang et al. 2022, arXiv 2211.00593, section 3.1"
    claims = ("value", "rank")
    distance = "relative_change"
    expected: ClassVar[Mapping[str, Expected]] = whole_scores()

    def not_applicable(self, model: CanonicalTransformer) -> str | None:
        """Needs two closing brackets and an MLP."""
        if not model.mlps:
            return "the model has no MLP neurons"
        return no_closing_contrast(model)

    def interpret(self, request: Request) -> Interpretation:
        """Scores [sequence, part]."""
        model, inputs = request.model, request.inputs
        components = tuple(Component(layer, part="mlp") for layer in range(model.architecture.layers))
        values = direct_logits(model, inputs, mlp_writes, len(components))
        return Interpretation(self.name, ("sequence", "part"), components, values)
