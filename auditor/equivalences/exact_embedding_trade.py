"""Move a constant from the position table to the token table: W_E → W_E + c, W_pos → W_pos − c."""

from __future__ import annotations

import torch

from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import Equivalence, Transformed, TransformRequest
from auditor.records import Kind
from auditor.records.theory import Aspect

SIZE = 3.0
"""Length of c per feature, in root mean squares of the token table."""

FLOOR = 0.1
"""Root mean square taken for a table of zeros."""


class EmbeddingTrade(Equivalence):
    """Every input is a token's row plus a position's row, so a constant may stand in either.

    All rows trade, padding and unused positions too: no input ever shows one table without the other.
    """

    version = 1
    kind = Kind.EXACT
    changes = frozenset({Aspect.TOKEN_VECTORS})
    smallest_plan = "quick"
    summary = "adds a constant to every token vector and subtracts it from every position vector"
    needs = "learned positions and an unembedding of its own"
    source = "this package; associativity of the sum of token and position vectors"

    def not_applicable(self, model: CanonicalTransformer) -> str | None:
        """Needs two tables that are only ever seen as a sum."""
        if model.architecture.positions != "learned":
            return f"the model has no learned position table to trade with (positions: {model.architecture.positions})"
        if model.architecture.tied_unembedding:
            return "the tied unembedding reads the token table without the positions"
        return None

    @torch.no_grad()
    def transform(self, request: TransformRequest) -> Transformed:
        """A random c, a few times as long as a token vector."""
        model, generator = request.model, request.generator
        twin = model.clone()
        size = SIZE * max(float(twin.W_E.square().mean().sqrt()), FLOOR)
        constant = torch.from_numpy(generator.normal(0.0, size, size=model.architecture.model_width)).to(twin.W_E)
        twin.W_E.add_(constant)
        twin.W_pos.sub_(constant)
        return Transformed(twin)
