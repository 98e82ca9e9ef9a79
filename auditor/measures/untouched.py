"""The untouched pass of a model over its inputs, run once and read by every method that needs it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from auditor.behaviour.input_batch import InputBatch
from auditor.canonical.interventions import Cache, run_with_cache
from auditor.canonical.model import CanonicalTransformer
from auditor.canonical.sites import Site
from auditor.contracts import Request
from auditor.tensors import Logits

SITES = (Site.RESIDUAL, Site.PATTERN, Site.Z, Site.ATTENTION_OUT, Site.NEURON, Site.MLP_OUT)

KEPT_BYTES = 256 * 2**20
"""Activations kept for later readers; what is larger is run again by each of them."""

FEW_TOKENS = 4_096
"""Up to so many tokens, padding included, all sequences run together: calls cost more than padding."""


@dataclass(frozen=True)
class Piece:
    """Sequences that run together: their ``rows`` in the inputs, and all that the model computes on them."""

    rows: Tensor
    part: InputBatch
    logits: Logits
    cache: Cache  # of all SITES


class Untouched:
    """The model on the inputs, without any edit, without gradients."""

    def __init__(self, model: CanonicalTransformer, inputs: InputBatch) -> None:
        self.model, self.inputs = model, inputs

    def pieces(self) -> Iterator[Piece]:
        """All inputs, piece by piece: sequences of one length, so that nothing is spent on padding, or few of any."""
        return iter(self._kept) if self._is_small else self._run()

    def activations(self, rows: Tensor, site: Site, length: int) -> list[Tensor]:
        """Per layer the activation on the sequences ``rows``, [row, ``length``, …]; shorter ones are read round and
        round."""
        lengths = self.inputs.not_padding.sum(1)[rows]
        position = torch.arange(length) % lengths[:, None]
        if self._is_small:
            return [table[rows[:, None], position] for table in self._table(site)]
        some = Untouched(self.model, self.inputs.rows(rows))
        return [table[torch.arange(len(rows))[:, None], position] for table in some._table(site)]

    def _table(self, site: Site) -> list[Tensor]:
        """Per layer the activation on every sequence, [sequence, position, …]; without meaning on padding."""
        if site not in self._tables:
            layers = self.model.architecture.layers
            tables: list[Tensor] = []
            for piece in self.pieces():
                for layer in range(layers):
                    value = piece.cache[site, layer]
                    if len(tables) == layer:
                        tables.append(value.new_zeros(*self.inputs.tokens.shape, *value.shape[2:]))
                    tables[layer][piece.rows, : value.shape[1]] = value
            self._tables[site] = tables
        return self._tables[site]

    @cached_property
    def _tables(self) -> dict[Site, list[Tensor]]:
        return {}

    @cached_property
    def _kept(self) -> list[Piece]:
        return list(self._run())

    @cached_property
    def _is_small(self) -> bool:
        return _bytes(self.model, self.inputs) <= KEPT_BYTES

    @torch.no_grad()
    def _run(self) -> Iterator[Piece]:
        for rows, part in self._parts():
            logits, cache = run_with_cache(self.model, part.tokens, sites=SITES)
            yield Piece(rows, part, logits, cache)

    def _parts(self) -> Iterator[tuple[Tensor, InputBatch]]:
        inputs = self.inputs
        if self.model.hides_padding and 0 < inputs.tokens.numel() <= FEW_TOKENS:
            yield torch.arange(len(inputs)), inputs
        else:
            yield from inputs.unpadded()


def untouched(request: Request, *, most: int | None = None) -> Untouched:
    """The untouched pass that a request shares, over the first ``most`` of its inputs."""
    count = len(request.inputs) if most is None else min(most, len(request.inputs))

    def make() -> Untouched:
        inputs = request.inputs if count == len(request.inputs) else request.inputs.rows(slice(0, count))
        return Untouched(request.model, inputs)

    return request.shared.once(("untouched", count), make)


def untouched_reference(request: Request, *, most: int | None = None) -> Untouched:
    """The untouched pass over the inputs where means are taken: that of the inputs unless the request names others."""
    reference = request.reference
    if reference is None:
        return untouched(request, most=most)
    count = len(reference) if most is None else min(most, len(reference))
    rows = slice(0, count)
    return request.shared.once(("reference", count), lambda: Untouched(request.model, reference.rows(rows)))


def _bytes(model: CanonicalTransformer, inputs: InputBatch) -> int:
    """What all activations of all inputs take, about."""
    architecture, width = model.architecture, int(inputs.tokens.shape[1])
    numbers = sum(
        3 * architecture.model_width + block.heads * (block.value_width + width) + block.neurons
        for block in architecture.blocks
    )
    return int(inputs.not_padding.sum()) * numbers * model.dtype.itemsize
