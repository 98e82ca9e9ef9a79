"""Which writers may add a constant to all features, compared with adding it and looking."""

from __future__ import annotations

from dataclasses import replace

import torch
from hypothesis import given

from auditor.canonical.architecture import Architecture
from auditor.canonical.model import CanonicalTransformer
from auditor.symmetries.mean_blind_writers import mean_blind_writers
from auditor.testing.architectures import LAW, architectures
from auditor.testing.families import task_for
from tests.handmade import inputs_for, random_model

UNSEEN, SEEN = 1e-10, 1e-5
"""Largest change of a logit that rounding makes, and the smallest that a constant of 1 makes where it is seen."""


@LAW
@given(architecture=architectures())
@torch.no_grad()
def test_a_constant_is_lost_exactly_where_the_writer_is_listed(architecture: Architecture) -> None:
    """GELU throughout: a ReLU that is off would hide a constant."""
    model = random_model(replace(architecture, activation="gelu_erf"), task_for(architecture))
    tokens = inputs_for(model, 6).tokens
    listed = {id(table) for writer in mean_blind_writers(model) for table in writer.tables}
    base = model(tokens)
    for table in _written(model):
        table.add_(1.0)
        change = float((model(tokens) - base).abs().max())
        table.sub_(1.0)
        if id(table) in listed:
            assert change < UNSEEN
        else:
            assert change > SEEN


def _written(model: CanonicalTransformer) -> list[torch.Tensor]:
    tables = [mlp.b_out for mlp in model.mlps]
    tables += [attention.b_O for attention in model.attentions if attention.b_O is not None]
    return tables
