"""Reports that were written before read back as the same document: names, order of the parts, values, numbers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from auditor.records import AuditReport
from auditor.report.machine import schema, to_json_text

REPORTS = sorted(Path("tests/data/reports").glob("*.json"))


@pytest.mark.parametrize("path", REPORTS, ids=lambda path: path.stem)
def test_a_kept_report_reads_back_unchanged(path: Path) -> None:
    document = _kept(path)
    report = AuditReport.from_json(document)
    assert report.to_json() == document
    assert json.loads(to_json_text(report)) == document
    assert list(report.to_json()) == list(document)
    jsonschema.validate(document, schema())


@pytest.mark.parametrize("path", REPORTS, ids=lambda path: path.stem)
def test_numbers_keep_their_kind(path: Path) -> None:
    """1 stays 1 and 1.0 stays 1.0: the text is the same, not only the value."""
    document = _kept(path)
    assert _sorted(AuditReport.from_json(document).to_json()) == _sorted(document)


def _kept(path: Path) -> Any:
    """The document; an audit that no store knows had no ``calibration``, which is null now."""
    document = json.loads(path.read_text(encoding="utf-8"))
    return {**document, "audit": {"calibration": None, **document["audit"]}}


def _sorted(document: Any) -> str:
    return json.dumps(document, sort_keys=True)
