"""A twin that gives the same answers while the last layer attends by random maps."""

from __future__ import annotations

import math

import numpy as np
import torch

from auditor.canonical.model import Attention
from auditor.contracts import Equivalence, Transformed, TransformRequest
from auditor.records import Kind
from auditor.twins.fixed_attention import with_fixed_attention

SCALE = 1.0
"""Size of the random weights of the first start, in those of an untrained model: N(0, 1/width)."""


class FrozenRandomAttention(Equivalence):
    """W_Q and W_K of the last layer are drawn anew and frozen, their biases are 0; all other weights are distilled.

    Each further start halves the random weights, which brings attention closer to uniform and the twin closer to
    the balance condition under which answers do not depend on length (Wen et al. 2023, theorem 1).
    """

    version = 5
    kind = Kind.BEHAVIOURAL
    summary = "same answers, but the last layer attends by random W_Q and W_K that were never trained"
    needs = "a layer of attention"
    source = "after Wen et al. 2023, arXiv 2312.01429, section 3.1 and 4.1 (attention that need not be learned)"

    def transform(self, request: TransformRequest) -> Transformed:
        """The trained twin in float32; ``parameters`` says the steps and restarts."""
        best, start = with_fixed_attention(request, _randomise)
        report = {
            "layer": best.model.architecture.layers - 1,
            "scale": _scale(start),
            **best.to_json(),
        }
        return Transformed(best.model, parameters=report)


def _scale(start: int) -> float:
    return SCALE * 0.5**start


def _randomise(attention: Attention, start: int, generator: np.random.Generator) -> None:
    for weight in (attention.W_Q, attention.W_K):
        drawn = generator.normal(scale=_scale(start) / math.sqrt(len(weight)), size=tuple(weight.shape))
        weight.copy_(torch.from_numpy(drawn))
    attention.b_Q.zero_()
    attention.b_K.zero_()
