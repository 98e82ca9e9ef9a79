"""JUnit XML and annotations: well-formed whatever a claim is called, and true to the outcomes."""

from __future__ import annotations

from datetime import UTC, datetime
from xml.etree import ElementTree

from auditor.gate.claims_file import Entry, Role
from auditor.gate.judging import Checked, Outcome
from auditor.gate.junit import github_annotations, junit_document
from auditor.gate.statements import claim_of, component_named

AT = datetime(2026, 11, 22, 12, 0, 0, 5, tzinfo=UTC)


def _checked(outcome: Outcome, *, role: Role = Role.PRIMARY, name: str = "a claim") -> Checked:
    claim = claim_of(component_named("L0H0"), "top-1", "ablation_head_mean")
    return Checked(Entry(claim, name, ("exact",), role, None, 7), outcome, "why: 5 %,\nbecause", ())


CASES = [
    _checked(Outcome.STABLE),
    _checked(Outcome.UNSTABLE, name='<&"\x00\ud800'),
    _checked(Outcome.INCONCLUSIVE),
    _checked(Outcome.FALSE, role=Role.EXPLORATORY),
]


def test_the_document_counts_and_names_what_failed() -> None:
    suite = ElementTree.fromstring(junit_document("claims.toml", CASES, at=AT, seconds=1.5))[0]
    counts = {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped")}
    assert counts == {"tests": "4", "failures": "2", "errors": "0", "skipped": "1"}
    assert suite.get("timestamp") == "2026-11-22T12:00:00"
    cases = suite.findall("testcase")
    assert [[child.tag for child in case] for case in cases] == [[], ["failure"], ["failure"], ["skipped"]]
    assert cases[1].get("name") == '<&"��'
    failure = cases[1].find("failure")
    assert failure is not None
    assert (failure.get("type"), failure.text) == ("unstable", "L0H0 top-1 by ablation_head_mean")


def test_elements_are_in_the_order_of_the_schema() -> None:
    suite = ElementTree.fromstring(junit_document("claims.toml", CASES, at=AT, seconds=1.5))[0]
    assert [child.tag for child in suite] == ["properties", *["testcase"] * 4, "system-out", "system-err"]


def test_annotations_mark_the_line_of_each_claim_that_does_not_hold() -> None:
    lines = github_annotations("a,b:c.toml", CASES)
    assert [line.split(" ")[0] for line in lines] == ["::error", "::error", "::warning"]
    assert "file=a%2Cb%3Ac.toml,line=7,title=UNSTABLE::" in lines[0]
    assert lines[1].endswith("a claim: why: 5 %25,%0Abecause")
