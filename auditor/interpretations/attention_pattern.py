"""The attention pattern of a head, as it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import torch

from auditor.canonical.interventions import run_with_cache
from auditor.canonical.sites import Site
from auditor.contracts import InterpretationMethod, Request
from auditor.measures.expectations import head_scores
from auditor.records import Expected, Interpretation

MAX_WEIGHTS = 1_000_000
"""Attention weights kept per model (8 MB): bounds the sequences that are read."""

MAX_SEQUENCES = 64


class AttentionPattern(InterpretationMethod):
    """A = softmax(q kᵀ · scale), the matrices that people draw. Rows of padding queries are zero.

    Compared by the mean total variation of the rows that have a choice (two keys or more), and by the first
    sequences of the inputs only, to bound their size.
    """

    version = 1
    smallest_plan = "quick"
    by_position = True
    family = "attention"
    summary = "the head's attention weights, query by key"
    unit = "probability"
    higher_means = "the query looks more at the key"
    source = "Wen et al. 2023, arXiv 2312.01429, section 4"
    claims = ("pattern",)
    distance = "total_variation"
    expected: ClassVar[Mapping[str, Expected]] = head_scores(exact_head_splitting=Expected.RELABELLED)

    @torch.no_grad()
    def interpret(self, request: Request) -> Interpretation:
        """Scores [sequence, head, query, key]."""
        model, inputs = request.model, request.inputs
        heads = model.architecture.heads
        longest = inputs.tokens.shape[1]
        fits = max(1, MAX_WEIGHTS // (len(heads) * longest**2))
        seen = inputs.rows(slice(0, min(len(inputs), MAX_SEQUENCES, fits)))
        width = seen.tokens.shape[1]
        values = np.zeros((len(seen), len(heads), width, width))
        for rows, part in seen.batches():
            _, cache = run_with_cache(model, part.tokens, sites=(Site.PATTERN,))
            patterns = torch.cat([cache[Site.PATTERN, layer] for layer in range(model.architecture.layers)], dim=1)
            patterns = patterns * part.not_padding[:, None, :, None]
            short = part.tokens.shape[1]
            values[rows.numpy(), :, :short, :short] = patterns.numpy()
        return Interpretation(self.name, ("sequence", "head", "query", "key"), heads, values)
