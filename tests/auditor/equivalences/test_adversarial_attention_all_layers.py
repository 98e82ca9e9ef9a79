"""The twin that attends elsewhere in every layer: what is trained, and the reason given for one layer."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import Transformed, TransformRequest, equivalences
from auditor.seeds import numpy_generator
from tests.handmade import PLAIN, inputs_for, random_model

NAME = "behavioural_adversarial_attention_all_layers"


@pytest.fixture(autouse=True)
def _small_pools(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer sequences to learn from."""
    monkeypatch.setattr("auditor.twins.distillation_data.SEQUENCES", 128)
    monkeypatch.setattr("auditor.twins.distillation_data.LONG_SEQUENCES", 32)


def _made(model: CanonicalTransformer, *, steps: int) -> Transformed:
    return equivalences()[NAME].transform(
        TransformRequest(
            model, inputs_for(model, 4), numpy_generator(0, "twin"), parameters={"steps": steps, "restarts": 1}
        )
    )


def test_every_layer_is_trained_and_the_inputs_are_kept() -> None:
    model = random_model(PLAIN)
    found = _made(model, steps=4)
    single, twin = model.clone(dtype=torch.float32).state_dict(), found.model.state_dict()
    moved = {name for name in twin if not torch.equal(twin[name], single[name])}
    assert {f"layers.{layer}.attention.{name}" for layer in (0, 1) for name in ("W_Q", "W_K", "W_V")} <= moved
    assert "W_E" not in moved
    assert found.parameters["layers"] == [0, 1]


def test_one_seed_is_one_twin() -> None:
    first, again = (_made(random_model(PLAIN), steps=3).model.state_dict() for _ in range(2))
    assert all(torch.equal(first[name], again[name]) for name in first)


def test_for_a_model_of_one_layer_the_reason_names_the_other_equivalence() -> None:
    why = equivalences()[NAME].not_applicable(random_model(replace(PLAIN, blocks=PLAIN.blocks[:1])))
    assert why is not None
    assert "behavioural_adversarial_attention" in why
