"""The size of a head's output map."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from auditor.canonical.model import CanonicalTransformer
from auditor.measures.circuits import output_maps
from auditor.measures.expectations import HEAD_SCORES
from auditor.measures.weights import HeadWeights
from auditor.records import Expected
from auditor.records.theory import Aspect, Dependence


class ONorm(HeadWeights):
    """‖W_O^h‖_F per head. The values can be scaled against it at will: ‖W_V W_O‖_F is what the function sees."""

    version = 1
    summary = "Frobenius norm of the head's output map W_O"
    unit = "weight norm"
    higher_means = "the head can write more, for values of a given size"
    source = "Kobayashi et al. 2020, arXiv 2004.10102, section 2"
    depends_on: ClassVar[Dependence] = {
        **HEAD_SCORES,
        Aspect.VALUE_BASIS: Expected.CHANGES,
        Aspect.STREAM_WRITES: Expected.CHANGES,
    }

    def not_applicable(self, model: CanonicalTransformer) -> str | None:
        """Needs W_O."""
        return None if model.architecture.output_map else "the model has no output map"

    def scores(self, model: CanonicalTransformer) -> Tensor:
        """‖W_O‖_F, [head]."""
        return torch.cat([output_maps(one).flatten(1).norm(dim=1) for one in model.attentions])
