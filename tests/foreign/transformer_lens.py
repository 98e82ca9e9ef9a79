"""Random models of TransformerLens' own HookedTransformer."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch
from torch import Tensor

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

ACTIVATIONS = {"relu": "relu", "gelu": "gelu_erf", "gelu_new": "gelu_tanh", "gelu_pytorch_tanh": "gelu_tanh"}
NORMS = {"LN": "layer", "LNPre": "layer", "RMS": "rms", "RMSPre": "rms", None: "none"}


def hooked(**options: Any) -> Any:
    """A HookedTransformer; that it will be replaced in a later version is no news here."""
    from transformer_lens import HookedTransformer, HookedTransformerConfig

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return HookedTransformer(HookedTransformerConfig(**{"device": "cpu", "dtype": torch.float64, **options}))


def mask_padding(module: Any, tokens: Tensor, pad: int) -> list[tuple[str, Any]]:
    """Hooks that keep every query from looking at PAD."""
    padding = (tokens == pad)[:, None, None, :]

    def hide(scores: Tensor, hook: Any) -> Tensor:
        return scores.masked_fill(padding, -torch.inf)

    return [(f"blocks.{layer}.attn.hook_attn_scores", hide) for layer in range(module.cfg.n_layers)]


def transformer_lens(seed: int) -> Source:
    """Causal and bidirectional, every norm, folded or not, rotary positions, classifiers of every read-out, …"""
    draw = np.random.default_rng(seed)
    norm, activation = pick(draw, *NORMS), pick(draw, *ACTIVATIONS)
    is_classifier, causal, pad_masked = pick(draw, True, False), pick(draw, True, False), pick(draw, True, False)
    attn_only, scaled = pick(draw, True, False, False), pick(draw, True, True, False)
    rotary, read_out, d_head = pick(draw, True, False), pick(draw, *READ_OUTS), int(draw.integers(1, 5))
    adjacent, base = pick(draw, True, False), pick(draw, 10_000, 50)
    if rotary:
        d_head = 2 * d_head
    rotary_dim = pick(draw, 2, d_head)
    module = hooked(
        n_layers=int(draw.integers(1, 4)),
        d_model=int(draw.integers(2, 9)),
        n_heads=int(draw.integers(1, 4)),
        d_head=d_head,
        d_mlp=int(draw.integers(1, 9)),
        n_ctx=LONGEST,
        d_vocab=len(SPELLINGS),
        d_vocab_out=CLASSES if is_classifier else len(SPELLINGS),
        act_fn=activation,
        attn_only=attn_only,
        normalization_type=norm,
        attention_dir="causal" if causal else "bidirectional",
        use_attn_scale=scaled,
        positional_embedding_type="rotary" if rotary else "standard",
        rotary_dim=rotary_dim if rotary else None,
        rotary_base=base,
        rotary_adjacent_pairs=adjacent,
        post_embedding_ln=norm is not None and pick(draw, True, False),
    )
    scrambled(module, draw)
    if norm in ("LN",) and pick(draw, True, False):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            module.process_weights_(center_writing_weights=False, center_unembed=False)
    for block in module.blocks if rotary else ():
        sin, cos = block.attn.calculate_sin_cos_rotary(rotary_dim, LONGEST, base, dtype=torch.float64)
        block.attn.rotary_sin, block.attn.rotary_cos = sin, cos  # folding made them anew in float32

    def logits(tokens: Tensor) -> Tensor:
        hooks = mask_padding(module, tokens, PAD) if pad_masked else []
        found: Tensor = module.run_with_hooks(tokens, fwd_hooks=hooks)
        return read_at(found, tokens, read_out) if is_classifier else found

    model: dict[str, Any] = {
        "norm": NORMS[norm],
        "attention": "causal" if causal else "bidirectional",
        "pad_masked": pad_masked,
        "positions": "rotary" if rotary else "learned",
    }
    if rotary:
        model |= {"rotary_base": base, "rotary_pairs": "adjacent" if adjacent else "halves"}
        model["rotary_width"] = rotary_dim
    if not attn_only:
        model["activation"] = ACTIVATIONS[activation]
    if not scaled:
        model["attention_scale"] = 1.0
    described: dict[str, Any] = {"model": model, "vocabulary": VOCABULARY, "task": TASK}
    if is_classifier:
        described["read_out"] = {**read_out, "classes": CLASSES}
    return Source("transformer_lens", module, described, logits)
