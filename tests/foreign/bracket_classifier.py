"""A bracket classifier as it is taught with TransformerLens: bidirectional, PAD masked, two classes read at START.

One bracket type; every string stands between START and END; class 1 is balanced.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from auditor.language.corruption import labelled_strings
from auditor.language.grammar import Dyck
from auditor.language.vocabulary import Vocabulary
from tests.foreign.source import Source
from tests.foreign.transformer_lens import hooked, mask_padding

START, PAD, END = 0, 1, 2
LONGEST, DEPTH = 8, 3
STEPS, BATCH = 150, 48
LANGUAGE = Dyck(
    Vocabulary(("[start]", "[pad]", "[end]", "(", ")"), opening=(3,), closing=(4,), start=START, end=END, pad=PAD),
    DEPTH,
)
DESCRIPTION: dict[str, Any] = {
    "model": {
        "norm": "layer",
        "activation": "relu",
        "attention": "bidirectional",
        "pad_masked": True,
        "positions": "learned",
    },
    "vocabulary": {
        "tokens": ["[start]", "[pad]", "[end]", "(", ")"],
        "pairs": ["()"],
        "start": "[start]",
        "pad": 1,
        "end": "[end]",
    },
    "task": {"depth": DEPTH, "max_length": LONGEST, "reads_end": True},
    "read_out": {"position": 0, "classes": 2},
}


def strings(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """START, brackets, END and padding, int64 [string, position], and the classes."""
    drawn = labelled_strings(
        LANGUAGE, count=count, generator=np.random.default_rng(seed), min_length=2, max_length=LONGEST
    )
    tokens = np.concatenate([drawn.tokens, np.full((count, 1), PAD)], axis=1)
    tokens[np.arange(count), drawn.mask.sum(1)] = END
    return torch.from_numpy(tokens), torch.from_numpy(drawn.classes)


@cache
def bracket_classifier() -> Source:
    """The trained model, in float32 as it was trained."""
    module = hooked(
        n_layers=2,
        d_model=16,
        n_heads=2,
        d_head=8,
        d_mlp=32,
        n_ctx=LONGEST + 2,
        d_vocab=len(LANGUAGE.vocabulary),
        d_vocab_out=2,
        act_fn="relu",
        normalization_type="LN",
        attention_dir="bidirectional",
        seed=0,
        dtype=torch.float32,
    )

    def logits(tokens: Tensor) -> Tensor:
        found: Tensor = module.run_with_hooks(tokens, fwd_hooks=mask_padding(module, tokens, PAD))[:, 0]
        return found

    optimizer = torch.optim.Adam(module.parameters(), lr=3e-3)
    tokens, classes = strings(STEPS * BATCH, seed=0)
    for some, wanted in zip(tokens.split(BATCH), classes.split(BATCH), strict=True):
        optimizer.zero_grad()
        F.cross_entropy(logits(some), wanted).backward()
        optimizer.step()
    return Source("transformer_lens", module.eval(), DESCRIPTION, logits, asked=strings(64, seed=5)[0])
