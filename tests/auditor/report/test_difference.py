"""Known answers of the comparison of two audits."""

from __future__ import annotations

import dataclasses
import io
import json
from typing import Any

import pytest
from rich.console import Console

from auditor.records import AuditReport, AuditState, Component, Finding, Verdict
from auditor.report.difference import MetricPair, compare
from auditor.report.difference_text import render_difference
from auditor.report.machine import json_text
from tests.auditor.report.samples import TWIN, make_finding, sample_report, with_strings

OTHER = Component(layer=0, head=1)


def test_a_report_does_not_differ_from_itself() -> None:
    report = sample_report()
    difference = compare(report, report)
    assert len(difference.pairs) == len(report.findings)
    assert difference.changed == difference.only_first == difference.only_second == ()
    assert all(pair.effect_difference == 0 for pair in difference.pairs)
    assert all(pair.difference in (0, None) for pair in difference.behaviour)


def test_changes_are_paired_counted_and_ordered() -> None:
    """a: verdict changes; b: effect falls by 0.5; c and d are in one audit only."""
    first = sample_report(
        findings=(
            make_finding(id="b", component=OTHER, effect=0.75, verdict=Verdict.STABLE),
            make_finding(id="a", effect=1.0),
            make_finding(id="c", equivalence=TWIN),
        )
    )
    second = sample_report(
        findings=(
            make_finding(id="a2", effect=None, verdict=Verdict.STABLE),
            make_finding(id="b2", component=OTHER, effect=0.25, verdict=Verdict.STABLE),
            make_finding(id="d", claim_kind="value"),
        )
    )
    difference = compare(first, second)
    assert [(pair.first.id, pair.second.id) for pair in difference.pairs] == [("a", "a2"), ("b", "b2")]
    assert [pair.effect_difference for pair in difference.pairs] == [None, -0.5]
    assert difference.transitions == {("unstable", "stable"): 1}
    assert [finding.id for finding in difference.only_first] == ["c"]
    assert [finding.id for finding in difference.only_second] == ["d"]


def test_findings_with_one_key_pair_in_order() -> None:
    findings = (make_finding(id="top1", effect=1.0), make_finding(id="top2", effect=2.0))
    difference = compare(sample_report(findings=findings), sample_report(findings=findings[:1]))
    assert [(pair.first.id, pair.second.id) for pair in difference.pairs] == [("top1", "top1")]
    assert [finding.id for finding in difference.only_first] == ["top2"]


def test_behaviour_is_compared_where_both_have_numbers() -> None:
    first = sample_report()
    second = dataclasses.replace(
        first,
        behaviour=dataclasses.replace(
            first.behaviour,
            in_distribution=dataclasses.replace(first.behaviour.in_distribution, kl_nats=0.5, reason="x"),
            longer=None,
        ),
    )
    pairs = compare(first, second).behaviour
    assert MetricPair("in_distribution", "kl_nats", 0.00043, 0.5) in pairs
    assert MetricPair("longer", "closing_accuracy", 0.9612, None) in pairs
    assert not any(pair.metric == "reason" for pair in pairs)


def test_json_and_terminal_forms_show_the_change() -> None:
    second = sample_report(findings=(make_finding(verdict=Verdict.STABLE, effect=0.0),))
    difference = compare(sample_report(findings=(make_finding(),)), second)
    document = json.loads(json_text(difference.to_json()))
    assert document["schema"] == "dyck-audit/difference/1"
    assert document["transitions"] == [{"from": "unstable", "to": "stable", "count": 1}]
    assert document["pairs"][0]["effect_difference"] == -1
    console = Console(width=110, file=io.StringIO(), record=True)
    console.print(render_difference(difference))
    text = console.export_text()
    assert "1 of 1 paired finding changed verdict" in text
    assert "UNSTABLE" in text
    assert "STABLE" in text


def test_two_audits_of_other_strings_are_said_to_be() -> None:
    drawn, given = sample_report(), with_strings(sample_report())
    other = with_strings(sample_report(), sha256="ef" * 32)
    assert compare(drawn, drawn).other_strings is False
    assert compare(given, given).other_strings is False
    for first, second in ((drawn, given), (given, other), (given, drawn)):
        difference = compare(first, second)
        assert difference.to_json()["other_strings"] is True
        stream = io.StringIO()
        Console(file=stream, width=160).print(render_difference(difference))
        assert "different strings" in stream.getvalue()


def shown(first: AuditReport, second: AuditReport, *, everything: bool = False) -> str:
    stream = io.StringIO()
    Console(file=stream, width=200).print(render_difference(compare(first, second), everything=everything))
    return stream.getvalue()


def with_audit(report: AuditReport, **changes: Any) -> AuditReport:
    return dataclasses.replace(report, audit=dataclasses.replace(report.audit, **changes))


def with_model(report: AuditReport, **changes: Any) -> AuditReport:
    return dataclasses.replace(report, model=dataclasses.replace(report.model, **changes))


@pytest.mark.parametrize(
    ("what", "other", "said"),
    [
        ("seed", lambda r: with_audit(r, seed=7), "other seed (0 → 7)"),
        ("plan", lambda r: with_audit(r, plan="full"), "other plan (name quick → full)"),
        (
            "plan",
            lambda r: with_audit(r, plan_settings={**r.audit.plan_settings, "sequences": 8, "methods": ["a"]}),
            "other plan (sequences 512 → 8, methods)",
        ),
        (
            "versions",
            lambda r: with_audit(r, versions={**r.audit.versions, "torch": "2.14.0", "mine": "1"}),
            "other versions (torch 2.13.0 → 2.14.0, mine none → 1)",
        ),
        ("strings", with_strings, "different strings (drawn from the task → sha256"),
        ("state", lambda r: with_audit(r, state=AuditState.INCOMPLETE), "1 audit with parts that failed"),
        ("task", lambda r: with_model(r, task={**r.model.task, "depth": 5}), "other languages (depth 4 → 5)"),
        (
            "architecture",
            lambda r: with_model(r, architecture={**r.model.architecture, "heads": 4}),
            "other shapes (heads 2 → 4)",
        ),
        (
            "function",
            lambda r: with_audit(with_model(r, function_fingerprint="other"), weights_sha256="0" * 64),
            "models that compute different functions",
        ),
    ],
)
def test_what_two_audits_do_not_share_stands_first(what: str, other: Any, said: str) -> None:
    first = sample_report()
    second = other(first)
    document = compare(first, second).to_json()
    assert document["comparable"] is False
    (obstacle,) = document["not_comparable"]
    assert (obstacle["what"], said in obstacle["text"]) == (what, True), obstacle
    assert obstacle["changes"]
    lines = shown(first, second).splitlines()
    assert "not comparable" in lines[1]
    assert said in lines[2]


def test_audits_that_share_all_are_comparable_whatever_their_weights() -> None:
    first = sample_report()
    second = with_audit(first, weights_sha256="0" * 64, id="another")
    document = compare(first, second).to_json()
    assert (document["comparable"], document["not_comparable"], document["one_function"]) == (True, [], True)
    lines = shown(first, second).splitlines()
    assert "comparable: same plan, seed, strings, versions and function" in lines[1]
    assert "one function with other weights" in lines[2]
    assert "one function" not in shown(first, first)


def test_only_what_differs_is_shown_unless_all_is_asked_for() -> None:
    """a: same verdict, intervals apart; b: within its interval; c: equal; d: in the first only."""

    def at(name: str, head: int, effect: float, half: float) -> Finding:
        component = Component(layer=0, head=head)
        one = make_finding(id=name, component=component, effect=effect, verdict=Verdict.STABLE)
        return dataclasses.replace(one, interval=(effect - half, effect + half))

    old = (at("a", 0, 0.1, 0.01), at("b", 1, 0.2, 0.1), at("c", 2, 0.3, 0.1), at("d", 3, 1, 1))
    first = sample_report(findings=old)
    second = sample_report(findings=(at("a", 0, 0.2, 0.01), at("b", 1, 0.25, 0.1), at("c", 2, 0.3, 0.1)))
    difference = compare(first, second)
    assert [(pair.first.id, pair.effect_moved) for pair in difference.pairs] == [
        ("a", True),
        ("b", False),
        ("c", False),
    ]
    few, every = difference.to_json(all_pairs=False), difference.to_json()
    assert [len(one["pairs"]) for one in (few, every)] == [1, 3]
    assert (few["compared"], few["moved"], few["changed"], few["behaviour"]) == (3, 1, 0, [])
    assert few["pairs"][0]["intervals"] == [[0.1 - 0.01, 0.1 + 0.01], [0.2 - 0.01, 0.2 + 0.01]]
    text = shown(first, second)
    assert (
        "0 of 3 paired findings changed verdict; 1 effect more beyond the 95 % intervals; 1 only in the first" in text
    )
    assert "[0.09, 0.11] → [0.19, 0.21]" in text
    assert "(within)" not in text
    assert "Behaviour: no metric differs" in text
    whole = shown(first, second, everything=True)
    assert whole.count("(within)") == 2
    assert whole.count("only in the first") == 2
