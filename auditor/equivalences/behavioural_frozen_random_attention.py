"""A twin that gives the same answers while the last layer attends by random maps."""

from __future__ import annotations

import math

import numpy as np
import torch

from auditor.canonical.model import Attention, CanonicalTransformer
from auditor.contracts import Equivalence, Transformed, TransformRequest
from auditor.records import Kind
from auditor.records.values import whole
from auditor.twins.distillation_data import why_not_taught
from auditor.twins.fixed_attention import STEPS, with_fixed_attention

SCALE = 1.0
"""Size of the random weights of the first attempt, in those of an untrained model: N(0, 1/width)."""


class FrozenRandomAttention(Equivalence):
    """W_Q and W_K of the last layer are drawn anew and frozen, their biases are 0; all other weights are distilled.

    Each further attempt halves the random weights, which brings attention closer to uniform and the twin closer to
    the balance condition under which answers do not depend on length (Wen et al. 2023, theorem 1).
    """

    version = 1
    kind = Kind.BEHAVIOURAL
    summary = "same answers, but the last layer attends by random W_Q and W_K that were never trained"
    needs = "a layer of attention"
    promise = "held-out KL, disagreement and closing accuracy within the margins of its certificate"
    source = "after Wen et al. 2023, arXiv 2312.01429, section 3.1 and 4.1 (attention that need not be learned)"

    def not_applicable(self, model: CanonicalTransformer) -> str | None:
        """Classifiers are not distilled."""
        return why_not_taught(model)

    def transform(self, request: TransformRequest) -> Transformed:
        """The trained twin in float32; ``parameters`` says the steps and restarts."""
        model, generator, parameters, progress = request.model, request.generator, request.parameters, request.progress
        best = with_fixed_attention(model, _randomise, parameters=parameters, generator=generator, progress=progress)
        report = {
            "layer": model.architecture.layers - 1,
            "steps": whole(parameters, "steps", STEPS),
            "scale": _scale(best.chosen),
            **best.to_json(),
        }
        return Transformed(best.model, parameters=report)


def _scale(attempt: int) -> float:
    return SCALE * 0.5**attempt


def _randomise(attention: Attention, attempt: int, generator: np.random.Generator) -> None:
    for weight in (attention.W_Q, attention.W_K):
        drawn = generator.normal(scale=_scale(attempt) / math.sqrt(len(weight)), size=tuple(weight.shape))
        weight.copy_(torch.from_numpy(drawn))
    attention.b_Q.zero_()
    attention.b_K.zero_()
