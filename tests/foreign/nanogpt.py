"""nanoGPT's model, written after its published layout: nn.Linear maps, optional biases, one table at both ends."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.foreign.source import LONGEST, SPELLINGS, TASK, VOCABULARY, Source, pick, scrambled


class LayerNorm(nn.Module):
    """A LayerNorm whose bias may be left out."""

    def __init__(self, width: int, bias: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, self.weight.shape, self.weight, self.bias, 1e-5)


class CausalSelfAttention(nn.Module):
    """Fused projections; eager attention with the mask as a buffer, or fused attention without one."""

    def __init__(self, args: dict[str, Any], *, flash: bool) -> None:
        super().__init__()
        width = args["n_embd"]
        self.heads, self.flash = args["n_head"], flash
        self.c_attn = nn.Linear(width, 3 * width, bias=args["bias"])
        self.c_proj = nn.Linear(width, width, bias=args["bias"])
        if not flash:
            size = args["block_size"]
            self.register_buffer("bias", torch.tril(torch.ones(size, size)).view(1, 1, size, size))

    def forward(self, x: Tensor) -> Tensor:
        batch, length, width = x.shape
        q, k, v = (
            part.view(batch, length, self.heads, -1).transpose(1, 2) for part in self.c_attn(x).split(width, dim=2)
        )
        if self.flash:
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        else:
            scores = (q @ k.transpose(-2, -1)) / math.sqrt(k.size(-1))
            y = scores.masked_fill(self.bias[:, :, :length, :length] == 0, -math.inf).softmax(-1) @ v
        out: Tensor = self.c_proj(y.transpose(1, 2).reshape(batch, length, width))
        return out


class Block(nn.Module):
    """Pre-norm attention and MLP."""

    def __init__(self, args: dict[str, Any], *, flash: bool, gelu: nn.Module) -> None:
        super().__init__()
        width, bias = args["n_embd"], args["bias"]
        self.ln_1 = LayerNorm(width, bias)
        self.attn = CausalSelfAttention(args, flash=flash)
        self.ln_2 = LayerNorm(width, bias)
        self.mlp = nn.ModuleDict(
            {"c_fc": nn.Linear(width, 4 * width, bias=bias), "c_proj": nn.Linear(4 * width, width, bias=bias)}
        )
        self.gelu = gelu

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.ln_1(x))
        out: Tensor = x + self.mlp["c_proj"](self.gelu(self.mlp["c_fc"](self.ln_2(x))))
        return out


class Gpt(nn.Module):
    """The whole model."""

    def __init__(self, args: dict[str, Any], *, flash: bool, gelu: nn.Module) -> None:
        super().__init__()
        width = args["n_embd"]
        self.transformer = nn.ModuleDict(
            {
                "wte": nn.Embedding(args["vocab_size"], width),
                "wpe": nn.Embedding(args["block_size"], width),
                "h": nn.ModuleList(Block(args, flash=flash, gelu=gelu) for _ in range(args["n_layer"])),
                "ln_f": LayerNorm(width, args["bias"]),
            }
        )
        self.lm_head = nn.Linear(width, args["vocab_size"], bias=False)
        self.transformer["wte"].weight = self.lm_head.weight

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.transformer["wte"](tokens) + self.transformer["wpe"].weight[: tokens.shape[1]]
        for block in self.transformer["h"]:
            x = block(x)
        out: Tensor = self.lm_head(self.transformer["ln_f"](x))
        return out


def nanogpt(seed: int) -> Source:
    """Any size; with and without biases, with the mask buffer of old versions and both GELUs."""
    draw = np.random.default_rng(seed)
    heads = int(draw.integers(1, 4))
    args = {
        "n_layer": int(draw.integers(1, 4)),
        "n_head": heads,
        "n_embd": heads * int(draw.integers(2, 5)),
        "block_size": LONGEST,
        "bias": pick(draw, True, False),
        "vocab_size": len(SPELLINGS),
        "dropout": 0.0,
    }
    tanh = pick(draw, True, False)
    gelu = nn.GELU(approximate="tanh") if tanh else nn.GELU()
    module = scrambled(Gpt(args, flash=pick(draw, True, False), gelu=gelu), draw)
    described = {
        "model": {"activation": "gelu_tanh" if tanh else "gelu_erf"},
        "vocabulary": VOCABULARY,
        "task": TASK,
    }
    return Source("nanogpt", module, described, module, library=args)
