"""Direct logit attribution of an MLP neuron."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from auditor.canonical.model import CanonicalTransformer
from auditor.canonical.sites import Site
from auditor.contracts import without_neurons
from auditor.measures.direct_logits import DirectLogits
from auditor.measures.direct_paths import DirectPaths
from auditor.measures.expectations import NEURON_SCORES
from auditor.records import Component
from auditor.records.theory import Dependence


class DirectLogitNeuron(DirectLogits):
    """Activation times row of W_out along the right closing logit minus the others' mean, with norm scales frozen."""

    version = 1
    summary = "what the neuron writes along the logit of the right closing bracket"
    higher_means = "the neuron itself raises the logit of the right bracket more"
    depends_on: ClassVar[Dependence] = NEURON_SCORES
    axis = "neuron"

    def not_applicable(self, model: CanonicalTransformer) -> str | None:
        """Needs two closing brackets and an MLP."""
        return without_neurons(model) or super().not_applicable(model)

    def components(self, model: CanonicalTransformer) -> tuple[Component, ...]:
        """All neurons."""
        return model.architecture.neurons

    def writes(self, model: CanonicalTransformer, paths: DirectPaths, layer: int) -> Tensor:
        """activation · W_out row · r, [batch, position, neuron]."""
        return paths.cache[Site.NEURON, layer] * (paths.mlp[layer] @ model.mlps[layer].W_out.T)
