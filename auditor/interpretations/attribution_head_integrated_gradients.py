"""Integrated gradients of each head's output, by Captum's LayerIntegratedGradients at the z site."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from captum.attr import LayerIntegratedGradients
from torch import Tensor

from auditor.behaviour.input_batch import InputBatch
from auditor.canonical.model import CanonicalTransformer
from auditor.measures.attribution.method import STEPS, Attributor, HeadAttribution
from auditor.measures.attribution.score import Explained
from auditor.measures.expectations import HEAD_SCORES
from auditor.records.theory import Dependence


class HeadIntegratedGradients(HeadAttribution):
    """Σ over positions and d_v of LayerIntegratedGradients at z.

    The path runs from the z of a baseline input (every bracket replaced by MASK, else PAD) to the z of the real one.
    """

    version = 1
    smallest_plan = "quick"
    summary = "integrated gradients of the score along the head's output z, from its z on an input without brackets"
    higher_means = "the head raises the score"
    source = "Sundararajan et al. 2017, arXiv 1703.01365, equation 1; Captum LayerIntegratedGradients"
    depends_on: ClassVar[Dependence] = HEAD_SCORES
    copies = STEPS
    needs_blank = True

    def attributor(self, model: CanonicalTransformer, seen: InputBatch, generator: np.random.Generator) -> Attributor:
        """Captum's path integral at the z of each layer in turn."""
        del seen, generator

        def attribute(batch: Explained) -> Tensor:
            columns = []
            for attention in model.attentions:
                found: Tensor = LayerIntegratedGradients(batch.of_tokens, attention.z_site).attribute(
                    batch.tokens, baselines=batch.blank_tokens, additional_forward_args=(batch.row,), n_steps=STEPS
                )
                columns.append(found.detach().sum(dim=(1, 3)))
            return torch.cat(columns, dim=1)

        return attribute
