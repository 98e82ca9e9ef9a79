"""Direct logit attribution of a head."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from auditor.canonical.model import CanonicalTransformer
from auditor.canonical.sites import Site
from auditor.measures.circuits import output_maps
from auditor.measures.direct_logits import DirectLogits
from auditor.measures.direct_paths import DirectPaths
from auditor.measures.expectations import HEAD_SCORES
from auditor.records import Component, Expected
from auditor.records.theory import Aspect, Dependence


class DirectLogitHead(DirectLogits):
    """z W_O along the logit of the right closing bracket minus the others' mean, with the scale of every norm frozen.

    Moves with the zero of the values, as zero ablation does: a value-bias shift can make it anything.
    """

    version = 1
    smallest_plan = "standard"
    summary = "what the head writes along the logit of the right closing bracket"
    higher_means = "the head itself speaks more for the right bracket"
    depends_on: ClassVar[Dependence] = {**HEAD_SCORES, Aspect.VALUE_ZERO: Expected.FREE}
    axis = "head"

    def not_applicable(self, model: CanonicalTransformer) -> str | None:
        """Needs two closing brackets and a path from heads to logits that is linear but for norms."""
        if model.architecture.mlp == "two_layer" and not model.architecture.mlp_residual:
            return "what a head writes reaches the logits through the MLP only"
        return super().not_applicable(model)

    def components(self, model: CanonicalTransformer) -> tuple[Component, ...]:
        """All heads."""
        return model.architecture.heads

    def writes(self, model: CanonicalTransformer, paths: DirectPaths, layer: int) -> Tensor:
        """z_h W_O^h · r, [batch, position, head]."""
        met = torch.einsum("hvm,bpm->bphv", output_maps(model.attentions[layer]), paths.attention[layer])
        return (paths.cache[Site.Z, layer] * met).sum(-1)
