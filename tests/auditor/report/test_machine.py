"""The JSON document: schema, order, refusal of what JSON cannot hold."""

from __future__ import annotations

import copy
import dataclasses
import io
import json
from typing import Any

import jsonschema
import pytest
from rich.console import Console

from auditor.errors import ReportError
from auditor.records import AuditReport
from auditor.report.html import render_html
from auditor.report.machine import schema, schema_text, to_json_text
from auditor.report.markdown import render_markdown
from auditor.report.terminal import render_report
from tests.auditor.report.samples import make_finding, sample_report, with_strings


def validate(document: Any) -> None:
    """Check a document against the published schema."""
    jsonschema.Draft202012Validator(schema()).validate(document)


def test_sample_follows_the_schema_and_survives_a_round_trip() -> None:
    text = to_json_text(sample_report())
    document = json.loads(text)
    validate(document)
    assert to_json_text(AuditReport.from_json(document)) == text
    assert text.isascii()


def test_schema_is_itself_valid_and_names_the_version_of_the_records() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())
    assert json.loads(schema_text())["properties"]["schema"]["const"] == AuditReport.SCHEMA


def test_document_keeps_the_order_of_the_schema() -> None:
    always = [name for name in schema()["properties"] if name != "missing"]
    assert list(json.loads(to_json_text(sample_report()))) == always


@pytest.mark.parametrize(
    "damage",
    [
        lambda document: document.pop("findings"),
        lambda document: document["findings"][0].update(verdict="fine"),
        lambda document: document["findings"][0].update(p=1.5),
        lambda document: document["findings"][0].update(invented=1),
        lambda document: document["variants"][0]["certificate"].update(passed=False),
        lambda document: document["variants"][0].update(weights_sha256="short"),
        lambda document: document["summary"].pop("headline"),
        lambda document: document.update(schema="dyck-audit/report/2"),
    ],
)
def test_schema_refuses_damaged_documents(damage: Any) -> None:
    document = copy.deepcopy(sample_report().to_json())
    damage(document)
    with pytest.raises(jsonschema.ValidationError):
        validate(document)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_not_a_number_is_refused_by_its_path(value: float) -> None:
    report = sample_report(findings=(make_finding(), make_finding(effect=value)))
    with pytest.raises(ReportError, match=r"\$\.findings\[1\]\.effect is"):
        to_json_text(report)


def test_foreign_types_are_refused_by_their_path() -> None:
    sample = sample_report()
    report = dataclasses.replace(sample, model=dataclasses.replace(sample.model, task={"depth": {1, 2}}))
    with pytest.raises(ReportError, match=r"\$\.model\.task\.depth is a set"):
        to_json_text(report)
    report = dataclasses.replace(sample, audit=dataclasses.replace(sample.audit, versions={"methods": {3: 1.0}}))
    with pytest.raises(ReportError, match=r"\$\.audit\.versions\.methods is an object with the key 3"):
        to_json_text(report)


def test_the_strings_of_an_audit_follow_the_schema_and_stand_in_every_form() -> None:
    report = with_strings(sample_report())
    document = json.loads(to_json_text(report))
    validate(document)
    assert AuditReport.from_json(document) == report
    assert "strings" not in json.loads(to_json_text(sample_report()))["audit"]
    document["audit"]["strings"]["sha256"] = "short"
    with pytest.raises(jsonschema.ValidationError):
        validate(document)
    stream = io.StringIO()
    Console(file=stream, width=300).print(render_report(report))
    for text in (render_html(report), render_markdown(report), stream.getvalue()):
        assert "cd" * 32 in text
        assert "2,100 for certificates" in text
