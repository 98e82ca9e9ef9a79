"""What is said before an audit agrees with what the audit then does."""

from __future__ import annotations

from dataclasses import replace

import pytest

from auditor.errors import PlanError
from auditor.plans import forecast as forecast_module
from auditor.plans.cells import methods_to_rerun, planned_cells, planned_methods
from auditor.plans.forecast import STATISTICS, MethodForecast, forecast
from auditor.plans.plan import PLANS
from tests.auditor.small_audits import PLAN, small_model


def test_cells_are_those_that_the_audit_will_have() -> None:
    model = small_model()
    found = forecast(model, PLAN)
    missing = sum(one.why_not is not None for one in found.methods)
    assert not missing
    skipped = [c for c in planned_cells(PLAN, model.architecture) if c.variant.split("/")[0] in found.not_applicable]
    assert found.cells == len(planned_cells(PLAN, model.architecture)) - len(skipped)
    assert found.not_applicable
    assert all(found.not_applicable.values())


def test_second_runs_and_kept_twins_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each method takes 1 s, a training step 1 s, and everything else nothing."""
    monkeypatch.setattr(forecast_module, "_method", lambda name, *_: MethodForecast(name, None, 1.0))
    monkeypatch.setattr(forecast_module, "_training_step", lambda *_: 1.0)
    model = small_model()
    plan = replace(PLAN, breadth="standard", equivalences=("behavioural_adversarial_attention",), twin_steps=500)
    names, again = planned_methods(plan), methods_to_rerun(plan)
    assert again
    found = forecast(model, plan)
    assert found.reruns == len(again)
    assert (found.kept, found.cells) == (0, len(planned_cells(plan, model.architecture)))
    assert found.seconds == pytest.approx(STATISTICS * (2 * len(names) + len(again) + plan.twin_steps), rel=0.1)
    kept = forecast(model, plan, kept={"behavioural_adversarial_attention/0"})
    assert kept.kept == 1
    assert found.seconds - kept.seconds == pytest.approx(STATISTICS * plan.twin_steps, rel=0.1)
    assert kept.to_json()["kept_twins"] == 1


def test_more_sequences_detect_less_and_take_longer() -> None:
    few, many = (
        forecast(small_model(), replace(PLAN, sequences=count, equivalences=("exact_head_permutation",)))
        for count in (50, 5_000)
    )
    by_name = [{one.name: one for one in found.methods} for found in (few, many)]
    name = "ablation_head_mean"
    assert 0.1 < (by_name[1][name].detectable or 0) < (by_name[0][name].detectable or 0)
    assert by_name[1][name].seconds > by_name[0][name].seconds
    assert by_name[0]["weights_ov_norm"].detectable is None


def test_the_excess_over_the_smallest_effect_shrinks_with_the_root_of_the_sequences() -> None:
    one, four = (
        next(m for m in forecast(small_model(), replace(PLAN, sequences=n)).methods if m.name == "ablation_head_mean")
        for n in (100, 400)
    )
    assert (one.detectable or 0) - 0.1 == pytest.approx(2 * ((four.detectable or 0) - 0.1))


def test_it_can_be_interrupted_and_refuses_what_the_plan_refuses() -> None:
    def stop(share: float, words: str) -> None:
        raise KeyboardInterrupt(words)

    with pytest.raises(KeyboardInterrupt):
        forecast(small_model(), PLANS["quick"], progress=stop)
    with pytest.raises(PlanError, match="nonsense"):
        forecast(small_model(), replace(PLAN, methods=("nonsense",)))
