"""Which maps may add a constant to all features without effect: every path from them goes through a LayerNorm.

LayerNorm subtracts the mean over the model width, so a multiple of the all-ones vector added before it is lost.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from auditor.canonical.architecture import Architecture
from auditor.canonical.model import Attention, CanonicalTransformer


@dataclass(frozen=True)
class Writer:
    """Tables that are written to the residual stream; the last axis of each is the model width."""

    name: str
    tables: tuple[Tensor, ...]


def mean_blind_writers(model: CanonicalTransformer) -> tuple[Writer, ...]:
    """All writers whose mean over features no reader sees, from the last layer to the embedding.

    Without an output map only a single head is a writer by itself (several share the features between them); a tied
    embedding is left out, since the unembedding would change with it.
    """
    architecture, writers = model.architecture, []
    if architecture.norm != "layer":
        return ()
    is_blind = architecture.has_norm("final")
    for layer in reversed(range(architecture.layers)):
        block = model.block(layer)
        at_write = is_blind or architecture.has_norm("mlp_out")
        if block.mlp is not None and at_write:
            writers.append(Writer(f"MLP of layer {layer}", (block.mlp.W_out, block.mlp.b_out)))
        at_middle = is_blind if architecture.mlp == "none" else _is_blind_before_mlp(architecture, at_write)
        at_write = at_middle or architecture.has_norm("attention_out")
        if at_write and (tables := _attention_tables(block.attention)):
            writers.append(Writer(f"attention of layer {layer}", tables))
        is_blind = architecture.has_norm("attention_in") and (at_write or not architecture.attention_residual)
    is_blind = is_blind or architecture.has_norm("embedding")
    if is_blind and not architecture.tied_unembedding:
        writers.append(Writer("token table", (model.W_E,)))
    if is_blind and architecture.positions == "learned":
        writers.append(Writer("position table", (model.W_pos,)))
    return tuple(writers)


def _is_blind_before_mlp(architecture: Architecture, at_write: bool) -> bool:
    """Whether a constant added to what enters the MLP half is lost, given whether one added to its output is."""
    is_linear = architecture.mlp == "identity"
    if architecture.mlp_input_residual:
        return is_linear and at_write
    through_mlp = architecture.has_norm("mlp_in") or (is_linear and at_write)
    return through_mlp and (at_write or not architecture.mlp_residual)


def _attention_tables(attention: Attention) -> tuple[Tensor, ...]:
    if attention.W_O is not None and attention.b_O is not None:
        return attention.W_O, attention.b_O
    return (attention.W_V, attention.b_V) if attention.W_V.shape[1] == 1 else ()
