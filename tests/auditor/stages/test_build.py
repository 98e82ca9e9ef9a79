"""A kept twin is taken as it is and certified again; its recipe is all that its weights follow from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
import torch

from auditor.contracts import Transformed, equivalences
from auditor.plans.cells import VariantRequest, planned_variant, planned_variants
from auditor.plans.plan import PLANS, Plan
from auditor.records import Kind, VariantState
from auditor.stages.build import KeptTwin, build
from auditor.stages.recipe import recipe_of
from tests.auditor.small_audits import PLAN, small_model

NAME = "behavioural_fp16"
KEY = f"{NAME}/0"
HALVED = replace(PLAN, equivalences=(NAME,))


def _request(plan: Plan = HALVED) -> VariantRequest:
    return planned_variant(plan, small_model().architecture, KEY)


def test_a_kept_twin_is_not_made_again_and_certified_on_the_sequences_of_this_plan(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = small_model()
    made = build(model, HALVED, 0, KEY)
    assert made.model is not None

    def fail(*_: Any, **__: Any) -> Any:
        raise AssertionError("made again")

    monkeypatch.setattr(equivalences()[NAME], "transform", fail)
    kept = KeptTwin(Transformed(made.model, made.variant.relabelling, made.variant.parameters), "a1")
    larger = replace(HALVED, certificate_sequences=700)
    again = build(model, larger, 0, KEY, kept=kept)
    assert (again.variant.made_by, again.variant.state, made.variant.made_by) == ("a1", VariantState.CERTIFIED, None)
    assert again.variant.certificate is not None
    assert again.variant.certificate.sequences == 700
    assert again.model is made.model
    same = build(model, HALVED, 0, KEY, kept=kept)
    assert replace(same.variant, seconds=None, made_by=None) == replace(made.variant, seconds=None)


def test_a_kept_twin_that_is_no_twin_of_this_model_is_not_certified() -> None:
    model = small_model()
    other = model.clone()
    with torch.no_grad():
        other.b_U[0] += 3.0
    found = build(model, HALVED, 0, KEY, kept=KeptTwin(Transformed(other), "a1"))
    assert found.variant.state is VariantState.NOT_CERTIFIED


@pytest.mark.parametrize(
    "change",
    [
        {"name": "other"},
        {"methods": ("weights_ov_norm",)},
        {"certificate_sequences": 10_000},
        {"behaviour_sequences": 7},
        {"alpha": 0.01},
        {"exact_variants": 5},
        {"sequences": 9},
        {"equivalences": (NAME, "behavioural_int8")},
    ],
)
def test_what_does_not_change_the_weights_is_no_part_of_the_recipe(change: Mapping[str, Any]) -> None:
    plan = replace(HALVED, **change)
    assert recipe_of(_request(plan), plan, 0) == recipe_of(_request(), HALVED, 0)


@pytest.mark.parametrize("change", [{"twin_steps": 3}, {"twin_restarts": 5}])
def test_effort_is_part_of_the_recipe(change: Mapping[str, Any]) -> None:
    plan = replace(HALVED, **change)
    assert recipe_of(_request(plan), plan, 0) != recipe_of(_request(), HALVED, 0)


def test_seed_version_and_parameters_are_part_of_the_recipe(monkeypatch: pytest.MonkeyPatch) -> None:
    request = _request()
    found = [
        recipe_of(request, HALVED, 0),
        recipe_of(request, HALVED, 1),
        recipe_of(replace(request, parameters={"bits": 3}), HALVED, 0),
        recipe_of(replace(request, key=f"{NAME}/1"), HALVED, 0),
    ]
    monkeypatch.setattr(type(equivalences()[NAME]), "version", 99)
    found.append(recipe_of(request, HALVED, 0))
    assert all(one != other for place, one in enumerate(found) for other in found[:place])


def test_only_behavioural_variants_have_a_recipe() -> None:
    plan = PLANS["full"]
    for request in planned_variants(plan, small_model().architecture):
        assert (recipe_of(request, plan, 0) is None) == (request.kind is not Kind.BEHAVIOURAL)
