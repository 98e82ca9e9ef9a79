"""Path patching from head to head: the method's own runs on clean and corrupt inputs, differentiable in the weights."""

from __future__ import annotations

from torch import Tensor

from auditor.canonical.interventions import run_with_cache
from auditor.canonical.model import CanonicalTransformer
from auditor.measures.patching.pairs import corrupted_pairs
from auditor.measures.patching.paths import Runs, head_to_head
from auditor.measures.untouched import SITES, Piece
from auditor.twins.targets.surrogate import Components, first_rows

ROWS = 24
"""Sequences of a batch that are paired with corrupt ones."""


def head_paths(model: CanonicalTransformer, piece: Piece, components: Components) -> Tensor:
    """Margin lost when a head's corrupt z reaches one later head alone, [sequence, head, to_head]."""
    pairs = corrupted_pairs(first_rows(piece, ROWS).part)
    (logits, clean), (_, corrupt) = (
        run_with_cache(model, one.tokens, sites=SITES) for one in (pairs.clean, pairs.corrupt)
    )
    return head_to_head(Runs(model, pairs.clean, logits, clean, corrupt), components)
