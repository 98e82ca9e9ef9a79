"""Input × gradient of the token vectors."""

from __future__ import annotations

from typing import ClassVar

from captum.attr import InputXGradient
from torch import Tensor

from auditor.measures.attribution.method import ByBatch, TokenAttribution
from auditor.measures.attribution.score import Explained
from auditor.measures.expectations import WHOLE_SCORES
from auditor.records import Expected
from auditor.records.theory import Aspect, Dependence


class TokenInputXGradient(TokenAttribution, ByBatch):
    """x · ∂score/∂x per position: the first-order effect of setting a token's vector to zero."""

    version = 1
    summary = "product of each token vector with the score's gradient in it"
    higher_means = "the token's vector points where the score rises"
    source = "Shrikumar et al. 2016, arXiv 1605.01713; Denil et al. 2014, arXiv 1412.6815; Captum InputXGradient"
    depends_on: ClassVar[Dependence] = {**WHOLE_SCORES, Aspect.TOKEN_VECTORS: Expected.CHANGES}

    def attribute(self, batch: Explained) -> Tensor:
        """Captum's products, summed over features."""
        vectors = batch.vectors.requires_grad_()
        found: Tensor = InputXGradient(batch.of_vectors).attribute(vectors, additional_forward_args=(batch.row,))
        return found.detach().sum(-1) * batch.not_padding
