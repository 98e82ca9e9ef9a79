"""Readings of weights: one number or row per head, the same on every sequence."""

from __future__ import annotations

from torch import Tensor

from auditor.canonical.model import CanonicalTransformer
from auditor.measures.circuits import composition_scores
from auditor.measures.untouched import Piece
from auditor.measures.weights import Composition, HeadWeights
from auditor.twins.targets.surrogate import Components, Scores


def head_weights(method: HeadWeights | Composition) -> Scores:
    """[1, head], or [1, head, to_head] of a composition."""

    def scores(model: CanonicalTransformer, _piece: Piece, components: Components) -> Tensor:
        heads = model.architecture.heads
        if isinstance(method, Composition):
            found = composition_scores(model, method.reads(model))
        else:
            found = method.scores(model)
        return found[[heads.index(one) for one in components]][None]

    return scores
