"""Integrated gradients of the token vectors, from the zero vector."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from captum.attr import IntegratedGradients
from torch import Tensor

from auditor.behaviour.input_batch import InputBatch
from auditor.canonical.model import CanonicalTransformer
from auditor.measures.attribution.method import STEPS, Attributor, TokenAttribution
from auditor.measures.attribution.score import Explained
from auditor.measures.expectations import WHOLE_SCORES
from auditor.records import Expected
from auditor.records.theory import Aspect, Dependence


class TokenIntegratedGradientsZero(TokenAttribution):
    """Σ over features of x ∫ ∂score/∂x along the straight path from 0 to the token vector x.

    Zero is a point of the basis, not of the function: a constant traded between the token and the position table moves
    x and leaves 0 where it is.
    """

    version = 1
    summary = "integrated gradients of the score along the token vectors, from the zero vector"
    higher_means = "the token's vector raises the score"
    source = (
        "Sundararajan et al. 2017, arXiv 1703.01365, section 3; Captum IntegratedGradients with its default baseline"
    )
    depends_on: ClassVar[Dependence] = {**WHOLE_SCORES, Aspect.TOKEN_VECTORS: Expected.CHANGES}
    copies = STEPS

    def attributor(self, model: CanonicalTransformer, seen: InputBatch, generator: np.random.Generator) -> Attributor:
        """Captum's path integral over the token vectors."""
        del model, seen, generator

        def attribute(batch: Explained) -> Tensor:
            vectors = batch.vectors
            baseline = torch.where(batch.not_padding[:, :, None], 0.0, vectors)  # padding is no part of the input
            found: Tensor = IntegratedGradients(batch.of_vectors).attribute(
                vectors, baselines=baseline, additional_forward_args=(batch.row,), n_steps=STEPS
            )
            return found.detach().sum(-1) * batch.not_padding

        return attribute
