"""Direct logit attribution of an MLP."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from auditor.canonical.model import CanonicalTransformer
from auditor.canonical.sites import Site
from auditor.contracts import without_neurons
from auditor.measures.direct_logits import DirectLogits
from auditor.measures.direct_paths import DirectPaths
from auditor.measures.expectations import WHOLE_SCORES
from auditor.records import Component
from auditor.records.theory import Dependence


class DirectLogitMlp(DirectLogits):
    """What an MLP writes along the right closing logit minus the others' mean, with the scale of every norm frozen."""

    version = 1
    summary = "what the MLP writes along the logit of the right closing bracket"
    higher_means = "the MLP itself raises the logit of the right bracket more"
    depends_on: ClassVar[Dependence] = WHOLE_SCORES
    axis = "part"

    def not_applicable(self, model: CanonicalTransformer) -> str | None:
        """Needs two closing brackets and an MLP."""
        return without_neurons(model) or super().not_applicable(model)

    def components(self, model: CanonicalTransformer) -> tuple[Component, ...]:
        """The MLP of each layer."""
        return tuple(Component(layer, part="mlp") for layer in range(model.architecture.layers))

    def writes(self, model: CanonicalTransformer, paths: DirectPaths, layer: int) -> Tensor:
        """MLP output, its bias included, · r, [batch, position, 1]."""
        del model
        return (paths.cache[Site.MLP_OUT, layer] * paths.mlp[layer]).sum(-1, keepdim=True)
