"""Add the same number to all logits of an output."""

from __future__ import annotations

import torch

from auditor.contracts import Equivalence, Transformed, TransformRequest
from auditor.records import Compared, Kind
from auditor.records.theory import Aspect

SIZE = 3.0
"""Size of the shifts, in root mean squares of the unembedding, and of the constant, in logits."""

FLOOR = 0.1
"""Root mean square taken for an unembedding of zeros."""


class LogitShift(Equivalence):
    """W_U → W_U + r 1ᵀ, b_U → b_U + c: all logits at a position move by r·N(x) + c, which softmax ignores.

    A tied unembedding is left as it is; its bias moves.
    """

    version = 1
    kind = Kind.EXACT
    changes = frozenset({Aspect.LOGIT_ZERO})
    compares = Compared.LOG_PROBABILITIES
    smallest_plan = "quick"
    summary = "adds to all logits of an output the same number, another one at each input"
    needs = "nothing: logits are read through a softmax"
    source = "Goodfellow et al. 2016, Deep Learning, section 6.2.2.3 (softmax ignores a constant)"

    @torch.no_grad()
    def transform(self, request: TransformRequest) -> Transformed:
        """A random r and c."""
        model, generator = request.model, request.generator
        twin = model.clone()
        twin.b_U.add_(float(generator.normal(0.0, SIZE)))
        if twin.W_U is not None:
            size = SIZE * max(float(twin.W_U.square().mean().sqrt()), FLOOR)
            shift = torch.from_numpy(generator.normal(0.0, size, size=len(twin.W_U))).to(twin.W_U)
            twin.W_U.add_(shift[:, None])
        return Transformed(twin)
