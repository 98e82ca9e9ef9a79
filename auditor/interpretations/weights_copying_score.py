"""Whether a head copies: the eigenvalues of its circuit from token to logits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch

from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import InterpretationMethod, Request
from auditor.measures.circuits import copying_scores
from auditor.measures.expectations import head_scores
from auditor.records import Expected, Interpretation


class CopyingScore(InterpretationMethod):
    """Σ λ / Σ |λ| over the eigenvalues λ of W_E W_V W_O W_U, per head, on raw weights: no norms, no biases."""

    version = 1
    smallest_plan = "standard"
    family = "weights"
    summary = "sum over absolute sum of the eigenvalues of the full OV circuit W_E W_V W_O W_U"
    unit = "share of the eigenvalues"
    higher_means = "the head copies more of the tokens that it looks at"
    source = "Elhage et al. 2021, A Mathematical Framework for Transformer Circuits, Detecting copying behavior"
    claims = ("value", "rank")
    distance = "relative_change"
    expected: ClassVar[Mapping[str, Expected]] = head_scores(
        exact_head_splitting=Expected.RELABELLED,
        exact_norm_folding=Expected.CHANGES,
        exact_centred_writing=Expected.CHANGES,
        exact_mean_direction_writing=Expected.CHANGES,
        exact_norm_null_shift=Expected.CHANGES,
        exact_residual_rotation=Expected.CHANGES,
        exact_embedding_trade=Expected.CHANGES,
        exact_logit_shift=Expected.CHANGES,
    )

    def not_applicable(self, model: CanonicalTransformer) -> str | None:
        """Needs one vector per token at both ends."""
        if model.architecture.is_classifier:
            return "a classifier has no logits of tokens"
        if model.architecture.embedding != "token":
            return "a token has a vector for each depth, so its circuit to the logits has no eigenvalues"
        return None

    @torch.no_grad()
    def interpret(self, request: Request) -> Interpretation:
        """Scores [head]; reads weights only."""
        model = request.model
        scores = copying_scores(model)
        return Interpretation(self.name, ("head",), model.architecture.heads, scores.double().numpy())
