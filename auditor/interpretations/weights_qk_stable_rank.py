"""How many directions a head's QK circuit uses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch

from auditor.contracts import InterpretationMethod, Request
from auditor.measures.circuits import qk_circuits, stable_ranks
from auditor.measures.expectations import head_scores
from auditor.records import Expected, Interpretation


class QkStableRank(InterpretationMethod):
    """‖M‖²_F / σ₁² of M = W_Q W_Kᵀ per head, from 1 to the query width."""

    version = 1
    family = "weights"
    summary = "stable rank of the head's query–key circuit W_Q W_Kᵀ"
    unit = "directions"
    higher_means = "the head matches more features at once"
    source = "Rudelson & Vershynin 2007, arXiv math/0503442, section 1 (stable rank)"
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
        scores = stable_ranks(qk_circuits(model))
        return Interpretation(self.name, ("head",), model.architecture.heads, scores.double().numpy())
