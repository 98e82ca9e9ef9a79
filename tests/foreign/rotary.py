"""A Transformer with rotary positions and a norm behind its embedding, written in plain PyTorch.

Its tensors have the names and layouts of TransformerLens; how it turns queries and keys is written after GPT-NeoX
(``rotate_half``) and GPT-J (``rotate_every_two``).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.foreign.source import (
    CLASSES,
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


def rotate_half(x: Tensor) -> Tensor:
    first, second = x[..., : x.shape[-1] // 2], x[..., x.shape[-1] // 2 :]
    return torch.cat((-second, first), dim=-1)


def rotate_every_two(x: Tensor) -> Tensor:
    return torch.stack((-x[..., 1::2], x[..., ::2]), dim=-1).flatten(-2)


class Norm(nn.Module):
    """LayerNorm under the names w and b."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.w, self.b = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width))

    def forward(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, self.w.shape, self.w, self.b, 1e-5)


def tables(**shapes: tuple[int, ...]) -> nn.ParameterDict:
    return nn.ParameterDict({name: nn.Parameter(torch.zeros(shape)) for name, shape in shapes.items()})


class RotaryTransformer(nn.Module):
    """Pre-norm blocks of rotary attention and a GELU MLP."""

    def __init__(self, facts: dict[str, Any]) -> None:
        super().__init__()
        self.facts = facts
        width, heads, inner, neurons = facts["width"], facts["heads"], facts["head_width"], facts["neurons"]
        self.embed = nn.ModuleDict({"ln": Norm(width)} if facts["embedding_norm"] else {})
        self.embed.register_parameter("W_E", nn.Parameter(torch.zeros(len(SPELLINGS), width)))
        self.blocks = nn.ModuleList(
            nn.ModuleDict(
                {
                    "ln1": Norm(width),
                    "attn": tables(
                        **{f"W_{x}": (heads, width, inner) for x in "QKV"},
                        **{f"b_{x}": (heads, inner) for x in "QKV"},
                        W_O=(heads, inner, width),
                        b_O=(width,),
                    ),
                    "ln2": Norm(width),
                    "mlp": tables(W_in=(width, neurons), b_in=(neurons,), W_out=(neurons, width), b_out=(width,)),
                }
            )
            for _ in range(facts["layers"])
        )
        self.ln_final = Norm(width)
        outputs = CLASSES if facts["classifier"] else len(SPELLINGS)
        self.unembed = tables(W_U=(width, outputs), b_U=(outputs,))

    def rotated(self, x: Tensor) -> Tensor:
        """x [batch, position, head, feature]."""
        facts, length = self.facts, x.shape[1]
        inverse = facts["base"] ** -(
            torch.arange(0, facts["rotary_width"], 2, dtype=torch.float64) / facts["rotary_width"]
        )
        angles = torch.outer(torch.arange(length, dtype=torch.float64), inverse)
        angles = torch.cat((angles, angles), -1) if facts["halves"] else angles.repeat_interleave(2, dim=-1)
        rotate = rotate_half if facts["halves"] else rotate_every_two
        turned, rest = x[..., : facts["rotary_width"]], x[..., facts["rotary_width"] :]
        cos, sin = angles.cos()[:, None], angles.sin()[:, None]
        return torch.cat((turned * cos + rotate(turned) * sin, rest), dim=-1)

    def forward(self, tokens: Tensor) -> Tensor:
        facts, length = self.facts, tokens.shape[1]
        x = self.embed.W_E[tokens]
        if facts["embedding_norm"]:
            x = self.embed["ln"](x)
        hidden = torch.zeros(len(tokens), 1, length, length, dtype=torch.bool)
        if facts["causal"]:
            hidden = hidden | torch.ones(length, length, dtype=torch.bool).triu(1)
        if facts["pad_masked"]:
            hidden = hidden | (tokens == PAD)[:, None, None, :]
        for block in self.blocks:
            attn, mlp = block["attn"], block["mlp"]
            q, k, v = (
                torch.einsum("bpm,hmd->bphd", block["ln1"](x), attn[f"W_{x_}"]) + attn[f"b_{x_}"] for x_ in "QKV"
            )
            scores = torch.einsum("bqhd,bkhd->bhqk", self.rotated(q), self.rotated(k)) / math.sqrt(facts["head_width"])
            z = torch.einsum("bhqk,bkhd->bqhd", scores.masked_fill(hidden, -math.inf).softmax(-1), v)
            x = x + torch.einsum("bqhd,hdm->bqm", z, attn["W_O"]) + attn["b_O"]
            x = x + F.gelu(block["ln2"](x) @ mlp["W_in"] + mlp["b_in"]) @ mlp["W_out"] + mlp["b_out"]
        x = self.ln_final(x)
        if facts["classifier"]:
            x = read_at(x, tokens, facts["read_out"])
        out: Tensor = x @ self.unembed["W_U"] + self.unembed["b_U"]
        return out


def rotary(seed: int, **forced: Any) -> Source:
    """Any size; both layouts of pairs, all features turned or some; every read-out. ``forced`` facts are not drawn."""
    draw = np.random.default_rng(seed)
    head_width = 2 * int(draw.integers(1, 4))
    facts = {
        "width": int(draw.integers(3, 9)),
        "layers": int(draw.integers(1, 4)),
        "heads": int(draw.integers(1, 4)),
        "head_width": head_width,
        "neurons": int(draw.integers(1, 9)),
        "rotary_width": pick(draw, 2, head_width),
        "base": pick(draw, 10_000.0, 30.0),
        "halves": pick(draw, True, False),
        "embedding_norm": pick(draw, True, False),
        "causal": pick(draw, True, False),
        "pad_masked": pick(draw, True, False),
        "classifier": pick(draw, True, False),
        "read_out": pick(draw, *READ_OUTS),
        **forced,
    }
    module = scrambled(RotaryTransformer(facts), draw)
    described: dict[str, Any] = {
        "model": {
            "norm": "layer",
            "activation": "gelu_erf",
            "attention": "causal" if facts["causal"] else "bidirectional",
            "pad_masked": facts["pad_masked"],
            "positions": "rotary",
            "rotary_width": facts["rotary_width"],
            "rotary_base": facts["base"],
            "rotary_pairs": "halves" if facts["halves"] else "adjacent",
        },
        "vocabulary": VOCABULARY,
        "task": TASK,
    }
    if facts["classifier"]:
        described["read_out"] = {**facts["read_out"], "classes": CLASSES}
    return Source("transformer_lens", module, described, module)
