"""The conclusion of an audit in which cells failed: no verdict rests on what is missing, all others are given."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from auditor import pipeline, zoo
from auditor.checkpoints.intake.detection import load
from auditor.gate.claims_file import Entry, Role
from auditor.gate.judging import Outcome, check
from auditor.records import BEFORE, ORIGINAL, RERUN, AuditReport, Finding, Missing, Stage, Verdict, variant_of
from auditor.report.html import render_html
from auditor.report.markdown import render_markdown
from auditor.report.matrix import FieldState, matrix_of
from auditor.report.view import view_of
from auditor.stages.conclude import Results, conclude
from auditor.verdicts.missing import comparable
from tests.auditor.small_audits import PLAN

pytestmark = pytest.mark.slow

EXACT, GAUGE, REWRITING = "exact_head_permutation", "exact_value_output_gauge", "input_bracket_relabelling"
METHODS = ("ablation_head_zero", "ablation_head_resample")  # the second draws at random
SMALL = replace(
    PLAN, sequences=24, methods=METHODS, equivalences=(EXACT, GAUGE), exact_variants=2, bootstrap_draws=1_999
)
WHY = "its worker was lost 3 times"


@pytest.fixture(scope="module")
def given() -> tuple[Any, ...]:
    """What the conclusion of an undisturbed audit is given: headers, plan, seed, results."""
    found: list[Any] = []
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(pipeline, "conclude", lambda *arguments: found.extend(arguments))
        model = load(zoo.path("dyck2x4-2layer-2head-again")).model
        pipeline.audit(model, SMALL)
    return tuple(found)


@pytest.fixture(scope="module")
def whole(given: tuple[Any, ...]) -> AuditReport:
    """Its report."""
    return conclude(*given)


def _without(results: Results, *keys: str) -> Results:
    """The results without those of the cells with these keys, and of what needs them."""
    builds = {key.removeprefix("build/") for key in keys if key.startswith("build/")}
    measured = {key.removeprefix("measure/") for key in keys if key.startswith("measure/")} | builds
    missing = [
        Missing(key, Stage(key.split("/")[0]), key.split("/", 1)[1], () if key.startswith("build/") else METHODS, WHY)
        for key in keys
    ]
    missing += [Missing(f"measure/{key}", Stage.MEASURE, key, METHODS, f"it needs build/{key}") for key in builds]
    return replace(
        results,
        variants=tuple(one for one in results.variants if one.key not in builds),
        interpretations={at: one for at, one in results.interpretations.items() if at[0] not in measured},
        missing=tuple(missing),
    )


def _key(found: Finding) -> tuple[object, ...]:
    return (*found.claim.identity, found.equivalence)


HOLES = (
    ("measure/original",),
    (f"measure/{RERUN}",),
    (f"build/{EXACT}/0",),
    (f"build/{EXACT}/0", f"build/{EXACT}/1"),
    (f"measure/{EXACT}/1",),
)


@pytest.mark.parametrize("holes", HOLES, ids=lambda keys: keys[-1])
def test_no_verdict_rests_on_what_is_missing_and_all_others_are_given(
    given: tuple[Any, ...], whole: AuditReport, holes: tuple[str, ...]
) -> None:
    report = conclude(*given[:-1], _without(given[-1], *holes))
    assert "It finished with failures" in report.summary.headline
    now = {_key(one): one for one in report.findings}
    lost = {(method, one.equivalence) for one in report.missing for method in one.methods}
    for then in whole.findings:
        method, found = then.claim.method, now.get(_key(then))
        if (method, then.equivalence) not in lost and (method, ORIGINAL) not in lost:
            assert found is not None
            assert found.verdict is then.verdict
        elif found is not None:
            assert found.verdict is Verdict.INCONCLUSIVE
            assert "is missing" in found.reason
    assert any(one.verdict is Verdict.STABLE for one in whole.findings)


@pytest.mark.parametrize("holes", HOLES, ids=lambda keys: keys[-1])
def test_every_form_of_the_report_says_what_is_missing(given: tuple[Any, ...], holes: tuple[str, ...]) -> None:
    report = conclude(*given[:-1], _without(given[-1], *holes))
    assert AuditReport.from_json(report.to_json()) == report
    warnings = view_of(report).warnings
    for one in report.missing:
        assert any(one.cell in warning for warning in warnings)
    assert all(WHY in text for text in (render_markdown(report), render_html(report)))


def test_a_field_of_the_matrix_without_any_variant_is_missing(given: tuple[Any, ...]) -> None:
    report = conclude(*given[:-1], _without(given[-1], f"build/{EXACT}/0", f"build/{EXACT}/1"))
    states = {field.equivalence: field.state for field in matrix_of(report).fields()}
    assert (states[EXACT], states[GAUGE]) == (FieldState.MISSING, FieldState.TESTED)


@pytest.mark.parametrize("holes", HOLES, ids=lambda keys: keys[-1])
def test_a_gate_does_not_pass_on_what_is_missing(
    given: tuple[Any, ...], whole: AuditReport, holes: tuple[str, ...]
) -> None:
    stable = [one for one in whole.findings if one.verdict is Verdict.STABLE and one.equivalence == EXACT]
    (claim,) = {one.claim.identity: one.claim for one in stable if one.method == METHODS[1]}.values()
    entry = Entry(claim, "held", (EXACT,), Role.PRIMARY, None, 1)
    (before,) = check([entry], given[-1], SMALL, 0, "a")
    assert before.outcome is Outcome.STABLE
    (checked,) = check([entry], _without(given[-1], *holes), SMALL, 0, "a")
    assert (checked.outcome, "is missing" in checked.reason) == (Outcome.INCONCLUSIVE, True)


def _beside() -> Iterator[str]:
    yield f"{REWRITING}/0"
    yield f"{REWRITING}/0/{BEFORE}"


@pytest.mark.parametrize("lost", [*_beside()])
def test_a_variant_without_what_it_is_compared_with_is_not_compared(lost: str) -> None:
    score: Any = object()
    places = {(key, "m"): score for key in (ORIGINAL, *_beside(), "other/0")}
    cell = Missing(f"measure/{lost}", Stage.MEASURE, lost, ("m",), WHY)
    left = comparable({**places, (variant_of(lost), "n"): score}, [cell])
    assert set(left) == {(ORIGINAL, "m"), ("other/0", "m"), (variant_of(lost), "n")}
