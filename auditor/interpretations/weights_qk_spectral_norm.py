"""The strongest direction of a head's QK circuit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch

from auditor.contracts import InterpretationMethod, Request
from auditor.measures.circuits import qk_circuits, spectral_norms
from auditor.measures.expectations import head_scores
from auditor.records import Expected, Interpretation


class QkSpectralNorm(InterpretationMethod):
    """σ₁ of W_Q W_Kᵀ per head: the largest score between a query's and a key's vector of length 1."""

    version = 1
    family = "weights"
    summary = "largest singular value of the head's query–key circuit W_Q W_Kᵀ"
    unit = "weight norm"
    higher_means = "the head can choose more sharply along its strongest direction"
    source = "Elhage et al. 2021, A Mathematical Framework for Transformer Circuits, QK circuits"
    claims = ("value", "rank")
    distance = "relative_change"
    expected: ClassVar[Mapping[str, Expected]] = head_scores(
        exact_norm_folding=Expected.CHANGES,
        exact_norm_null_shift=Expected.CHANGES,
        exact_residual_rotation=Expected.CHANGES,
        exact_head_splitting=Expected.RELABELLED,
    )

    @torch.no_grad()
    def interpret(self, request: Request) -> Interpretation:
        """Scores [head]; reads weights only."""
        model = request.model
        scores = spectral_norms(qk_circuits(model))
        return Interpretation(self.name, ("head",), model.architecture.heads, scores.double().numpy())
