"""Value composition: how much of what a head writes the values of later heads read."""

from __future__ import annotations

from torch import Tensor

from auditor.canonical.model import CanonicalTransformer
from auditor.measures.circuits import ov_circuits
from auditor.measures.weights import Composition


class ValueComposition(Composition):
    """‖W_V¹ W_O¹ M²‖_F / (‖W_V¹ W_O¹‖_F ‖M²‖_F) with M = W_V W_O, from each head to each later one, 0 to all others.

    On raw weights: the norm between the two is left out.
    """

    version = 1
    summary = "share of the head's value–output circuit that the values of later heads read"
    higher_means = "the later head's values read more of what the head writes"

    def reads(self, model: CanonicalTransformer) -> Tensor:
        """W_V W_O, [head, model, model]."""
        return ov_circuits(model)
