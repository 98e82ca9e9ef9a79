"""What two models answer on the one string that is shown of them, token by token."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from auditor.canonical.model import CanonicalTransformer
from auditor.language.grammar import Ids, states
from auditor.records import WorstString

SHOWN = 6
"""Answers that are kept: those to which one of the two models gives most."""


@torch.no_grad()
def answered(
    worst: WorstString, original: CanonicalTransformer, variant: CanonicalTransformer, read: Ids
) -> WorstString:
    """``worst`` with its tokens, the bracket that is open at its position, and the answers of both models there.

    ``read`` are the ids [position] of the string as both models read it.
    """
    vocabulary = original.task.language.vocabulary
    tokens = torch.as_tensor(np.ascontiguousarray(read), dtype=torch.int64)[None]
    at = 0 if original.architecture.is_classifier else worst.position
    outputs = [model(tokens).to(original.dtype).softmax(-1)[0] for model in (original, variant)]
    rows = [found if original.architecture.is_classifier else found[at] for found in outputs]
    both = torch.stack(rows).double()  # [2, answer]
    is_classifier = original.architecture.is_classifier
    names = [f"class {i}" for i in range(both.shape[1])] if is_classifier else vocabulary.spellings
    likely = sorted(both.amax(0).topk(min(SHOWN, both.shape[1])).indices.tolist())
    opener = int(states(original.task.language, tokens.numpy()).opener[0, at])
    return replace(
        worst,
        tokens=tuple(vocabulary.decode(tokens[0].tolist())),
        opener=None if opener < 0 or is_classifier else opener,
        answers={names[i]: (round(float(both[0, i]), 6), round(float(both[1, i]), 6)) for i in likely},
    )
