"""A group of methods gives what each gives alone, and one that fails takes nothing from the others."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from auditor.contracts import methods
from auditor.plans.cells import methods_to_rerun, planned_methods
from auditor.records import ORIGINAL, RERUN, Component, Exclusion, Interpretation, NotApplicable
from auditor.stages.certify import equivalence_of, rewritten
from auditor.stages.conclude import Results, _absent
from auditor.stages.measure import Failure, measure, measure_group
from auditor.stages.sequences import interpretation_inputs
from auditor.testing.snapshots import differences, snapshot
from tests.auditor.small_audits import PLAN, small_model
from tests.auditor.store.samples import BEHAVIOUR
from tests.handmade import inputs_for, stack_model

NAMES = ("ablation_head_mean", "probe_depth", "weights_ov_norm")


def test_a_group_gives_what_each_method_gives_alone() -> None:
    model, names = small_model(), planned_methods(PLAN)
    found = measure_group(model, PLAN, 0, names)
    assert tuple(found) == names
    for name in reversed(names):
        together, alone = found[name], measure(model, PLAN, 0, name)
        assert isinstance(together, Interpretation)
        assert isinstance(alone, Interpretation)
        np.testing.assert_array_equal(together.values, alone.values)


def test_inputs_that_grow_are_shared_and_have_no_scores_by_position() -> None:
    """The constructed model reads the stack alone: with the means kept, inserted strings change no effect at all."""
    model, names = stack_model(), ("attention_pattern", "ablation_head_mean")
    original, pumped = (measure_group(model, PLAN, 0, names, variant=key) for key in (ORIGINAL, "input_pumping/0"))
    assert [type(one) for one in original.values()] == [Interpretation] * 2
    assert [type(one) for one in pumped.values()] == [NotApplicable, Interpretation]
    (_, before), (_, after) = original.items(), pumped.items()
    assert isinstance(before[1], Interpretation)
    assert isinstance(after[1], Interpretation)
    np.testing.assert_array_equal(before[1].values, after[1].values)
    inputs = interpretation_inputs(model.task, PLAN, 0)
    moved = rewritten(equivalence_of("input_pumping/0"), model, inputs, 0, "interpretation")
    assert moved.after.tokens.shape != inputs.tokens.shape


def test_a_second_run_draws_other_numbers() -> None:
    plan = replace(PLAN, breadth="standard")
    names = methods_to_rerun(plan)
    assert names
    first, again = (measure_group(small_model(), plan, 0, names, variant=key) for key in (ORIGINAL, RERUN))
    for name in names:
        one, other = first[name], again[name]
        assert isinstance(one, Interpretation)
        assert isinstance(other, Interpretation)
        assert not np.array_equal(one.values, other.values)


def test_a_method_that_fails_keeps_the_scores_of_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise ZeroDivisionError("a defect")

    monkeypatch.setattr(methods()[NAMES[1]], "interpret", fail)
    found = measure_group(small_model(), PLAN, 0, NAMES)
    broken = found[NAMES[1]]
    assert isinstance(broken, Failure)
    assert isinstance(broken.error, ZeroDivisionError)
    assert [type(found[name]) for name in (NAMES[0], NAMES[2])] == [Interpretation] * 2
    with pytest.raises(ZeroDivisionError, match="a defect"):
        measure(small_model(), PLAN, 0, NAMES[1])
    with pytest.raises(ZeroDivisionError, match="a defect"):
        measure_group(small_model(), PLAN, 0, NAMES, fatal=(ZeroDivisionError,))


def test_progress_names_each_method_and_may_interrupt() -> None:
    seen: list[str] = []

    def watch(_share: float, words: str) -> None:
        seen.append(words)
        if words == NAMES[1]:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure_group(small_model(), PLAN, 0, NAMES, progress=watch)
    assert seen == list(NAMES[:2])


def test_the_model_is_left_alone() -> None:
    model = small_model()
    inputs = inputs_for(model)
    before = snapshot(model, inputs)
    measure_group(model, PLAN, 0, NAMES)
    assert not differences(before, snapshot(model, inputs))


def test_a_method_without_any_score_is_reported_with_its_reason() -> None:
    """Such as a path integral that has not converged: its state and its error stand in every form of the report."""
    reason = "not converged: error 3.1% with up to 4096 points per sequence"
    whole = Interpretation("one", ("sequence", "head"), (Component(0, 0),), np.full((2, 1), np.nan), {0: reason})
    half = Interpretation(
        "two", ("sequence", "head"), (Component(0, 0), Component(0, 1)), np.array([[np.nan, 1.0]]), {0: reason}
    )
    found = {(ORIGINAL, "one"): whole, (ORIGINAL, "two"): half}
    assert _absent(Results(BEHAVIOUR, (), found)) == (Exclusion("method", "one", reason),)
