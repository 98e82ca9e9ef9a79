"""What is compared where inputs are rewritten: the same decisions, the same reference, and no more than is asked."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch

from auditor import zoo
from auditor.behaviour.input_batch import InputBatch, as_long_as, draw_inputs
from auditor.canonical.model import CanonicalTransformer
from auditor.checkpoints.intake.detection import load
from auditor.contracts import Request, equivalences, methods
from auditor.errors import LanguageError
from auditor.measures.attribution.score import explained, has_score
from auditor.measures.group import interpretations
from auditor.plans.cells import planned_cells
from auditor.records import BEFORE, ORIGINAL, SAME_LENGTH, Interpretation, Kind, NotApplicable, Variant, VariantState
from auditor.seeds import numpy_generator
from auditor.stages.measure import measure_group
from auditor.verdicts.verdict import findings_of
from tests.auditor.small_audits import PLAN
from tests.auditor.verdicts.samples import SCALAR, SETTINGS, noisy, scores

PUMPED = "input_pumping/0"
METHODS = ("ablation_head_mean", "attention_entropy", "attention_stack_top", "weights_ov_norm", "attention_pattern")


@cache
def _model() -> CanonicalTransformer:
    return load(zoo.path(zoo.DEMONSTRATION)).model


def _rewritten() -> tuple[InputBatch, InputBatch]:
    model = _model()
    inputs = draw_inputs(model.task, 24, numpy_generator(0, "inputs"))
    found = equivalences()["input_pumping"].rewrite(Request(model, inputs, numpy_generator(0, "pump")))
    assert int(found.after.not_padding.sum()) > int(found.before.not_padding.sum())
    return found.before, found.after


def test_only_the_decisions_that_both_sides_have_are_scored() -> None:
    before, after = _rewritten()
    ours, theirs = (explained(_model(), part) for part in (before, after))
    assert ours.where.sum(1).tolist() == theirs.where.sum(1).tolist()
    assert torch.equal(ours.answer[ours.where], theirs.answer[theirs.where])
    assert torch.equal(has_score(_model(), before), has_score(_model(), after))
    open_after = after.not_padding & (after.depth > 0)
    assert int(theirs.where.sum()) < int(open_after.sum())  # the inserted brackets have decisions of their own


def test_means_stay_those_of_the_original_inputs() -> None:
    """Ablated to the mean over the inputs named, the effects are another number than over the inputs themselves."""
    model = _model().clone(dtype=torch.float64)
    before, after = _rewritten()
    asked = [(methods()["ablation_head_mean"], numpy_generator(0, "m"))]

    def effects(inputs: InputBatch, reference: InputBatch | None) -> np.ndarray:
        _, found = next(iter(interpretations(asked, model, inputs, reference=reference)))
        assert isinstance(found, Interpretation)
        return found.values

    assert np.array_equal(effects(before, before), effects(before, None))
    assert not np.allclose(effects(after, before), effects(after, None))


def test_the_control_has_the_same_lengths() -> None:
    _, after = _rewritten()
    control = as_long_as(after, numpy_generator(0, "control"))
    wanted, found = (sorted(part.not_padding.sum(1).tolist()) for part in (after, control))
    assert {*found} <= {*wanted}
    assert len(found) >= len(wanted) // 2
    assert control.task == after.task
    short = replace(after.rows(slice(0, 1)), not_padding=torch.ones(1, 1, dtype=torch.bool))
    with pytest.raises(LanguageError, match="as long as"):
        as_long_as(short, numpy_generator(0, "none"))


def test_methods_without_a_claim_about_other_inputs_are_not_asked() -> None:
    found = measure_group(_model(), PLAN, 0, METHODS, variant=PUMPED)
    for name in ("attention_entropy", "weights_ov_norm"):
        one = found[name]
        assert isinstance(one, NotApplicable)
        assert "no claim that they should keep" in one.reason
    assert isinstance(found["attention_pattern"], NotApplicable)
    beside = [measure_group(_model(), PLAN, 0, METHODS[:1], variant=f"{PUMPED}/{one}") for one in (BEFORE, SAME_LENGTH)]
    for scored in (found, *beside):
        assert isinstance(scored["ablation_head_mean"], Interpretation)


def test_an_audit_measures_the_original_beside_rewritten_inputs_only() -> None:
    plan = replace(PLAN, methods=METHODS, equivalences=("input_pumping", "input_bracket_relabelling"))
    keys = [cell.variant for cell in planned_cells(plan, _model().architecture) if cell.methods]
    assert [key for key in keys if key.endswith((BEFORE, SAME_LENGTH))] == [
        f"{PUMPED}/{BEFORE}",
        f"{PUMPED}/{SAME_LENGTH}",
        *(f"input_pumping/1/{one}" for one in (BEFORE, SAME_LENGTH) if plan.behavioural_variants > 1),
    ]


def _judged(after: list[float], same_length: list[float]) -> object:
    card = replace(SCALAR, input_claims=("rank",))
    found = {
        (ORIGINAL, "scores"): scores(noisy([2.0, 1.0])),
        (PUMPED, "scores"): scores(noisy(after)),
        (f"{PUMPED}/{BEFORE}", "scores"): scores(noisy([2.0, 1.0])),
        (f"{PUMPED}/{SAME_LENGTH}", "scores"): scores(noisy(same_length, 60)),
    }
    variant = Variant(PUMPED, "input_pumping", Kind.INPUT, 0, VariantState.CERTIFIED)
    findings = findings_of("a", {"scores": card}, [variant], found, original=ORIGINAL, settings=SETTINGS)
    assert {finding.claim.kind for finding in findings} == {"rank"}  # values are not asked
    return findings[0].verdict, findings[0].holds_at_same_length


def test_what_length_alone_overturns_is_no_effect_of_the_rewriting() -> None:
    assert _judged([1.0, 2.0], [2.0, 1.0]) == ("unstable", True)
    assert _judged([1.0, 2.0], [1.0, 2.0]) == ("inconclusive", False)
    assert _judged([2.0, 1.0], [1.0, 2.0]) == ("stable", False)
