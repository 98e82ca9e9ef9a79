"""Saliency of the tokens: how steep the score is in each token vector."""

from __future__ import annotations

from captum.attr import Saliency
from torch import Tensor

from auditor.measures.attribution.method import ByBatch, TokenAttribution
from auditor.measures.attribution.score import Explained


class TokenSaliency(TokenAttribution, ByBatch):
    """‖∂score/∂x‖₂ per position.

    The Euclidean length, not the sum of absolute values: the latter changes with the basis of the residual stream.
    """

    version = 1
    smallest_plan = "standard"
    summary = "length of the score's gradient in each token vector"
    unit = "nats per unit of the token vector"
    higher_means = "a small change of the token's vector moves the score more"
    source = "Simonyan et al. 2014, arXiv 1312.6034, section 3; Li et al. 2016, arXiv 1506.01066; Captum Saliency"

    def attribute(self, batch: Explained) -> Tensor:
        """Captum's absolute gradients, then their length over features."""
        vectors = batch.vectors.requires_grad_()
        found: Tensor = Saliency(batch.of_vectors).attribute(vectors, abs=True, additional_forward_args=(batch.row,))
        return found.detach().square().sum(-1).sqrt() * batch.not_padding
