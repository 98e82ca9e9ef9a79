"""Readings of attention rows, one number per query, averaged over chosen queries of each sequence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from auditor.behaviour.input_batch import InputBatch
from auditor.canonical.interventions import run_with_cache
from auditor.canonical.model import CanonicalTransformer
from auditor.canonical.sites import Site
from auditor.language.grammar import token_roles
from auditor.records import Interpretation


@dataclass(frozen=True)
class Rows:
    """The attention of one layer on some inputs."""

    pattern: Tensor  # [batch, head, query, key]
    allowed: Tensor  # [batch or 1, 1, query, key], False where a query may not look
    inputs: InputBatch

    @property
    def keys(self) -> Tensor:
        """How many keys each query may look at, [batch or 1, 1, query]."""
        return self.allowed.sum(-1)

    @property
    def uniform(self) -> Tensor:
        """The pattern that looks at every allowed key alike, [batch or 1, 1, query, key]."""
        return self.allowed / self.keys[..., None].to(self.pattern)

    def mass_on(self, key: Tensor) -> Tensor:
        """Weight of each row on one key per query; ``key`` [batch, query] → [batch, head, query]."""
        index = key[:, None, :, None].expand(-1, self.pattern.shape[1], -1, 1)
        return self.pattern.gather(3, index).squeeze(3)


Reading = Callable[[Rows], Tensor]
"""From the rows of a layer to one number for each, [batch, head, query]. Only chosen queries are kept."""


@torch.no_grad()
def row_scores(
    method: str,
    model: CanonicalTransformer,
    inputs: InputBatch,
    reading: Reading,
    where: Tensor,
    *,
    summed: bool = False,
) -> Interpretation:
    """Mean (or sum) of a reading over the queries ``where`` [sequence, position] of a sequence, [sequence, head].

    Sequences without such a query are left out; without any at all every head is undefined.
    """
    heads, chosen = model.architecture.heads, where.any(1)
    if not bool(chosen.any()):
        reason = "no input has a query to read"
        blank = np.full((len(inputs), len(heads)), np.nan)
        return Interpretation(method, ("sequence", "head"), heads, blank, dict.fromkeys(range(len(heads)), reason))
    seen, where = inputs.rows(chosen), where[chosen]
    values = np.empty((len(seen), len(heads)))
    for rows, part in seen.batches():
        _, cache = run_with_cache(model, part.tokens, sites=(Site.PATTERN,))
        allowed = ~model.blocked(part.tokens).view(-1, 1, part.tokens.shape[1], part.tokens.shape[1])
        here = where[rows][:, None, : part.tokens.shape[1]]
        columns = []
        for layer in range(model.architecture.layers):
            found = reading(Rows(cache[Site.PATTERN, layer], allowed, part))
            total = (found * here).sum(2)
            columns.append(total if summed else total / here.sum(2))
        values[rows.numpy()] = torch.cat(columns, dim=1).numpy()
    return Interpretation(method, ("sequence", "head"), heads, values)


def with_choice(inputs: InputBatch) -> Tensor:
    """Queries that may look at more than themselves in a causal model: all but the first, [sequence, position]."""
    later = inputs.not_padding.clone()
    later[:, 0] = False
    return later


def with_open_bracket(inputs: InputBatch) -> Tensor:
    """Queries after which a bracket is open, [sequence, position]."""
    return inputs.not_padding & (inputs.depth > 0)


def matching_opener(inputs: InputBatch) -> Tensor:
    """Position of the bracket that each closing bracket closes, −1 elsewhere, [sequence, position].

    It is the last unmatched one before the closing bracket is read.
    """
    change = torch.from_numpy(token_roles(inputs.task.language.vocabulary).change)[inputs.tokens]
    before = torch.nn.functional.pad(inputs.opener[:, :-1], (1, 0), value=-1)
    return torch.where(inputs.not_padding & (change < 0), before, -1)
