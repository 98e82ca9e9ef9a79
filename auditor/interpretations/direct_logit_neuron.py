"""Direct logit attribution of an MLP neuron."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from auditor.behaviour.closing import no_closing_contrast
from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import InterpretationMethod, Request
from auditor.measures.direct_logits import direct_logits, neurons_write
from auditor.measures.expectations import neuron_scores
from auditor.records import Expected, Interpretation


class DirectLogitNeuron(InterpretationMethod):
    """Activation times row of W_out along the right closing logit minus the others' mean, with norm scales frozen."""

    version = 1
    family = "direct logits"
    summary = "what the neuron writes along the logit of the right closing bracket"
    unit = "logits"
    higher_means = "the neuron itself speaks more for the right bracket"
    source = "nostalgebraist 2020, interpreting GPT: the logit lens; Wang et al. 2022, arXiv 2211.00593, section 3.1"
    claims = ("value", "rank")
    distance = "relative_change"
    expected: ClassVar[Mapping[str, Expected]] = neuron_scores()

    def not_applicable(self, model: CanonicalTransformer) -> str | None:
        """Needs two closing brackets and an MLP."""
        if not model.mlps:
            return "the model has no MLP neurons"
        return no_closing_contrast(model)

    def interpret(self, request: Request) -> Interpretation:
        """Scores [sequence, neuron]."""
        model, inputs = request.model, request.inputs
        neurons = model.architecture.neurons
        values = direct_logits(model, inputs, neurons_write, len(neurons))
        return Interpretation(self.name, ("sequence", "neuron"), neurons, values)
