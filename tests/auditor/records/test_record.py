"""What every record promises: it reads back as it was written, and refuses what has another type, by its path."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass, replace
from typing import Any

import pytest

from auditor.errors import RecordError
from auditor.records import (
    AuditReport,
    AuditState,
    Behaviour,
    Component,
    Exclusion,
    Finding,
    Kind,
    LanguageMetrics,
    Record,
    Relabelling,
    Verdict,
)
from auditor.records.values import group, number, texts, whole
from tests.auditor.report.samples import make_finding, sample_report


def test_a_report_reads_back_as_the_same_records() -> None:
    report = sample_report()
    found = AuditReport.from_json(json.loads(json.dumps(report.to_json())))
    assert found == report
    assert isinstance(found.audit.state, AuditState)
    assert all(isinstance(one.verdict, Verdict) and isinstance(one.kind, Kind) for one in found.findings)
    assert isinstance(found.behaviour.in_distribution, LanguageMetrics)


def test_what_is_written_is_plain_json() -> None:
    def kinds(value: Any) -> set[type]:
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        return {type(value)}.union(*(kinds(entry) for entry in inner))

    assert kinds(sample_report().to_json()) <= {dict, list, str, int, float, bool, type(None)}


def test_a_claim_is_written_beside_its_method_and_component() -> None:
    document = make_finding().to_json()
    assert set(document["claim"]) == {"kind", "text", "parameters"}
    assert (document["method"], document["component"]) == (
        "ablation_head_zero",
        {"layer": 1, "head": 0, "label": "L1H0"},
    )
    assert document["contradicts_theory"] is False


def test_a_field_may_be_left_out_when_it_is_none() -> None:
    assert Component(1, head=0).to_json() == {"layer": 1, "head": 0, "label": "L1H0"}
    assert Component(1, head=0).coordinates == {"layer": 1, "head": 0}
    assert Exclusion("method", "m", "why").to_json() == {"what": "method", "name": "m", "why": "why"}
    assert Relabelling({"head": ((1,), None)}).to_json() == {"head": [[1], None]}


DAMAGES = {
    "findings.0.p": "0.5",
    "findings.0.verdict": "fine",
    "findings.0.variants": None,
    "audit.seed": True,
    "model.architecture": 3,
    "behaviour.in_distribution.sequences": 1.5,
    "behaviour.longer": [],
    "variants.0.relabelling": {"head": [["x"]]},
    "not_applicable.0.what": "model",
    "summary.claims": {},
    "illustrations": 5,
}


@pytest.mark.parametrize(("place", "value"), DAMAGES.items(), ids=DAMAGES)
def test_a_value_of_another_type_is_refused_by_name(place: str, value: Any) -> None:
    document = copy.deepcopy(sample_report().to_json())
    *path, last = (int(part) if part.isdigit() else part for part in place.split("."))
    inside = document
    for part in path:
        inside = inside[part]
    inside[last] = value
    with pytest.raises(RecordError) as refused:
        AuditReport.from_json(document)
    assert str(path[0] if path else last) in str(refused.value)


@pytest.mark.parametrize("name", ["id", "claim", "method", "variants", "verdict"])
def test_a_missing_entry_is_named(name: str) -> None:
    document = {key: value for key, value in make_finding().to_json().items() if key != name}
    with pytest.raises(RecordError, match=name):
        Finding.from_json(document)


def test_entries_of_later_versions_are_ignored() -> None:
    behaviour = sample_report().behaviour
    assert Behaviour.from_json({**behaviour.to_json(), "later": {"a": 1}}) == behaviour
    assert Finding.from_json({**make_finding().to_json(), "later": 1}) == make_finding()


def test_numbers_keep_their_kind() -> None:
    whole = replace(sample_report().behaviour.in_distribution, kl_nats=1)
    assert repr(LanguageMetrics.from_json(whole.to_json()).kl_nats) == "1"


def test_a_list_is_no_record() -> None:
    @dataclass(frozen=True)
    class Pair(Record):
        first: int

    with pytest.raises(RecordError, match="Pair"):
        Pair.from_json([1])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("read", "fits", "others"),
    [
        (whole, 3, [True, 1.5, "3", None]),
        (number, 0.5, [True, "0.5", None]),
        (texts, ["a", "b"], ["ab", [1], 3]),
        (group, {"a": 1}, [[1], "a", None]),
    ],
)
def test_a_parameter_of_another_kind_is_refused(read: Any, fits: Any, others: list[Any]) -> None:
    found = read({"p": fits}, "p")
    assert found == (tuple(fits) if isinstance(fits, list) else fits)
    for value in others:
        with pytest.raises(RecordError, match="p = "):
            read({"p": value}, "p")


def test_what_is_not_among_the_parameters() -> None:
    assert whole({}, "p", 7) == 7
    assert texts({}, "p") == ()
    for read in (whole, number, group):
        with pytest.raises(RecordError, match="p = None"):
            read({}, "p")
