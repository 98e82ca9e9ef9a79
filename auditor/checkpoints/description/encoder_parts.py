"""The parts of a model around torch.nn.TransformerEncoder, guessed from names, shapes and values.

What is found fills a description in advance; the user checks it, and ``--reference`` shows a wrong guess.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from auditor.records import Json

_LAYER = re.compile(r"^(.*?)layers\.\d{1,6}\.self_attn\.in_proj_weight$")
_POSITIONS = re.compile(r"pos|(^|\.)[pw]pe(\.|$)", re.IGNORECASE)
_EMBEDDING = re.compile(r"emb", re.IGNORECASE)
_READ_OUT = re.compile(r"head|classifier|decoder|unembed|output|(^|\.)(out|fc|proj|linear)", re.IGNORECASE)


def parts_of(tensors: Mapping[str, Tensor]) -> dict[str, Json]:
    """Facts of the sections ``model``, ``names`` and ``read_out``, by dotted name."""
    encoder = next((found[1] for name in tensors if (found := _LAYER.match(name))), "")
    width = tensors[f"{encoder}layers.0.linear2.bias"].shape[0] if f"{encoder}layers.0.linear2.bias" in tensors else 0
    if not width:
        return {}
    outside = {n: t for n, t in sorted(tensors.items()) if not n.startswith(f"{encoder}layers.")}
    facts: dict[str, Json] = {"names.encoder": encoder.rstrip(".")} if encoder else {}
    facts["model.bias"] = f"{encoder}layers.0.self_attn.in_proj_bias" in tensors
    norms = list(_norms(outside, width))
    behind = next((name for name in norms if _EMBEDDING.search(name)), None)
    if behind is not None:
        facts["names.embedding_norm"] = behind
    norm = next((name for name in norms if name != behind), None)
    facts["model.final_norm"] = norm is not None
    if norm is not None and norm != f"{encoder}norm":
        facts["names.final_norm"] = norm
    return {**facts, **_tables(outside, width), **_buffers(outside, width)}


def _tables(outside: Mapping[str, Tensor], width: int) -> dict[str, Json]:
    facts: dict[str, Json] = {}
    tables = [name for name, tensor in outside.items() if _is_table(tensor, width)]
    positions = [name for name in tables if _POSITIONS.search(name)]
    if positions:  # without a table they may be sinusoidal, which leaves no trace
        facts |= {"model.positions": "learned", "names.positions": positions[0]}
    others = [name for name in tables if name not in positions and outside[name].dim() == 2]
    heads = [name for name in others if _READ_OUT.search(name)] or others[1:]
    embeddings = [name for name in others if name not in heads]
    if embeddings:
        facts["names.embedding"] = embeddings[0]
    read_out = heads[0] if heads else embeddings[0] if embeddings else None
    if read_out is not None:
        facts["names.read_out"] = read_out
        bias = f"{read_out.removesuffix('.weight')}.bias"
        if bias in outside and outside[bias].shape == outside[read_out].shape[:1]:
            facts["names.read_out_bias"] = bias
        if embeddings and len(outside[read_out]) != len(outside[embeddings[0]]):
            facts["read_out.classes"] = len(outside[read_out])
    return facts


def _buffers(outside: Mapping[str, Tensor], width: int) -> dict[str, Json]:
    """Tensors that cannot be weights, and the direction that follows from a triangular one."""
    square = [t for t in outside.values() if t.dim() >= 2 and t.shape[-1] == t.shape[-2] and not _is_table(t, width)]
    ignored: list[Json] = [
        name
        for name, tensor in sorted(outside.items())
        if not tensor.dtype.is_floating_point
        or not bool(torch.isfinite(tensor).all())
        or any(tensor is s for s in square)
    ]
    facts: dict[str, Json] = {"names.ignore": ignored} if ignored else {}
    if any(_is_triangular(tensor) for tensor in square):
        facts["model.attention"] = "causal"
    return facts


def _is_table(tensor: Tensor, width: int) -> bool:
    shape = tuple(tensor.shape)
    is_matrix = len(shape) == 2 or (len(shape) == 3 and 1 in shape[:2])
    return is_matrix and shape[-1] == width and tensor.dtype.is_floating_point and bool(torch.isfinite(tensor).all())


def _is_triangular(tensor: Tensor) -> bool:
    """Whether the values above the diagonal are all alike, and others than those below it."""
    size = tensor.shape[-1]
    matrix = tensor.reshape(-1, size, size)[0]
    above = torch.ones(size, size, dtype=torch.bool).triu(1)
    if size < 2:
        return False
    masked = matrix[above][0]
    return bool((matrix[above] == masked).all()) and not bool((matrix[~above] == masked).any())


def _norms(outside: Mapping[str, Tensor], width: int) -> Iterator[str]:
    """Names in front of vectors of the model's width: gains."""
    for name, tensor in outside.items():
        if name.endswith(".weight") and tuple(tensor.shape) == (width,):
            yield name.removesuffix(".weight")
