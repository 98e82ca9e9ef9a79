"""Language models and classifiers around torch's own TransformerEncoder."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tests.foreign.source import (
    CLASSES,
    LONGEST,
    PAD,
    READ_OUTS,
    SPELLINGS,
    TASK,
    VOCABULARY,
    Source,
    pick,
    read_at,
    scrambled,
)


class EncoderModel(nn.Module):
    """Embedding, positions, nn.TransformerEncoder and a read-out, as people write it."""

    def __init__(self, layer: nn.TransformerEncoderLayer, *, layers: int, norm: bool, width: int, facts: Any) -> None:
        super().__init__()
        self.facts = facts
        self.embed = nn.Embedding(len(SPELLINGS), width)
        if facts["positions"] == "learned":
            self.pos = nn.Embedding(LONGEST, width)
        if facts["embedding_norm"] != "none":
            self.embed_norm = nn.LayerNorm(width, bias=facts["bias"])
        self.encoder = nn.TransformerEncoder(
            layer, layers, norm=nn.LayerNorm(width, bias=facts["bias"]) if norm else None, enable_nested_tensor=False
        )
        self.head = nn.Linear(width, CLASSES if facts["classifier"] else len(SPELLINGS), bias=facts["head_bias"])

    def forward(self, tokens: Tensor) -> Tensor:
        facts, length = self.facts, tokens.shape[1]
        x = self.embed(tokens) * facts["scale"]
        if facts["embedding_norm"] == "before_positions":
            x = self.embed_norm(x)
        if facts["positions"] == "learned":
            x = x + self.pos.weight[:length]
        if facts["embedding_norm"] == "after_positions":
            x = self.embed_norm(x)
        mask = torch.ones(length, length, dtype=torch.bool).triu(1) if facts["causal"] else None
        padding = tokens == PAD if facts["pad_masked"] else None
        x = self.encoder(x, mask=mask, src_key_padding_mask=padding)
        out: Tensor = self.head(read_at(x, tokens, facts["read_out"]) if facts["classifier"] else x)
        return out


def torch_encoder(seed: int, **forced: Any) -> Source:
    """Any sizes; norms before or after; with and without biases, mask and positions. ``forced`` facts are not drawn."""
    draw = np.random.default_rng(seed)
    heads = int(draw.integers(1, 4))
    width, neurons, layers = heads * int(draw.integers(2, 5)), int(draw.integers(1, 9)), int(draw.integers(1, 4))
    facts = {
        "positions": pick(draw, "learned", "none"),
        "bias": pick(draw, True, True, False),
        "classifier": pick(draw, True, False),
        "causal": pick(draw, True, False),
        "pad_masked": pick(draw, True, False),
        "head_bias": pick(draw, True, False),
        "scale": pick(draw, 1.0, float(np.sqrt(width))),
        "embedding_norm": pick(draw, "none", "before_positions", "after_positions"),
        "read_out": pick(draw, *READ_OUTS),
        **forced,
    }
    activation, norm_first, final_norm = pick(draw, "relu", "gelu"), pick(draw, True, False), pick(draw, True, False)
    layer = nn.TransformerEncoderLayer(
        width,
        heads,
        neurons,
        dropout=0.0,
        activation=activation,
        norm_first=norm_first,
        bias=facts["bias"],
        batch_first=True,
    )
    module = EncoderModel(layer, layers=layers, norm=final_norm, width=width, facts=facts)
    scrambled(module, draw)
    model = {
        "heads": heads,
        "activation": "relu" if activation == "relu" else "gelu_erf",
        "norm_first": norm_first,
        "final_norm": final_norm,
        "bias": facts["bias"],
        "attention": "causal" if facts["causal"] else "bidirectional",
        "pad_masked": facts["pad_masked"],
        "positions": facts["positions"],
        "embedding_scale": facts["scale"],
        "embedding_norm": facts["embedding_norm"],
    }
    names = {"encoder": "encoder", "embedding": "embed.weight", "read_out": "head.weight"}
    if facts["positions"] == "learned":
        names["positions"] = "pos.weight"
    if facts["embedding_norm"] != "none":
        names["embedding_norm"] = "embed_norm"
    if facts["head_bias"]:
        names["read_out_bias"] = "head.bias"
    described: dict[str, Any] = {"model": model, "names": names, "vocabulary": VOCABULARY, "task": TASK}
    if facts["classifier"]:
        described["read_out"] = {**facts["read_out"], "classes": CLASSES}
    return Source("torch_encoder", module, described, module)
