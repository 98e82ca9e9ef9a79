"""Ablation of each head, by Captum's LayerFeatureAblation at the z site."""

from __future__ import annotations

import torch
from captum.attr import LayerFeatureAblation
from torch import Tensor

from auditor.canonical.sites import Site
from auditor.contracts import Request
from auditor.measures.attribution.method import PERTURBATIONS, Attributed, HeadAttribution, by_batch
from auditor.measures.attribution.presence import mean_activations
from auditor.measures.attribution.score import Explained


class HeadFeatureAblation(HeadAttribution):
    """score − score with the head's z set to its mean over all tokens of the sequences attributed.

    Signed, unlike the divergence that ablations report: a head that lowers the score has a value below zero.
    """

    version = 1
    summary = "fall of the score when the head's output z is set to its mean"
    higher_means = "the score needs the head more"
    source = "Wang et al. 2022, arXiv 2211.00593, section 2.1 (means); Captum LayerFeatureAblation"

    def attributions(self, request: Request) -> Attributed:
        """Captum's ablation of z, one group of features per head."""
        means = mean_activations(request.model, request.inputs, Site.Z)

        def attribute(batch: Explained) -> Tensor:
            columns = []
            for attention, mean in zip(batch.model.attentions, means, strict=True):
                shape = (1, batch.tokens.shape[1], *mean.shape)
                found: Tensor = LayerFeatureAblation(batch.of_rows, attention.z_site).attribute(
                    batch.row,
                    layer_baselines=mean.expand(shape),
                    layer_mask=torch.arange(len(mean))[:, None].expand(shape),
                    perturbations_per_eval=PERTURBATIONS,
                )
                columns.append(found[:, 0, :, 0])  # each entry of a group carries the effect of the whole group
            return torch.cat(columns, dim=1)

        return Attributed(by_batch(request, attribute, copies=PERTURBATIONS))
