"""Known answers of the comparison of two audits."""

from __future__ import annotations

import dataclasses
import io
import json

from rich.console import Console

from auditor.records import Component, Verdict
from auditor.report.difference import MetricPair, compare
from auditor.report.machine import json_text
from auditor.report.terminal import render_difference
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
        assert "the two saw different strings" in stream.getvalue()
