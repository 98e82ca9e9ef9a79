"""Add multiples of the all-ones vector to what is written to the residual stream."""

from __future__ import annotations

import numpy as np
import torch

from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import Equivalence, Transformed, TransformRequest
from auditor.records import Kind
from auditor.records.theory import Aspect
from auditor.symmetries.mean_blind_writers import mean_blind_writers

SIZE = 2.0
"""Standard deviation of the multiples, in root mean squares of the writer's tables."""

FLOOR = 0.1
"""Root mean square taken for a writer of zeros."""


class MeanDirectionWriting(Equivalence):
    """t → t + r 1ᵀ with any r, for every table t that is written where only LayerNorms read: they subtract it again.

    The opposite of centring.
    """

    version = 1
    kind = Kind.EXACT
    changes = frozenset({Aspect.STREAM_WRITES})
    smallest_plan = "quick"
    summary = "adds random multiples of the all-ones vector to all that is written where only LayerNorms read"
    needs = "a map that writes where every path on goes through a LayerNorm"
    source = "Ba et al. 2016, arXiv 1607.06450, section 5.1 (invariance to re-centring)"

    def not_applicable(self, model: CanonicalTransformer) -> str | None:
        """Some reader must not see the mean."""
        if model.architecture.norm != "layer" or not model.architecture.norm_sites:
            return "the model has no LayerNorm, and nothing else removes a mean"
        if not mean_blind_writers(model):
            return "whatever is written, some reader gets it without a LayerNorm between"
        return None

    @torch.no_grad()
    def transform(self, request: TransformRequest) -> Transformed:
        """A random multiple for each row of each table; ``parameters["writers"]`` names the writers."""
        model, generator = request.model, request.generator
        twin = model.clone()
        writers = mean_blind_writers(twin)
        for writer in writers:
            size = max(float(writer.tables[0].square().mean().sqrt()), FLOOR)
            for table in writer.tables:
                multiple = np.asarray(generator.normal(0.0, SIZE * size, size=tuple(table.shape[:-1])))
                table.add_(torch.from_numpy(multiple).to(table)[..., None])
        return Transformed(twin, parameters={"writers": [writer.name for writer in writers]})
