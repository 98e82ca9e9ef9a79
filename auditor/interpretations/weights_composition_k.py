"""Key composition: how much of what a head writes the keys of later heads read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import torch

from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import InterpretationMethod, Request
from auditor.measures.circuits import k_compositions
from auditor.measures.expectations import head_scores
from auditor.records import Expected, Interpretation


class KeyComposition(InterpretationMethod):
    """‖W_V¹ W_O¹ M²‖_F / (‖W_V¹ W_O¹‖_F ‖M²‖_F) with M = W_K W_Qᵀ, from each head to each later one, 0 to all others.

    On raw weights: the norm between the two is left out.
    """

    version = 1
    family = "weights"
    summary = "share of the head's value–output circuit that the keys of later heads read"
    unit = "share of the norms"
    higher_means = "the later head's keys read more of what the head writes"
    source = "Elhage et al. 2021, A Mathematical Framework for Transformer Circuits, Q-, K- and V-Composition"
    claims = ("pattern",)
    distance = "frobenius"
    expected: ClassVar[Mapping[str, Expected]] = head_scores(
        exact_norm_folding=Expected.CHANGES,
        exact_centred_writing=Expected.CHANGES,
        exact_mean_direction_writing=Expected.CHANGES,
        exact_norm_null_shift=Expected.CHANGES,
        exact_residual_rotation=Expected.CHANGES,
        exact_head_splitting=Expected.RELABELLED,
    )

    def not_applicable(self, model: CanonicalTransformer) -> str | None:
        """Needs a later layer that reads what an earlier one writes."""
        architecture = model.architecture
        if architecture.layers == 1:
            return "with one layer no head reads another"
        if architecture.mlp == "two_layer" and not architecture.mlp_residual:
            return "what a head writes reaches later heads through the MLP only"
        return None

    @torch.no_grad()
    def interpret(self, request: Request) -> Interpretation:
        """Scores [head, to_head]; reads weights only. Heads of the last layer are undefined."""
        model = request.model
        heads, last = model.architecture.heads, model.architecture.layers - 1
        scores = k_compositions(model).double().numpy()
        undefined = {index: "no later head reads it" for index, head in enumerate(heads) if head.layer == last}
        scores[list(undefined)] = np.nan
        return Interpretation(self.name, ("head", "to_head"), heads, scores, undefined)
