"""Which maps read which norm, compared with changing its gain and looking."""

from __future__ import annotations

from dataclasses import replace

import torch
from hypothesis import given

from auditor.canonical.architecture import Architecture
from auditor.canonical.model import CanonicalTransformer
from auditor.symmetries.norm_readers import fold_norms, norm_readings
from auditor.testing.architectures import LAW, architectures
from auditor.testing.families import task_for
from tests.handmade import PLAIN, inputs_for, random_model

UNSEEN, SEEN = 1e-10, 1e-6
"""Largest change of a logit that rounding makes, and the smallest that one tripled gain makes where it is seen."""


@LAW
@given(architecture=architectures())
@torch.no_grad()
def test_a_gain_can_be_compensated_exactly_where_linear_maps_alone_read_it(architecture: Architecture) -> None:
    """GELU throughout: a ReLU that is off would hide a feature."""
    model = random_model(replace(architecture, activation="gelu_erf"), task_for(architecture))
    tokens = inputs_for(model, 6).tokens
    base = model(tokens)
    for reading in norm_readings(model):
        reading.norm.weight[0] *= 3.0
        if reading.bias is not None:
            reading.bias[0] *= 3.0
        seen = float((model(tokens) - base).abs().max())
        for map_ in reading.maps:
            map_.weight[0] /= 3.0
        left = float((model(tokens) - base).abs().max())
        for map_ in reading.maps:
            map_.weight[0] *= 3.0
        reading.norm.weight[0] /= 3.0
        if reading.bias is not None:
            reading.bias[0] /= 3.0
        assert seen > SEEN
        assert left < UNSEEN if reading.is_foldable else left > SEEN


@LAW
@given(architecture=architectures())
@torch.no_grad()
def test_a_norm_that_is_not_listed_never_runs(architecture: Architecture) -> None:
    model = random_model(architecture, task_for(architecture))
    tokens, listed = inputs_for(model, 6).tokens, {id(reading.norm) for reading in norm_readings(model)}
    base = model(tokens)
    for norm in _all_norms(model):
        if id(norm) not in listed:
            next(iter(norm.parameters())).mul_(3.0)
    torch.testing.assert_close(model(tokens), base, rtol=0, atol=0)


def test_folding_twice_changes_nothing_more() -> None:
    model = random_model(PLAIN)
    assert len(fold_norms(norm_readings(model))) == 5
    weights = {name: table.clone() for name, table in model.state_dict().items()}
    assert fold_norms(norm_readings(model)) == ()
    assert all(torch.equal(table, weights[name]) for name, table in model.state_dict().items())


def _all_norms(model: CanonicalTransformer) -> list[torch.nn.Module]:
    inner = [norm for layer in range(model.architecture.layers) for norm in model.block(layer).norms.values()]
    return [*inner, model.final_norm] if model.architecture.has_norm("final") else inner
