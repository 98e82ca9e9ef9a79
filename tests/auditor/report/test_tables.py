"""Tables come back from CSV and Parquet in pandas, with the types that are documented and every value as it was."""

from __future__ import annotations

import io
import json
import math
import sys
from pathlib import Path
from typing import Any

import pandas
import pytest
from pyarrow import parquet

from auditor.errors import ReportError
from auditor.records import Finding
from auditor.report.parquet import SCHEMA_KEY, parquet_table
from auditor.report.tables import COLUMNS, TEXT_LIMIT, finding_row, findings_csv, table_schema
from auditor.report.wording import plain
from tests.auditor.report.hostile import hostile_report
from tests.auditor.report.samples import make_finding, sample_report

TYPES = {one["name"]: one["type"] for one in table_schema()["fields"]}  # type: ignore[union-attr, index, call-overload]
PANDAS = {"string": "string", "integer": "Int64", "number": "float64", "boolean": "boolean"}
ARROW = {"string": "string", "integer": "int64", "number": "double", "boolean": "bool"}
STARTS = ("=1+1", "'=1", "'", "+1", "-1", "@x", "|x", "%x", "plain", "", "1e5", "true", "NA", "None", " =1")
FINDINGS = (
    *sample_report().findings,
    *hostile_report().findings,
    *(make_finding(id=f"f{place}", text=text, reason=text) for place, text in enumerate(STARTS)),
    make_finding(id="extreme", effect=-1.7976931348623157e308, needed_sequences=2**53 + 1),
    make_finding(id="tiny", effect=5e-324),
)


def as_csv(findings: tuple[Finding, ...]) -> pandas.DataFrame:
    """Read as a reader of the documentation would: types by name, an empty cell is missing and nothing else is."""
    dtypes: dict[str, Any] = {name: PANDAS[kind] for name, kind in TYPES.items()}
    text = io.StringIO(findings_csv(findings))
    return pandas.read_csv(text, dtype=dtypes, keep_default_na=False, na_values=[""])


def as_parquet(findings: tuple[Finding, ...], file: Path) -> pandas.DataFrame:
    with file.open("wb") as stream, parquet_table(stream, COLUMNS) as table:
        table.write([finding_row(one) for one in findings[:5]])
        table.write([finding_row(one) for one in findings[5:]])
    return pandas.read_parquet(file, dtype_backend="numpy_nullable")


def is_missing(value: Any) -> bool:
    return value is None or value is pandas.NA or (isinstance(value, float) and math.isnan(value))


def test_csv_comes_back_with_the_documented_types() -> None:
    frame = as_csv(FINDINGS)
    assert list(frame.columns) == [one.name for one in COLUMNS]
    for place, finding in enumerate(FINDINGS):
        for column, wanted in zip(COLUMNS, finding_row(finding), strict=True):
            found = frame[column.name][place]
            if wanted in (None, "") and not isinstance(wanted, bool):
                assert is_missing(found), column.name
            elif column.type == "string":
                assert found.removeprefix("'") == plain(wanted, TEXT_LIMIT), column.name
            else:
                assert found == wanted, column.name


def test_a_text_comes_back_from_csv_by_taking_one_apostrophe_away() -> None:
    claims = [None if is_missing(one) else one.removeprefix("'") for one in as_csv(FINDINGS)["claim"]]
    assert claims[-len(STARTS) - 2 : -2] == [text or None for text in STARTS]


def test_parquet_comes_back_with_every_value_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "findings.parquet"
    frame = as_parquet(FINDINGS, file)
    for place, finding in enumerate(FINDINGS):
        for column, wanted in zip(COLUMNS, finding_row(finding), strict=True):
            found = frame[column.name][place]
            if wanted is None:
                assert is_missing(found), column.name
            elif isinstance(wanted, str):
                assert found == wanted.encode("utf-8", "backslashreplace").decode(), column.name
            else:
                assert found == wanted, column.name


def test_parquet_holds_the_documented_types_and_what_columns_mean(tmp_path: Path) -> None:
    file = tmp_path / "findings.parquet"
    as_parquet(FINDINGS, file)
    schema = parquet.read_schema(file)
    assert {field.name: str(field.type) for field in schema} == {name: ARROW[kind] for name, kind in TYPES.items()}
    assert json.loads(schema.metadata[SCHEMA_KEY.encode()]) == table_schema()
    assert all(field.metadata[b"description"] for field in schema)


def test_an_empty_table_has_its_columns(tmp_path: Path) -> None:
    assert list(as_parquet((), tmp_path / "empty.parquet").columns) == list(as_csv(()).columns) == list(TYPES)


def test_without_pyarrow_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ReportError, match=r"pip install 'dyck-audit\[parquet\]'"), parquet_table(io.BytesIO(), COLUMNS):
        pass
