"""Attention is given to the first token where the original does not give it, on models whose attention is known."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from auditor.canonical.interventions import run_with_cache
from auditor.canonical.model import CanonicalTransformer
from auditor.canonical.sites import Site
from auditor.twins.distillation import Pool, make_pool
from auditor.twins.first_token import LEFT, has_first_token, turn_to_first_token
from tests.handmade import PLAIN, counting_model, inputs_for, random_model


def _pool(model: CanonicalTransformer, layer: int) -> Pool:
    return make_pool(model, inputs_for(model, 64), first_layer=layer, batch=8)


@torch.no_grad()
def _patterns(model: CanonicalTransformer, layer: int) -> tuple[Tensor, Tensor]:
    """Rows of attention of queries after the first, [row, head, key], and the number of keys of each."""
    inputs = inputs_for(model, 64)
    found = run_with_cache(model, inputs.tokens, sites=(Site.PATTERN,))[1][Site.PATTERN, layer]
    asks = inputs.not_padding.clone()
    asks[:, 0] = False
    keys = torch.arange(inputs.tokens.shape[1]).expand_as(asks) + 1
    return found.transpose(1, 2)[asks], keys[asks]


def test_heads_that_look_elsewhere_keep_a_share_of_what_they_read() -> None:
    """Uniform attention with m keys has 1/m on START; then 1 − ε, and what is left is as uniform as before.

    Its inputs hold no position, so r(q) = log(m − 1) + log((1 − ε)/ε) is fitted by one number: its mean.
    """
    model = counting_model()
    before, keys = _patterns(model, 0)
    turn_to_first_token(model, 0, _pool(model, 0))
    after, _ = _patterns(model, 0)
    seen = keys > 2
    assert torch.allclose(before[seen][:, 0, 0], 1 / keys[seen].to(before))
    assert float(after[seen][:, 0, 0].mean()) == pytest.approx(1 - LEFT, abs=0.08)
    rest = after[seen][:, 0, 1:]
    expected = (before[seen][:, 0, 1:] > 0) / (keys[seen, None] - 1)
    assert torch.allclose(rest / rest.sum(-1, keepdim=True), expected.to(rest), atol=1e-3)


@torch.no_grad()
def test_heads_that_look_at_the_first_token_are_turned_away_from_it() -> None:
    """Head 1 has a query of its own that is the key of START: half of its attention or more goes there, then little."""
    model = random_model(PLAIN, dtype=torch.float32)
    pool, attention = _pool(model, 1), model.attentions[1]
    start = model.block(1).normed("attention_in", pool.residual)[0, 0]
    attention.W_Q[:, 1].zero_()
    attention.W_K[:, 1].zero_()
    attention.b_Q[1, 0] = 1.0
    attention.W_K[:, 1, 0] = 30 * start / start.square().sum()
    before, _ = _patterns(model, 1)
    turn_to_first_token(model, 1, pool)
    after, _ = _patterns(model, 1)
    assert float(before[:, 1, 0].mean()) > 0.8
    assert float(after[:, 1, 0].mean()) < 0.3


def test_it_needs_one_layer_one_first_token_and_scores_without_turns() -> None:
    model = random_model(PLAIN, dtype=torch.float32)
    pool = _pool(model, 1)
    assert has_first_token(model, (1,), pool)
    assert not has_first_token(model, (0, 1), pool)
    other = pool.tokens.clone()
    other[0, 0] = 5
    assert not has_first_token(model, (1,), replace(pool, tokens=other))
    rotary = random_model(replace(PLAIN, positions="rotary", rotary_width=2), dtype=torch.float32)
    assert not has_first_token(rotary, (1,), pool)
