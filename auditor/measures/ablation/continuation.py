"""Run a model on from an edited write: later layers only, and in the last one only where outputs are read."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from auditor.canonical.interventions import Cache
from auditor.canonical.model import CanonicalTransformer
from auditor.canonical.sites import Site
from auditor.measures.untouched import Piece


@dataclass(frozen=True)
class Continuation:
    """One untouched pass over sequences run together, and what it takes to go on from any write of it.

    ``outputs`` [place] are the positions read in the flattened [batch · position]; ``untouched`` are the logits there,
    or one row for each string where a classifier reads their mean. A *place* is a flattened position that is still
    needed: all of them before the last layer's attention, those that are read after it.
    """

    model: CanonicalTransformer
    cache: Cache
    blocked: Tensor
    outputs: Tensor
    untouched: Tensor

    @property
    def shape(self) -> tuple[int, int]:
        """(batch, position)."""
        batch, position = self.cache[Site.RESIDUAL, 0].shape[:2]
        return batch, position

    def at(self, site: Site, layer: int) -> Tensor:
        """The untouched activation at the places that matter after this layer's attention, [place, …]."""
        return self.needed(layer, self.cache[site, layer])

    def needed(self, layer: int, values: Tensor) -> Tensor:
        """[batch, position, …] → [place, …]: every position, or the outputs in the last layer."""
        flat = values.flatten(0, 1)
        return self._read(flat) if layer == self.model.architecture.layers - 1 else flat

    def after_attention(self, layer: int, write: Tensor) -> Tensor:
        """Logits [edit, output, vocabulary] when the attention of ``layer`` writes ``write`` [edit, place, model]."""
        block = self.model.block(layer)
        x = block.add_attention(self.at(Site.RESIDUAL, layer), write)
        return self._later_layers(layer, block.mlp_half(x))

    def after_mlp(self, layer: int, write: Tensor) -> Tensor:
        """Logits [edit, output, vocabulary] when the MLP of ``layer`` writes ``write`` [edit, place, model]."""
        block = self.model.block(layer)
        x = block.add_attention(self.at(Site.RESIDUAL, layer), self.at(Site.ATTENTION_OUT, layer))
        _, past = block.mlp_input(x)
        return self._later_layers(layer, block.add_mlp(past, write))

    def _later_layers(self, layer: int, x: Tensor) -> Tensor:
        """From the stream after ``layer``, [edit, place, model]."""
        model, edits, (batch, length) = self.model, len(x), self.shape
        last = model.architecture.layers - 1
        is_shared = self.blocked.dim() == 2 or len(self.blocked) == 1
        blocked = self.blocked if is_shared else self.blocked.repeat(edits, 1, 1, 1)
        for index in range(layer + 1, last + 1):
            block = model.block(index)
            stream = x.reshape(edits * batch, length, -1)
            read = self._column if index == last else None
            a = block.attention.fast(block.normed("attention_in", stream), blocked, read=read)
            if index == last:
                a = a.reshape(edits, -1, a.shape[-1])
                x, a = self._read(x, dim=1), a if read is not None else self._read(a, dim=1)
            else:
                a = a.view_as(x)
            x = block.mlp_half(block.add_attention(x, a))
        return self._pooled(model.unembed(x))

    @property
    def _column(self) -> int | None:
        """The one position that all strings are read at, if there is one."""
        batch, length = self.shape
        columns = self.outputs % length
        return int(columns[0]) if len(columns) == batch and bool((columns == columns[0]).all()) else None

    def _pooled(self, logits: Tensor) -> Tensor:
        """[edit, place, class] → [edit, string, class], where a classifier reads a mean."""
        if self.model.architecture.read_out != "mean":
            return logits
        batch, length = self.shape
        rows = self.outputs // length
        share = 1.0 / torch.bincount(rows, minlength=batch)[rows].to(logits)
        return logits.new_zeros(len(logits), batch, logits.shape[2]).index_add_(1, rows, logits * share[:, None])

    def _read(self, flat: Tensor, dim: int = 0) -> Tensor:
        return flat if len(self.outputs) == flat.shape[dim] else flat.index_select(dim, self.outputs)


def continuation(model: CanonicalTransformer, piece: Piece, where: Tensor) -> Continuation:
    """How to go on from an untouched pass.

    A language model is read at ``where`` [batch, position], a classifier where it is read anyway.
    """
    if model.architecture.is_classifier:
        where, untouched = model.read_positions(piece.part.tokens), piece.logits
        outputs = where.flatten().nonzero().flatten()
    else:
        outputs, flat = where.flatten().nonzero().flatten(), piece.logits.flatten(0, 1)
        untouched = flat if len(outputs) == len(flat) else flat[outputs]
    return Continuation(model, piece.cache, _blocked(model, piece.part.tokens), outputs, untouched)


def _blocked(model: CanonicalTransformer, tokens: Tensor) -> Tensor:
    """Where queries may not look; one mask for all sequences where that will do: the future also hides padding."""
    if model.architecture.causal:
        return torch.ones(tokens.shape[1], tokens.shape[1], dtype=torch.bool, device=tokens.device).triu(1)
    blocked = model.blocked(tokens)
    return blocked if bool((blocked != blocked[:1]).any()) else blocked[:1]
