"""Integrated gradients of the token vectors, from a blank token's vector."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from captum.attr import IntegratedGradients
from torch import Tensor

from auditor.behaviour.input_batch import InputBatch
from auditor.canonical.model import CanonicalTransformer
from auditor.measures.attribution.method import STEPS, Attributor, TokenAttribution
from auditor.measures.attribution.score import Explained
from auditor.measures.expectations import WHOLE_SCORES
from auditor.records.theory import Dependence


class TokenIntegratedGradients(TokenAttribution):
    """Σ over features of (x − x₀) ∫ ∂score/∂x along the straight path, x₀ the vectors of the input without brackets.

    The baseline is made of tokens, so whatever moves between the token table and the position table moves in both ends.
    """

    version = 1
    smallest_plan = "standard"
    summary = (
        "integrated gradients of the score along the token vectors, from MASK (or PAD) in the place of every bracket"
    )
    higher_means = "reading this bracket instead of MASK raises the score"
    source = "Sundararajan et al. 2017, arXiv 1703.01365, equation 1; Captum IntegratedGradients"
    depends_on: ClassVar[Dependence] = WHOLE_SCORES
    copies = STEPS
    needs_blank = True

    def attributor(self, model: CanonicalTransformer, seen: InputBatch, generator: np.random.Generator) -> Attributor:
        """Captum's path integral over the token vectors."""
        del model, seen, generator

        def attribute(batch: Explained) -> Tensor:
            found: Tensor = IntegratedGradients(batch.of_vectors).attribute(
                batch.vectors, baselines=batch.blank_vectors, additional_forward_args=(batch.row,), n_steps=STEPS
            )
            return found.detach().sum(-1) * batch.not_padding

        return attribute
