"""Key composition: how much of what a head writes the keys of later heads read."""

from __future__ import annotations

from torch import Tensor

from auditor.canonical.model import CanonicalTransformer
from auditor.measures.circuits import qk_circuits
from auditor.measures.weights import Composition


class KeyComposition(Composition):
    """‖W_V¹ W_O¹ M²‖_F / (‖W_V¹ W_O¹‖_F ‖M²‖_F) with M = W_K W_Qᵀ, from each head to each later one, 0 to all others.

    On raw weights: the norm between the two is left out.
    """

    version = 1
    summary = "share of the head's value–output circuit that the keys of later heads read"
    higher_means = "the later head's keys read more of what the head writes"

    def reads(self, model: CanonicalTransformer) -> Tensor:
        """W_K W_Qᵀ, [head, model, model]."""
        return qk_circuits(model).mT
