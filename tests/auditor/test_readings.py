"""Methods under a condition: the same numbers, on the outputs that meet it only."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from auditor.behaviour.conditions import condition_of
from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import Request, methods
from auditor.errors import LanguageError, PlanError
from auditor.plans.plan import PLANS, check_plan
from auditor.readings import method_named, why_unknown
from auditor.seeds import numpy_generator
from auditor.stages.measure import measure
from auditor.testing.families import FAMILIES, task_for
from tests.handmade import CONSTANT, SLOPE, counting_model, inputs_for, random_model

CONDITIONED = [name for name, one in methods().items() if one.takes_conditions and one.smallest_plan == "quick"]


def _scores(name: str, model: CanonicalTransformer, count: int = 40) -> np.ndarray:
    inputs = inputs_for(model, count)
    return method_named(name).interpret(Request(model, inputs, numpy_generator(0, "measure"))).values


@pytest.mark.parametrize("position", [1, 3, 4])
def test_uniform_attention_at_one_position(position: int) -> None:
    """The counting model attends 1/(j + 1) to each position."""
    found = _scores(f"attention_stack_top at position = {position}", counting_model())
    np.testing.assert_allclose(found, 1 / (position + 1), rtol=0, atol=1e-12)


@pytest.mark.parametrize("position", [1, 4])
def test_zero_ablation_at_one_position(position: int) -> None:
    """KL = p_a ln 3 − ln(Z/Z′) with the Z of that position, as the counting model says."""
    other = math.exp(SLOPE / (position + 1))
    z, without = 9 + other, 7 + other
    found = _scores(f"ablation_head_zero at position = {position}", counting_model())
    expected = 3 / z * CONSTANT - math.log(z / without)
    np.testing.assert_allclose(found[:, 0], expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", CONDITIONED)
def test_a_condition_that_all_outputs_meet_changes_nothing(name: str) -> None:
    model = random_model()
    if methods()[name].not_applicable(model):
        pytest.skip("not for this model")
    np.testing.assert_allclose(
        _scores(f"{name} at depth >= 0", model, 12), _scores(name, model, 12), rtol=1e-9, atol=1e-12
    )


def test_deeper_and_shallower_outputs_make_up_all() -> None:
    """Stack-top mass is a mean over rows: those of both parts, weighted by their number, give the whole."""
    model = random_model()
    inputs = inputs_for(model, 40)
    rows, means = [], []
    for text in ("depth >= 2", "depth < 2", "depth >= 0"):
        part = condition_of(text).limited(inputs)
        count = (part.read(part.not_padding) & (part.depth > 0)).sum(1).numpy()
        means.append(_scores(f"attention_stack_top at {text}", model))
        rows.append(count[count > 0])
    totals = [(m * r[:, None]).sum(0) for m, r in zip(means, rows, strict=True)]
    np.testing.assert_allclose(totals[0] + totals[1], totals[2], rtol=1e-10)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("depth ≥ 3", "depth >= 3"),
        ("depth<3", "depth < 3"),
        ("position 4 - 9", "position 4-9"),
        ("depth = 2 and position>=5", "depth = 2 and position >= 5"),
    ],
)
def test_conditions_are_spelled_in_one_way(text: str, canonical: str) -> None:
    assert str(condition_of(text)) == canonical
    assert method_named(f"ablation_head_mean at {text}").name == f"ablation_head_mean at {canonical}"


@pytest.mark.parametrize("text", ["depth", "depth > 3", "depth < 0", "position 9-4", "length >= 3", "depth >= 3 or so"])
def test_what_is_no_condition_is_refused(text: str) -> None:
    with pytest.raises(LanguageError):
        condition_of(text)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("nope at depth >= 3", "unknown method 'nope'"),
        ("weights_ov_norm at depth >= 3", "takes no condition"),
        ("ablation_head_mean at depth", "condition 'depth'"),
    ],
)
def test_a_reading_that_does_not_exist_is_refused(name: str, why: str) -> None:
    assert why in why_unknown(name)
    with pytest.raises(PlanError, match=why):
        method_named(name)


def test_a_classifier_takes_no_condition() -> None:
    architecture = FAMILIES["bidirectional classifier, RMS norm"]
    model = random_model(architecture, task_for(architecture))
    assert "one output per string" in (method_named("ablation_head_mean at depth >= 1").not_applicable(model) or "")


def test_a_plan_measures_a_method_under_its_condition_by_its_whole_name() -> None:
    name, model = "ablation_head_mean at depth >= 2", random_model()
    plan = replace(PLANS["quick"], sequences=30, methods=("ablation_head_mean", name), equivalences=())
    check_plan(plan)
    found = measure(model, plan, 0, name)
    assert found.method == name  # type: ignore[union-attr]
    with pytest.raises(PlanError, match="unknown method 'nope'"):
        check_plan(replace(plan, methods=("nope at depth >= 2",)))
