"""report and findings as tables: to a file or a pipe, page by page, whole or not at all."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import jsonschema
import pandas
import pytest

import cli.filtering
from auditor.report.tables import COLUMNS, ORIGIN
from auditor.store import findings as stored_findings
from tests.auditor.report.samples import sample_report
from tests.cli.conftest import MODEL, Ids, Run

FINDINGS = sample_report().findings
NAMES = [one.name for one in (*ORIGIN, *COLUMNS)]


def read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_a_report_is_a_parquet_file(run: Run, ids: Ids, tmp_path: Path) -> None:
    file = tmp_path / "audit.parquet"
    written = run("report", ids.done, "--format", "parquet", "--out", file)
    assert (written.code, written.stdout) == (0, "")
    assert f"{file}, {len(FINDINGS)} rows" in written.stderr
    frame = pandas.read_parquet(file)
    assert list(frame["id"]) == [one.id for one in FINDINGS]
    assert list(frame.columns) == NAMES[2:]


@pytest.mark.parametrize("rows", [1, 7, 1_000])
def test_findings_of_all_audits_are_one_table(
    run: Run, ids: Ids, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    monkeypatch.setattr(cli.filtering, "PAGE_ROWS", rows)
    listed = run("findings", "--json", "--limit", 1000, "--verdict", "unstable").document["findings"]
    text = run("findings", "--format", "csv", "--verdict", "unstable").stdout
    files = {form: tmp_path / form for form in ("csv", "parquet")}
    for form, file in files.items():
        assert run("findings", "--format", form, "--verdict", "unstable", "--out", file).code == 0
    assert read(files["csv"].read_bytes().decode()) == read(text)
    frame = pandas.read_parquet(files["parquet"])
    for found in (pandas.DataFrame(read(text)), frame):
        assert list(found.columns) == NAMES
        assert list(found["id"]) == [one["id"] for one in listed]
        assert list(found["audit"]) == [one["audit"] for one in listed]
        assert set(found["model"]) == {MODEL}


def test_a_limit_and_a_beginning_hold_for_a_table_too(run: Run, ids: Ids, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli.filtering, "PAGE_ROWS", 2)
    whole = read(run("findings", "--format", "csv").stdout)
    assert len(whole) == 2 * len(FINDINGS)
    after = f"{whole[3]['audit']}/{whole[3]['id']}"
    assert read(run("findings", "--format", "csv", "--limit", 5, "--after", after).stdout) == whole[4:9]


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_table_that_fails_half_way_leaves_what_was_there(
    run: Run, ids: Ids, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    file = tmp_path / "findings"
    file.write_text("before")
    monkeypatch.setattr(cli.filtering, "PAGE_ROWS", 2)
    read_page, pages = stored_findings.list_findings, []

    def second_fails(*arguments: Any) -> Any:
        pages.append(arguments)
        if len(pages) > 1:
            raise MemoryError
        return read_page(*arguments)

    monkeypatch.setattr(stored_findings, "list_findings", second_fails)
    failed = run("findings", "--format", form, "--out", file)
    assert failed.code == 1
    assert "out of memory" in failed.refusal
    assert [(one.name, one.read_text()) for one in tmp_path.iterdir() if one.is_file()] == [("findings", "before")]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["findings", "--format", "parquet"], 1, "add --out FILE"),
        (["report", "latest", "--format", "parquet"], 1, "add --out FILE"),
        (["findings", "--format", "csv", "--json"], 2, "--json and --format"),
        (["findings", "--out", "x.csv"], 2, "--out goes with --format"),
        (["findings", "--format", "csv", "--method", "ablation_head_zerro"], 2, "ablation_head_zero"),
        (["findings", "--format", "csv", "--out", "no/folder/x.csv"], 1, "no folder"),
    ],
)
def test_what_cannot_be_written_is_refused_before_any_work(
    run: Run, ids: Ids, arguments: list[str], code: int, said: str
) -> None:
    refused = run(*arguments)
    assert (refused.code, refused.stdout) == (code, "")
    assert said in refused.refusal


def test_the_types_of_a_table_are_published(run: Run, tmp_path: Path) -> None:
    for form in ("csv", "parquet"):
        fields = run("report", "--schema", "--format", form).document["fields"]
        assert [one["name"] for one in fields] == NAMES[2:]
        assert all(one["description"] for one in fields)


def test_the_published_schema_is_a_schema(run: Run) -> None:
    jsonschema.Draft202012Validator.check_schema(run("report", "--schema").document)
