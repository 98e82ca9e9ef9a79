"""Gradient × activation of each head's output, by Captum's LayerGradientXActivation at the z site."""

from __future__ import annotations

from typing import ClassVar

import torch
from captum.attr import LayerGradientXActivation
from torch import Tensor

from auditor.measures.attribution.method import ByBatch, HeadAttribution
from auditor.measures.attribution.score import Explained
from auditor.measures.expectations import HEAD_SCORES
from auditor.records import Expected
from auditor.records.theory import Aspect, Dependence


class HeadGradientXActivation(HeadAttribution, ByBatch):
    """Σ over positions and d_v of z · ∂score/∂z: the first-order effect of setting a head's z to zero.

    The zero of z is a matter of convention (a value bias moves it), so this is as free as zero ablation.
    """

    version = 1
    smallest_plan = "standard"
    summary = "product of the head's output z with the score's gradient in it"
    higher_means = "the head's output points where the score rises"
    source = "Michel et al. 2019, arXiv 1905.10650, equation 2; Captum LayerGradientXActivation"
    depends_on: ClassVar[Dependence] = {**HEAD_SCORES, Aspect.VALUE_ZERO: Expected.FREE}

    def attribute(self, batch: Explained) -> Tensor:
        """Captum's products at the z of all layers in one pass, summed over positions and features."""
        sites = [attention.z_site for attention in batch.model.attentions]
        found: list[Tensor] = LayerGradientXActivation(batch.of_rows, sites).attribute(batch.row)
        return torch.cat([layer.detach().sum(dim=(1, 3)) for layer in found], dim=1)
