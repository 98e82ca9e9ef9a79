"""The size of a head's QK circuit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch

from auditor.contracts import InterpretationMethod, Request
from auditor.measures.circuits import frobenius_norms, qk_circuits
from auditor.measures.expectations import head_scores
from auditor.records import Expected, Interpretation


class QkNorm(InterpretationMethod):
    """‖W_Q W_Kᵀ‖_F per head."""

    version = 1
    family = "weights"
    summary = "Frobenius norm of the head's query–key circuit W_Q W_Kᵀ"
    unit = "weight norm"
    higher_means = "the head can choose more sharply"
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
        scores = frobenius_norms(qk_circuits(model))
        return Interpretation(self.name, ("head",), model.architecture.heads, scores.double().numpy())
