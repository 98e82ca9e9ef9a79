"""Random models of transformers' own GPT2LMHeadModel."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from torch import Tensor

from tests.foreign.source import LONGEST, SPELLINGS, TASK, VOCABULARY, Source, pick, scrambled

ACTIVATIONS = ("relu", "gelu", "gelu_new", "gelu_pytorch_tanh")


def huggingface_gpt2(seed: int) -> Source:
    """Any size, every option that changes the function, eager or SDPA attention, tied or not."""
    from transformers import GPT2Config, GPT2LMHeadModel

    draw = np.random.default_rng(seed)
    heads = int(draw.integers(1, 4))
    config = GPT2Config(
        vocab_size=len(SPELLINGS),
        n_positions=LONGEST,
        n_embd=heads * int(draw.integers(2, 5)),
        n_layer=int(draw.integers(1, 4)),
        n_head=heads,
        n_inner=pick(draw, None, int(draw.integers(1, 9))),
        activation_function=pick(draw, *ACTIVATIONS),
        layer_norm_epsilon=pick(draw, 1e-5, 1e-3),
        scale_attn_weights=pick(draw, True, True, False),
        scale_attn_by_inverse_layer_idx=pick(draw, True, False),
        tie_word_embeddings=pick(draw, True, False),
        bos_token_id=5,
        eos_token_id=6,
        attn_implementation=pick(draw, "eager", "sdpa"),
    )
    module = GPT2LMHeadModel(config)
    scrambled(module, draw)
    if config.tie_word_embeddings:
        module.tie_weights()

    def logits(tokens: Tensor) -> Tensor:
        found: Tensor = module(tokens).logits
        return found

    library: dict[str, Any] = json.loads(config.to_json_string(use_diff=False))
    return Source("huggingface_gpt2", module, {"vocabulary": VOCABULARY, "task": TASK}, logits, library)
