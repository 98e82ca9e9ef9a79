"""Saliency of the tokens: how steep the score is in each token vector."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from captum.attr import Saliency
from torch import Tensor

from auditor.behaviour.input_batch import InputBatch
from auditor.canonical.model import CanonicalTransformer
from auditor.measures.attribution.method import Attributor, TokenAttribution
from auditor.measures.attribution.score import Explained
from auditor.measures.expectations import WHOLE_SCORES
from auditor.records.theory import Dependence


class TokenSaliency(TokenAttribution):
    """‖∂score/∂x‖₂ per position.

    The Euclidean length, not the sum of absolute values: the latter changes with the basis of the residual stream.
    """

    version = 1
    smallest_plan = "standard"
    summary = "length of the score's gradient in each token vector"
    unit = "nats per unit of the token vector"
    higher_means = "a small change of the token's vector moves the score more"
    source = "Simonyan et al. 2014, arXiv 1312.6034, section 3; Li et al. 2016, arXiv 1506.01066; Captum Saliency"
    depends_on: ClassVar[Dependence] = WHOLE_SCORES

    def attributor(self, model: CanonicalTransformer, seen: InputBatch, generator: np.random.Generator) -> Attributor:
        """Captum's absolute gradients, then their length over features."""
        del model, seen, generator

        def attribute(batch: Explained) -> Tensor:
            found: Tensor = Saliency(batch.of_vectors).attribute(
                batch.vectors.requires_grad_(), abs=True, additional_forward_args=(batch.row,)
            )
            return found.detach().square().sum(-1).sqrt() * batch.not_padding

        return attribute
