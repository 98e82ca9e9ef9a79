"""Mean ablation of an MLP neuron: replace its activation by its mean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from auditor.canonical.model import CanonicalTransformer
from auditor.canonical.sites import Site
from auditor.contracts import InterpretationMethod, Request
from auditor.measures.ablation.substitutes import mean
from auditor.measures.ablation.sweep import Ablation, sweep
from auditor.measures.expectations import neuron_scores
from auditor.records import Expected, Interpretation

MAX_SEQUENCES = 128
"""Sequences ablated: there are many neurons, and every score is kept."""


class NeuronMeanAblation(InterpretationMethod):
    """KL(untouched ‖ ablated) when a neuron's activation is set to its mean, mean over the scored outputs.

    The mean is over all positions of the sequences that are ablated.
    """

    version = 1
    family = "ablation"
    summary = "how much the output distribution moves when a neuron's activation is set to its mean"
    unit = "nats per token"
    higher_means = "the neuron matters more"
    source = "Wang et al. 2022, arXiv 2211.00593, section 2.1"
    claims = ("value", "rank")
    distance = "relative_change"
    expected: ClassVar[Mapping[str, Expected]] = neuron_scores()

    def not_applicable(self, model: CanonicalTransformer) -> str | None:
        """Needs an MLP."""
        return None if model.architecture.neurons else "the model has no MLP neurons"

    def interpret(self, request: Request) -> Interpretation:
        """Scores [sequence, neuron]."""
        model, inputs = request.model, request.inputs
        neurons = model.architecture.neurons
        seen = inputs.rows(slice(0, min(MAX_SEQUENCES, len(inputs))))
        (effects,) = sweep(model, seen, [Ablation(neurons, Site.NEURON, mean(model, seen, Site.NEURON))])
        return Interpretation(self.name, ("sequence", "neuron"), neurons, effects)
