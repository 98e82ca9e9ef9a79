"""Writes to the residual stream without effect, and constants that two tables share, are set to zero."""

from __future__ import annotations

from auditor.canonical.model import CanonicalTransformer
from auditor.symmetries.mean_blind_writers import mean_blind_writers


def centre_writes(model: CanonicalTransformer) -> None:
    """Mean 0 over features for every table whose mean only LayerNorms read, which remove it."""
    for writer in mean_blind_writers(model):
        for table in writer.tables:
            table.sub_(table.mean(-1, keepdim=True))


def centre_position_table(model: CanonicalTransformer) -> None:
    """Mean 0 over positions: W_E + c and W_pos − c give the same sum. A tied table is read at the end, too."""
    if model.architecture.positions != "learned" or model.architecture.tied_unembedding:
        return
    mean = model.W_pos.mean(0)
    model.W_pos.sub_(mean)
    model.W_E.add_(mean)
