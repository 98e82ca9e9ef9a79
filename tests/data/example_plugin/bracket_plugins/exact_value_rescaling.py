"""Rescale what each head carries."""

from __future__ import annotations

import numpy as np
import torch

from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import Equivalence, Transformed, TransformRequest
from auditor.records import Kind
from auditor.records.theory import Aspect


class ValueRescaling(Equivalence):
    """W_V → s W_V, b_V → s b_V, W_O → W_O / s for any s > 0: what the head writes, z W_O, stays."""

    version = 1
    kind = Kind.EXACT
    changes = frozenset({Aspect.VALUE_BASIS})
    smallest_plan = "quick"
    summary = "multiplies each head's values by a number and divides its output map by it"
    needs = "an output map"
    source = "Elhage et al. 2021, A Mathematical Framework for Transformer Circuits, OV circuits"

    def not_applicable(self, model: CanonicalTransformer) -> str | None:
        """Without W_O the values are the output."""
        return None if model.architecture.output_map else "the model has no output map to divide"

    @torch.no_grad()
    def transform(self, request: TransformRequest) -> Transformed:
        """A log-normal s per head."""
        twin = request.model.clone()
        for attention in twin.attentions:
            W_O, _ = attention.output
            drawn = np.exp(request.generator.normal(size=len(attention.b_V)))
            scale = torch.from_numpy(drawn).to(attention.b_V)
            attention.W_V.mul_(scale[:, None])
            attention.b_V.mul_(scale[:, None])
            W_O.div_(scale[:, None, None])
        return Transformed(twin)
