"""Centring what is written, adding all-ones directions, and shifting readers along a norm's null direction."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from auditor.canonical.architecture import Architecture
from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import Transformed, TransformRequest, equivalences
from auditor.seeds import numpy_generator
from auditor.symmetries.mean_blind_writers import mean_blind_writers
from tests.handmade import PLAIN, inputs_for, random_model

CENTRED, DIRECTION, NULL = (
    equivalences()[f"exact_{name}"] for name in ("centred_writing", "mean_direction_writing", "norm_null_shift")
)
NO_LAYER_NORM = "the model has no LayerNorm, and nothing else removes a mean"
SEEN = "whatever is written, some reader gets it without a LayerNorm between"


def _made(name: str, model: CanonicalTransformer) -> Transformed:
    inputs, generator = inputs_for(model, 1), numpy_generator(0, "test")
    return equivalences()[f"exact_{name}"].transform(TransformRequest(model, inputs, generator, parameters={}))


@torch.no_grad()
def test_all_that_a_pre_norm_model_writes_is_centred() -> None:
    made = _made("centred_writing", random_model(replace(PLAIN, positions="learned", max_positions=16)))
    writers = mean_blind_writers(made.model)
    assert (
        made.parameters["centred"]
        == [writer.name for writer in writers]
        == [
            "MLP of layer 1",
            "attention of layer 1",
            "MLP of layer 0",
            "attention of layer 0",
            "token table",
            "position table",
        ]
    )
    assert all(float(table.mean(-1).abs().max()) < 1e-15 for writer in writers for table in writer.tables)
    assert CENTRED.not_applicable(made.model) == (
        "everything that is written where only LayerNorms read is already centred"
    )


@torch.no_grad()
def test_centring_undoes_mean_direction_writing() -> None:
    model = random_model(PLAIN)
    straight = _made("centred_writing", model).model.state_dict()
    round_about = _made("centred_writing", _made("mean_direction_writing", model).model).model.state_dict()
    for name, table in straight.items():
        torch.testing.assert_close(round_about[name], table, rtol=0, atol=1e-13)


@pytest.mark.parametrize(
    ("architecture", "reason"),
    [
        (replace(PLAIN, norm="rms"), NO_LAYER_NORM),
        (replace(PLAIN, norm_sites=()), NO_LAYER_NORM),
        (replace(PLAIN, norm_sites=("attention_in", "mlp_in")), SEEN),
        (replace(PLAIN, norm_sites=("final",), blocks=PLAIN.blocks[:1]), None),
        (replace(PLAIN, norm_sites=("attention_out",)), None),
    ],
)
def test_reasons_of_writing(architecture: Architecture, reason: str | None) -> None:
    assert CENTRED.not_applicable(random_model(architecture)) == reason
    assert DIRECTION.not_applicable(random_model(architecture)) == reason


@torch.no_grad()
def test_the_null_shift_is_one_over_the_gain_in_each_column() -> None:
    model = random_model(PLAIN)
    twin = _made("norm_null_shift", model).model
    gain = model.block(1).norms["mlp_in"].weight
    change = twin.mlps[1].W_in - model.mlps[1].W_in
    scaled = gain[:, None] * change
    torch.testing.assert_close(scaled, scaled[:1].expand_as(scaled))
    assert float(change.abs().min(dim=1).values.max()) > 0


@pytest.mark.parametrize(
    ("architecture", "reason"),
    [
        (replace(PLAIN, norm="rms"), "the model has no LayerNorm, whose output alone has a constant direction"),
        (replace(PLAIN, norm_sites=()), "the model has no LayerNorm, whose output alone has a constant direction"),
        (
            replace(PLAIN, norm_sites=("final",), tied_unembedding=True),
            "no linear map reads a LayerNorm without something else added",
        ),
        (replace(PLAIN, norm_sites=("attention_out",)), None),
    ],
)
def test_reasons_of_the_null_shift(architecture: Architecture, reason: str | None) -> None:
    assert NULL.not_applicable(random_model(architecture)) == reason


@torch.no_grad()
def test_a_zero_in_the_gain_leaves_no_direction() -> None:
    model = random_model(replace(PLAIN, norm_sites=("final",)))
    model.final_norm.weight[3] = 0.0
    assert NULL.not_applicable(model) == "every LayerNorm that a linear map reads has a zero in its gain"
