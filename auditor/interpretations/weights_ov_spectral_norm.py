"""The strongest direction of a head's OV circuit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch

from auditor.contracts import InterpretationMethod, Request
from auditor.measures.circuits import ov_circuits, spectral_norms
from auditor.measures.expectations import head_scores
from auditor.records import Expected, Interpretation


class OvSpectralNorm(InterpretationMethod):
    """σ₁ of W_V W_O per head: the longest vector that it writes for a vector of length 1."""

    version = 1
    family = "weights"
    summary = "largest singular value of the head's value–output circuit W_V W_O"
    unit = "weight norm"
    higher_means = "the head can write more along its strongest direction"
    source = "Elhage et al. 2021, A Mathematical Framework for Transformer Circuits, OV circuits"
    claims = ("value", "rank")
    distance = "relative_change"
    expected: ClassVar[Mapping[str, Expected]] = head_scores(
        exact_norm_folding=Expected.CHANGES,
        exact_centred_writing=Expected.CHANGES,
        exact_mean_direction_writing=Expected.CHANGES,
        exact_norm_null_shift=Expected.CHANGES,
        exact_residual_rotation=Expected.CHANGES,
    )

    @torch.no_grad()
    def interpret(self, request: Request) -> Interpretation:
        """Scores [head]; reads weights only."""
        model = request.model
        scores = spectral_norms(ov_circuits(model))
        return Interpretation(self.name, ("head",), model.architecture.heads, scores.double().numpy())
