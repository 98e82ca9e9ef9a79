"""A report as one JSON document, and the published JSON Schema of ``dyck-audit/report/1``."""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Iterator, Mapping
from importlib import resources

from auditor.errors import ReportError
from auditor.records import AuditReport, Json


def to_json_text(report: AuditReport, *, indent: int | None = None) -> str:
    """The document in the order of the schema, pure ASCII, without NaN or infinity.

    Raises:
        ReportError: a value is not finite or not JSON; the message names its path.
    """
    return json_text(report.to_json(), indent=indent)


def json_text(document: Json, *, indent: int | None = None) -> str:
    """Any JSON value as text, checked like a report.

    Raises:
        ReportError: a value is not finite or not JSON; the message names its path.
    """
    for path, found in _unfit(document, "$"):
        raise ReportError(
            f"{path} is {found}",
            expected="a finite number, a string, a list, an object or null with a reason",
            action="run the audit again; if it stays, report it as a defect",
        )
    return json.dumps(document, indent=indent, allow_nan=False)


@functools.cache
def schema_text() -> str:
    """The JSON Schema (draft 2020-12) as it is published."""
    return resources.files("auditor.report").joinpath("templates", "report-1.schema.json").read_text("utf-8")


def schema() -> dict[str, Json]:
    """The JSON Schema of a report."""
    loaded: dict[str, Json] = json.loads(schema_text())
    return loaded


def _unfit(value: Json, path: str) -> Iterator[tuple[str, str]]:
    """Path and description of every value that JSON cannot hold."""
    if isinstance(value, Mapping):
        for name, entry in value.items():
            if not isinstance(name, str):
                yield path, f"an object with the key {name!r}"
            yield from _unfit(entry, f"{path}.{name}")
    elif isinstance(value, (list, tuple)):
        for index, entry in enumerate(value):
            yield from _unfit(entry, f"{path}[{index}]")
    elif isinstance(value, float):
        if not math.isfinite(value):
            yield path, str(value)
    elif not (value is None or isinstance(value, (str, int))):
        yield path, f"a {type(value).__name__}"
