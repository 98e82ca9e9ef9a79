"""Reports that were written before read back as the same document: names, values and kinds of numbers.

What was added since is null in them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from auditor.records import AuditReport
from auditor.report.machine import schema, to_json_text

REPORTS = sorted(Path("tests/data/reports").glob("*.json"))


@pytest.fixture(params=REPORTS, ids=lambda path: path.stem)
def document(request: pytest.FixtureRequest) -> Any:
    """A report as it was written."""
    return json.loads(request.param.read_text(encoding="utf-8"))


def test_every_entry_of_a_stored_report_is_unchanged(document: Any) -> None:
    jsonschema.validate(document, schema())
    report = AuditReport.from_json(document)
    assert list(report.to_json()) == list(document)
    assert list(_changes(document, json.loads(to_json_text(report)), "$")) == []


def test_it_reads_back_as_the_same_report(document: Any) -> None:
    report = AuditReport.from_json(document)
    assert AuditReport.from_json(report.to_json()) == report


def test_a_change_is_seen(document: Any) -> None:
    first = document["findings"][0]
    changed = {**first, "threshold": 2 * first["threshold"], "later": 1}
    assert len([*_changes(document, {**document, "findings": [changed, *document["findings"][1:]]}, "$")]) == 2


def _changes(kept: Any, now: Any, path: str) -> Iterator[str]:
    """Paths of entries that are gone, have another value or kind of number, or are new and not null."""
    if isinstance(kept, dict) and isinstance(now, dict):
        for name in {**kept, **now}:
            if name in kept and name in now:
                yield from _changes(kept[name], now[name], f"{path}.{name}")
            elif name in kept or now[name] is not None:
                yield f"{path}.{name}"
    elif isinstance(kept, list) and isinstance(now, list) and len(kept) == len(now):
        for index, (old, new) in enumerate(zip(kept, now, strict=True)):
            yield from _changes(old, new, f"{path}[{index}]")
    elif kept != now or type(kept) is not type(now):
        yield path
