"""A forward pass in which every reader reads its own version of the residual stream."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from auditor.canonical.model import Attention, CanonicalTransformer, Layer
from auditor.measures.ablation.edits import head_writes
from auditor.measures.edges.graph import Graph, Step
from auditor.tensors import Logits, Mask, Residual

Reads = Callable[[Step, Residual, list[Residual]], Tensor]
"""(step, the stream there, all writes before it) → what each reader of the step reads, [batch, position, reader,
model]."""


@dataclass(frozen=True)
class Pass:
    """One forward pass."""

    logits: Logits  # [batch, position, vocabulary]
    writes: list[Residual]  # of each writer


def run(
    model: CanonicalTransformer,
    graph: Graph,
    embedded: Residual,
    tokens: Tensor,
    reads: Reads,
    *,
    known: Sequence[Residual] = (),
) -> Pass:
    """The model on input vectors ``embedded`` [batch, position, model]; equal to its own pass but for ``reads``.

    ``tokens`` say what is padding. ``known`` are the writes of the parts that come before anything changes, behind that
    of the embedding: they are not computed again.
    """
    blocked, writes, x = model.blocked(tokens), [embedded], embedded
    steps = iter(graph.steps)
    for layer in range(model.architecture.layers):
        block, step = model.block(layer), next(steps)
        count = len(block.attention.b_Q)
        if len(known) >= len(writes) - 1 + count:
            heads = torch.stack([*known[len(writes) - 1 : len(writes) - 1 + count]], 2)
        else:
            heads = _heads(block, reads(step, x, writes), blocked)
        writes += heads.unbind(2)
        x = x + heads.sum(2) + (0.0 if block.attention.b_O is None else block.attention.b_O)
        if block.mlp is not None:
            step = next(steps)
            if len(known) >= len(writes):
                writes.append(known[len(writes) - 1])
            else:
                writes.append(block.mlp(block.normed("mlp_in", reads(step, x, writes).squeeze(2)), layer, None))
            x = x + writes[-1]
    return Pass(model.unembed(reads(next(steps), x, writes).squeeze(2)), writes)


def unchanged(step: Step, stream: Residual, _writes: list[Residual]) -> Tensor:
    """Every reader reads the stream."""
    return stream[:, :, None].expand(-1, -1, len(step.readers), -1)


def cut(kept: Tensor, instead: list[Residual]) -> Reads:
    """Of every writer that is not ``kept`` [writer, reader] a reader reads what stands ``instead`` of its write."""

    def reads(step: Step, stream: Residual, writes: list[Residual]) -> Tensor:
        gone = (~kept[: step.writers, step.readers.start : step.readers.stop]).to(stream)
        used = gone.any(1).nonzero().flatten().tolist()
        found = unchanged(step, stream, writes)
        if not used:
            return found
        changes = torch.stack([instead[writer] - writes[writer] for writer in used], 2)
        return found + torch.einsum("bpwm,wr->bprm", changes, gone[used])

    return reads


def nudged(nudges: list[Tensor]) -> Reads:
    """What is read plus 0, by variables that are added to ``nudges``: the gradient in them is that of each reader."""

    def reads(step: Step, stream: Residual, writes: list[Residual]) -> Tensor:
        found = unchanged(step, stream, writes)
        nudges.append(torch.zeros_like(found, requires_grad=True))
        return found + nudges[-1]

    return reads


def _heads(block: Layer, read: Tensor, blocked: Mask) -> Tensor:
    """What each head writes, without the output bias, from what its query, key and value read (in this order)."""
    attention = block.attention
    y = block.normed("attention_in", read)
    q, k, v = (
        torch.einsum("bphm,mhd->bhpd", part, weight) + bias[:, None]
        for part, (weight, bias) in zip(y.chunk(3, dim=2), _maps(attention), strict=True)
    )
    if attention.rotary is not None:
        q, k = attention.rotary.turned(q), attention.rotary.turned(k)
    pattern = (q @ k.mT * attention.scale).masked_fill(blocked, -torch.inf).softmax(-1)
    return torch.einsum("bhqv,hvm->bqhm", pattern @ v, head_writes(attention))


def _maps(attention: Attention) -> tuple[tuple[Tensor, Tensor], ...]:
    return ((attention.W_Q, attention.b_Q), (attention.W_K, attention.b_K), (attention.W_V, attention.b_V))
