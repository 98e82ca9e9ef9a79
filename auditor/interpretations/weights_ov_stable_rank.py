"""How many directions a head's OV circuit uses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch

from auditor.contracts import InterpretationMethod, Request
from auditor.measures.circuits import ov_circuits, stable_ranks
from auditor.measures.expectations import head_scores
from auditor.records import Expected, Interpretation


class OvStableRank(InterpretationMethod):
    """‖M‖²_F / σ₁² of M = W_V W_O per head, from 1 to the value width."""

    version = 1
    family = "weights"
    summary = "stable rank of the head's value–output circuit W_V W_O"
    unit = "directions"
    higher_means = "the head moves more kinds of information"
    source = "Rudelson & Vershynin 2007, arXiv math/0503442, section 1 (stable rank)"
    claims = ("value", "rank")
    distance = "relative_change"
    expected: ClassVar[Mapping[str, Expected]] = head_scores(
        exact_norm_folding=Expected.CHANGES,
        exact_centred_writing=Expected.CHANGES,
        exact_mean_direction_writing=Expected.CHANGES,
        exact_norm_null_shift=Expected.CHANGES,
        exact_residual_rotation=Expected.CHANGES,
        exact_head_splitting=Expected.RELABELLED,
    )

    @torch.no_grad()
    def interpret(self, request: Request) -> Interpretation:
        """Scores [head]; reads weights only."""
        model = request.model
        scores = stable_ranks(ov_circuits(model))
        return Interpretation(self.name, ("head",), model.architecture.heads, scores.double().numpy())
