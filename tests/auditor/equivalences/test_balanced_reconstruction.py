"""The closed form of a minimal first layer: other attention, the same outputs, nothing trained."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from auditor.behaviour.input_batch import draw_inputs
from auditor.canonical.architecture import Architecture, Block
from auditor.checkpoints.intake.detection import load
from auditor.contracts import TransformRequest, equivalences
from auditor.plans.plan import PLANS
from auditor.records import VariantState
from auditor.seeds import numpy_generator
from auditor.stages.build import build
from tests.handmade import TASK, inputs_for, random_model
from tests.wen2023_files import NAMES, checkpoint

NAME = "behavioural_balanced_reconstruction"
CLASSES = 1 + 2 * 2 * 3
MINIMAL = Architecture(
    model_width=16,
    vocabulary_size=len(TASK.language.vocabulary),
    blocks=(Block(heads=1, query_width=4, value_width=16, neurons=0),),
    norm_sites=("mlp_in",),
    norm_epsilon=1e-12,
    attention_residual=False,
    mlp_residual=False,
    output_map=False,
    mlp="identity",
    embedding="token_and_depth",
    depth_slots=TASK.language.depth + 2,
)
"""START and 2 types × 2 directions × 3 depths in 16 features; the norm has next to no ε."""

BALANCED = tuple(name for name in NAMES if name.startswith("balance_acc"))


def test_without_an_epsilon_the_outputs_are_equal_at_every_length_and_the_attention_is_not() -> None:
    model = random_model(MINIMAL)
    made = equivalences()[NAME].transform(
        TransformRequest(model, inputs_for(model), numpy_generator(0, "twin"), parameters={})
    )
    longer = draw_inputs(model.task, 8, numpy_generator(1, "longer"), lengths=(60, 80))
    for inputs in (inputs_for(model, seed=3), longer):
        with torch.no_grad():
            difference = (model(inputs.tokens) - made.model(inputs.tokens))[inputs.not_padding].abs().max()
        assert float(difference) < 1e-8
    assert made.parameters["total_variation"] > 0.5
    assert made.parameters["classes"] == CLASSES
    assert made.model.architecture.blocks[0].query_width == CLASSES  # as many unknowns as queries
    assert made.model.architecture.max_positions is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"embedding": "token", "depth_slots": 0}, "not minimal"),
        ({"positions": "scalar", "scalar_period": 100}, "not minimal"),
        ({"attention_residual": True}, "without a norm"),
        ({"mlp_residual": True}, "without a norm"),
        ({"norm_sites": ()}, "without a norm"),
        ({"blocks": (Block(heads=2, query_width=4, value_width=8, neurons=0),)}, "one head"),
        ({"model_width": 12, "blocks": (Block(heads=1, query_width=4, value_width=12, neurons=0),)}, "dependent"),
    ],
)
def test_models_without_a_minimal_first_layer_are_not_applicable_with_a_reason(
    change: dict[str, object], words: str
) -> None:
    model = random_model(replace(MINIMAL, **change))  # type: ignore[arg-type]
    assert words in (equivalences()[NAME].not_applicable(model) or "")


@pytest.mark.slow
@pytest.mark.parametrize("name", BALANCED)
def test_the_published_minimal_models_attend_elsewhere_and_pass(name: str) -> None:
    """KL 1e-8 to 3e-6 nats per token with a mean total variation of 0.71 to 0.77 was seen."""
    assert len(BALANCED) == 3
    plan = replace(PLANS["quick"], equivalences=(NAME,))
    built = build(load(checkpoint(name)).model, plan, 0, f"{NAME}/0").variant
    assert built.state is VariantState.CERTIFIED, built.reason
    assert built.certificate is not None
    assert built.certificate.kl_mean_nats is not None
    assert built.certificate.kl_mean_nats < 1e-5
    assert built.parameters["total_variation"] > 0.6
