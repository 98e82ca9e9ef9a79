"""Whether a head copies: the eigenvalues of its circuit from token to logits."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from auditor.canonical.model import CanonicalTransformer
from auditor.measures.circuits import copying_scores
from auditor.measures.expectations import HEAD_READINGS
from auditor.measures.weights import ELHAGE, READS_AND_WRITES, HeadWeights
from auditor.records import Expected
from auditor.records.theory import Aspect, Dependence


class CopyingScore(HeadWeights):
    """Σ λ / Σ |λ| over the eigenvalues λ of W_E W_V W_O W_U, per head, on raw weights: no norms, no biases."""

    version = 1
    smallest_plan = "standard"
    summary = "sum over absolute sum of the eigenvalues of the full OV circuit W_E W_V W_O W_U"
    unit = "share of the eigenvalues"
    higher_means = "the head copies more of the tokens that it looks at"
    source = ELHAGE + "Detecting copying behavior"
    depends_on: ClassVar[Dependence] = {
        **HEAD_READINGS,
        **READS_AND_WRITES,
        Aspect.TOKEN_VECTORS: Expected.CHANGES,
        Aspect.LOGIT_ZERO: Expected.CHANGES,
    }

    def not_applicable(self, model: CanonicalTransformer) -> str | None:
        """Needs one vector per token at both ends."""
        if model.architecture.is_classifier:
            return "a classifier has no logits of tokens"
        if model.architecture.embedding != "token":
            return "a token has a vector for each depth, so its circuit to the logits has no eigenvalues"
        return None

    def scores(self, model: CanonicalTransformer) -> Tensor:
        """Σ λ / Σ |λ|, [head]."""
        return copying_scores(model)
