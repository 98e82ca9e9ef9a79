"""A whole audit in memory: what it reports, that it repeats, and how it refuses."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import jsonschema
import pytest
import torch

import auditor
from auditor.contracts import equivalences
from auditor.errors import CheckpointError, PlanError
from auditor.pipeline import audit
from auditor.plans.cells import planned_methods, planned_variants
from auditor.records import AuditReport, Expected, Interpretation, Kind, VariantState, Verdict
from auditor.report.machine import schema, to_json_text
from auditor.stages.build import build
from auditor.stages.measure import measure
from auditor.testing.families import FAMILIES, task_for
from auditor.testing.snapshots import differences, snapshot
from tests.auditor.small_audits import PLAN, small_model
from tests.handmade import inputs_for, random_model

pytestmark = pytest.mark.slow

TIMES = ("created_at", "finished_at", "seconds")


@pytest.fixture(scope="module", autouse=True)
def _small_pools() -> Any:
    """Fewer sequences behind a twin of two steps."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("auditor.twins.distillation_data.SEQUENCES", 128)
        patch.setattr("auditor.twins.distillation_data.LONG_SEQUENCES", 32)
        yield


@pytest.fixture(scope="module")
def report(_small_pools: None) -> AuditReport:
    """One audit, read by many tests."""
    return audit(small_model(), PLAN, seed=0)


def _without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_times(entry) for name, entry in value.items() if name not in TIMES}
    return [_without_times(entry) for entry in value] if isinstance(value, list) else value


def test_the_report_follows_its_schema_and_holds_no_nan(report: AuditReport) -> None:
    document = json.loads(to_json_text(report))
    jsonschema.validate(document, schema())
    json.dumps(report.to_json(), allow_nan=False)
    assert AuditReport.from_json(document) == AuditReport.from_json(json.loads(json.dumps(report.to_json())))


def test_the_same_seed_gives_the_same_report_but_for_the_times(report: AuditReport) -> None:
    again = audit(small_model(), PLAN, seed=0)
    assert _without_times(again.to_json()) == _without_times(report.to_json())


def test_another_seed_sees_other_sequences(report: AuditReport) -> None:
    other = audit(small_model(), replace(PLAN, equivalences=("exact_head_permutation",)), seed=1)
    assert other.behaviour != report.behaviour


def test_every_variant_has_a_state_and_a_certificate_or_a_reason(report: AuditReport) -> None:
    assert [v.key for v in report.variants] == [r.key for r in planned_variants(PLAN, small_model().architecture)]
    for variant in report.variants:
        if variant.kind is Kind.EXACT:
            assert variant.state is not VariantState.NOT_CERTIFIED
        assert (variant.certificate is not None) or variant.reason
        assert (variant.state is VariantState.CERTIFIED) == (not variant.reason)


def test_every_method_is_judged_under_every_exact_equivalence_as_theory_predicts(report: AuditReport) -> None:
    exact = {
        name
        for name, plugin in equivalences().items()
        if plugin.kind is Kind.EXACT and plugin.not_applicable(small_model()) is None
    }
    assert "exact_value_bias_shift" in exact
    seen = {(f.claim.method, f.equivalence) for f in report.findings if f.kind is Kind.EXACT}
    assert seen == {(method, name) for method in planned_methods(PLAN) for name in exact}
    for finding in report.findings:
        assert not finding.contradicts_theory, finding
        if finding.expected is Expected.FREE and finding.claim.kind == "rank":
            assert finding.verdict is Verdict.UNSTABLE


def test_findings_point_at_variants_of_the_report(report: AuditReport) -> None:
    keys = {variant.key for variant in report.variants}
    assert len({finding.id for finding in report.findings}) == len(report.findings)
    for finding in report.findings:
        assert set(finding.variants) <= keys
        assert finding.worst_variant in finding.variants


def test_a_twin_of_two_steps_on_random_answers_is_judged_by_its_certificate(report: AuditReport) -> None:
    twin = next(v for v in report.variants if v.kind is Kind.BEHAVIOURAL)
    has_findings = any(f.kind is Kind.BEHAVIOURAL for f in report.findings)
    assert has_findings == (twin.state is VariantState.CERTIFIED)


def test_a_twin_that_diverged_is_not_certified_and_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    model, name = small_model(), "behavioural_adversarial_attention"
    plugin = equivalences()[name]
    original = type(plugin).transform

    def diverge(*arguments: Any, **options: Any) -> Any:
        made = original(plugin, *arguments, **options)
        torch.nn.init.constant_(made.model.b_U, float("nan"))
        return made

    monkeypatch.setattr(plugin, "transform", diverge)
    report = audit(model, replace(PLAN, equivalences=(name,), methods=("weights_ov_norm",)), seed=0)
    assert [variant.state for variant in report.variants] == [VariantState.NOT_CERTIFIED]
    assert "NaN" in report.variants[0].reason
    jsonschema.validate(json.loads(to_json_text(report)), schema())


def test_the_model_is_left_alone() -> None:
    model = small_model()
    inputs = inputs_for(model)
    before = snapshot(model, inputs)
    audit(model, PLAN)
    assert not differences(before, snapshot(model, inputs))


def test_what_does_not_apply_is_named_with_a_reason() -> None:
    name = "minimal first layer, no output map"
    found = audit(random_model(FAMILIES[name]), PLAN)
    missing = {entry.name: entry.why for entry in found.not_applicable}
    assert {"exact_head_permutation", "exact_neuron_permutation", "exact_value_bias_shift"} <= set(missing)
    assert all(missing.values())
    jsonschema.validate(json.loads(to_json_text(found)), schema())


def test_a_classifier_is_audited_as_far_as_it_goes() -> None:
    name = "bidirectional classifier, RMS norm"
    found = audit(random_model(FAMILIES[name], task_for(FAMILIES[name])), PLAN)
    missing = {entry.name: entry.why for entry in found.not_applicable}
    assert "exact_centred_writing" in missing
    assert all(missing.values())
    assert 0.5 <= found.behaviour.in_distribution.accuracy <= 1.0
    assert found.findings
    jsonschema.validate(json.loads(to_json_text(found)), schema())


def test_a_model_with_nan_weights_is_refused_before_any_work() -> None:
    model = small_model()
    with torch.no_grad():
        model.b_U[0] = float("nan")
    with pytest.raises(CheckpointError, match="'b_U' are NaN"):
        audit(model, PLAN, progress=_no_work)


def _no_work(_share: float, words: str) -> None:
    pytest.fail(f"worked on {words}")


def test_progress_is_reported_and_may_interrupt() -> None:
    seen: list[float] = []

    def watch(share: float, _words: str) -> None:
        seen.append(share)
        if len(seen) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        audit(small_model(), PLAN, progress=watch)
    assert seen == sorted(seen)


def test_cells_compute_what_the_whole_audit_computes(report: AuditReport) -> None:
    """Built and measured one by one, as workers do."""
    model = small_model()
    key = "exact_value_bias_shift/1"
    built = build(model, PLAN, 0, key)
    assert built.model is not None
    found = measure(built.model, PLAN, 0, "ablation_head_zero")
    assert isinstance(found, Interpretation)
    entry = next(e for e in report.interpretations if (e.variant, e.method) == (key, "ablation_head_zero"))
    assert list(entry.values) == pytest.approx(found.values.mean(axis=0).tolist(), rel=1e-12)
    same = next(v for v in report.variants if v.key == key)
    assert replace(built.variant, seconds=None) == replace(same, seconds=None)


def test_a_wrong_plan_is_refused_before_any_work() -> None:
    model = small_model()
    for plan, words in (
        ("quickest", "unknown plan 'quickest'"),
        (replace(PLAN, methods=("nonsense",)), "unknown method 'nonsense'"),
        (replace(PLAN, equivalences=("nonsense",)), "unknown equivalence 'nonsense'"),
    ):
        with pytest.raises(PlanError, match=words):
            audit(model, plan, progress=_no_work)
    with pytest.raises(PlanError, match="no variant 'exact_head_permutation/9'"):
        build(model, PLAN, 0, "exact_head_permutation/9")


def test_the_public_names() -> None:
    assert auditor.audit is audit
    assert auditor.AuditReport is AuditReport
    with pytest.raises(AttributeError, match="nonsense"):
        _ = auditor.nonsense
