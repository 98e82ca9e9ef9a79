"""Folding norms: which are folded, what the folded weights are, and why others stay."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from auditor.canonical.architecture import Architecture
from auditor.canonical.model import CanonicalTransformer
from auditor.checkpoints.intake.detection import load
from auditor.contracts import Transformed, TransformRequest, equivalences
from auditor.seeds import numpy_generator
from tests.handmade import PLAIN, inputs_for, random_model
from tests.wen2023_files import checkpoint

FOLDING = equivalences()["exact_norm_folding"]
POST_NORM = replace(PLAIN, norm_sites=("attention_out", "mlp_out"))


def _folded(model: CanonicalTransformer) -> Transformed:
    return FOLDING.transform(TransformRequest(model, inputs_for(model, 1), numpy_generator(0, "test"), parameters={}))


def test_every_norm_of_a_pre_norm_model_is_folded() -> None:
    made = _folded(random_model(PLAIN))
    assert made.parameters["folded"] == [
        "attention_in of layer 0",
        "mlp_in of layer 0",
        "attention_in of layer 1",
        "mlp_in of layer 1",
        "final",
    ]
    norms = {name: p for name, p in made.model.named_parameters() if "norm" in name}
    assert all(bool((p == (1.0 if name.endswith("weight") else 0.0)).all()) for name, p in norms.items())
    assert FOLDING.not_applicable(made.model) == "every norm that could be folded already has gain 1 and bias 0"


@torch.no_grad()
def test_the_final_norm_goes_into_the_unembedding() -> None:
    model = random_model(replace(PLAIN, norm_sites=("final",)))
    twin = _folded(model).model
    assert model.W_U is not None
    assert twin.W_U is not None
    norm = model.final_norm
    assert isinstance(norm, torch.nn.LayerNorm)
    torch.testing.assert_close(twin.W_U, torch.diag(norm.weight) @ model.W_U)
    torch.testing.assert_close(twin.b_U, norm.bias @ model.W_U + model.b_U)


def test_the_last_post_norm_is_read_by_the_unembedding_alone() -> None:
    assert _folded(random_model(POST_NORM)).parameters["folded"] == ["mlp_out of layer 1"]


def test_without_residuals_and_mlp_the_norm_of_the_paper_folds_into_the_unembedding() -> None:
    model = load(checkpoint("balance_acc_baseline_seed0")).model.double()
    assert _folded(model).parameters["folded"] == ["mlp_in of layer 0"]


@pytest.mark.parametrize(
    ("architecture", "reason"),
    [
        (replace(PLAIN, norm_sites=()), "the model has no norm"),
        (
            replace(PLAIN, norm_sites=("mlp_in",), mlp_input_residual=True),
            "mlp_in of layer 0 also feeds the residual stream; mlp_in of layer 1 also feeds the residual stream",
        ),
        (
            replace(PLAIN, norm_sites=("final",), tied_unembedding=True),
            "final also feeds the tied unembedding",
        ),
        (
            replace(POST_NORM, blocks=PLAIN.blocks[:1], norm_sites=("mlp_out", "final")),
            None,
        ),
        (
            replace(POST_NORM, blocks=PLAIN.blocks[:1], norm_sites=("attention_out",)),
            "attention_out of layer 0 also feeds the residual stream",
        ),
    ],
)
def test_reasons(architecture: Architecture, reason: str | None) -> None:
    assert FOLDING.not_applicable(random_model(architecture)) == reason


def test_a_norm_that_another_norm_reads_stays() -> None:
    model = random_model(replace(PLAIN, blocks=PLAIN.blocks[:1], norm_sites=("mlp_out", "final")))
    assert _folded(model).parameters["folded"] == ["final"]


def test_a_norm_that_never_runs_is_left_alone() -> None:
    block = replace(PLAIN.blocks[0], neurons=0)
    model = random_model(replace(PLAIN, blocks=(block,), mlp="none", norm_sites=("mlp_in", "mlp_out")))
    assert FOLDING.not_applicable(model) == "the model has no norm"
