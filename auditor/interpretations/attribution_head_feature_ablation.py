"""Ablation of each head, by Captum's LayerFeatureAblation at the z site."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from captum.attr import LayerFeatureAblation
from torch import Tensor

from auditor.behaviour.input_batch import InputBatch
from auditor.canonical.model import CanonicalTransformer
from auditor.canonical.sites import Site
from auditor.measures.attribution.method import PERTURBATIONS, Attributor, HeadAttribution
from auditor.measures.attribution.presence import mean_activations
from auditor.measures.attribution.score import Explained
from auditor.measures.expectations import HEAD_SCORES
from auditor.records.theory import Dependence


class HeadFeatureAblation(HeadAttribution):
    """score − score with the head's z set to its mean over all tokens of the sequences attributed.

    Signed, unlike the divergence that ablations report: a head that hurts the right bracket scores below zero.
    """

    version = 1
    summary = "fall of the score when the head's output z is set to its mean"
    higher_means = "the score needs the head more"
    source = "Wang et al. 2022, arXiv 2211.00593, section 2.1 (means); Captum LayerFeatureAblation"
    depends_on: ClassVar[Dependence] = HEAD_SCORES
    copies = PERTURBATIONS

    def attributor(self, model: CanonicalTransformer, seen: InputBatch, generator: np.random.Generator) -> Attributor:
        """Captum's ablation of z, one group of features per head."""
        del generator
        means = mean_activations(model, seen, Site.Z)

        def attribute(batch: Explained) -> Tensor:
            columns = []
            for attention, mean in zip(model.attentions, means, strict=True):
                shape = (1, batch.tokens.shape[1], *mean.shape)
                found: Tensor = LayerFeatureAblation(batch.of_rows, attention.z_site).attribute(
                    batch.row,
                    layer_baselines=mean.expand(shape),
                    layer_mask=torch.arange(len(mean))[:, None].expand(shape),
                    perturbations_per_eval=PERTURBATIONS,
                )
                columns.append(found[:, 0, :, 0])  # each entry of a group carries the effect of the whole group
            return torch.cat(columns, dim=1)

        return attribute
