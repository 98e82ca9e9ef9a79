"""history, findings, show, report, diff: stored audits, on the terminal and as documents."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path

import jsonschema
import pytest

from auditor.records import AuditState, Basis, Verdict
from auditor.report.machine import schema
from auditor.store.filters import AuditSort, ClaimKind, FindingSort
from cli import findings, history
from cli.history import read_moment
from tests.auditor.report.samples import sample_report
from tests.cli.conftest import MODEL, Ids, Run

FINDINGS = sample_report().findings


def rows(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()[1:]]


def test_an_empty_home_gives_the_command_to_type(run: Run) -> None:
    shown = run("history")
    assert (shown.code, shown.stdout) == (0, "")
    assert "dyck-audit submit" in shown.stderr
    assert "dyck-audit submit" in run("show").refusal
    assert "dyck-audit submit" in run("models", "list").stderr
    assert "dyck-audit history" in run("findings").stderr
    assert run("history", "--json").document == {"audits": [], "next": None}


def test_history_lists_the_newest_first(run: Run, ids: Ids) -> None:
    listed = rows(run("history").stdout)
    assert [row[0] for row in listed] == [ids.queued, ids.failed, ids.again, ids.done]
    assert [row[4] for row in listed] == ["queued", "failed", "done", "done"]
    assert listed[0][1] == MODEL


@pytest.mark.parametrize(
    ("conditions", "wanted"),
    [
        (["--state", "failed"], ["failed"]),
        (["--verdict", "unstable"], ["again", "done"]),
        (["--model", MODEL, "--limit", "1"], ["queued"]),
        (["--model", "another"], []),
        (["--plan", "full"], []),
        (["--since", "1h"], ["queued", "failed", "again", "done"]),
        (["--until", "2020-01-31"], []),
    ],
    ids=" ".join,
)
def test_history_filters(run: Run, ids: Ids, conditions: list[str], wanted: list[str]) -> None:
    found = run("history", "--json", *conditions).document["audits"]
    assert [audit["id"] for audit in found] == [getattr(ids, name) for name in wanted]


def test_history_notes_that_a_filter_finds_nothing_or_that_rows_are_cut(run: Run, ids: Ids) -> None:
    assert "no audit matches" in run("history", "--plan", "full").stderr
    for arguments in ([], ["--json"]):
        assert "--limit" in run("history", "--limit", "2", *arguments).stderr
        assert "--limit" in run("findings", "--limit", "2", *arguments).stderr


@pytest.mark.parametrize(
    ("text", "age"), [("12h", timedelta(hours=12)), ("7d", timedelta(days=7)), ("2w", timedelta(weeks=2))]
)
def test_an_age_is_a_moment(text: str, age: timedelta) -> None:
    assert abs(datetime.now(UTC) - age - read_moment(text)) < timedelta(seconds=5)


@pytest.mark.parametrize("text", ["2026-01-31", "2026-01-31T00:00", "2026-01-31T01:00+01:00"])
def test_a_date_is_read_in_utc(text: str) -> None:
    assert read_moment(text) == datetime(2026, 1, 31, tzinfo=UTC)


def test_findings_of_all_audits(run: Run, ids: Ids) -> None:
    found = run("findings", "--json", "--limit", 1000).document["findings"]
    assert len(found) == 2 * len(FINDINGS)
    assert {entry["audit"] for entry in found} == {ids.done, ids.again}
    unstable = run("findings", "--json", "--verdict", "unstable", "--audit", ids.done).document["findings"]
    assert [entry["id"] for entry in unstable] == [f.id for f in FINDINGS if f.verdict == "unstable"]


def test_findings_as_a_table_name_the_witness(run: Run, ids: Ids) -> None:
    header, *lines = run("findings", "--verdict", "unstable", "--audit", ids.done).stdout.splitlines()
    for word in ("finding", "audit", "model", "verdict", "effect", "claim", "equivalence", "witness"):
        assert word in header
    first = next(finding for finding in FINDINGS if finding.verdict == "unstable")
    line = next(line for line in lines if line.startswith(first.id))
    assert first.claim.text in line
    assert str(first.worst_variant) in line


def test_show_prints_a_finished_audit(run: Run, ids: Ids) -> None:
    shown = run("show", ids.done[:6])
    assert shown.code == 0
    assert sample_report().summary.headline.split(":")[0] in shown.stdout
    assert "ablation_head_zero" in shown.stdout


@pytest.mark.parametrize(("which", "next_command"), [("queued", "watch"), ("failed", "retry")])
def test_show_gives_the_command_to_type_for_an_unfinished_audit(
    run: Run, ids: Ids, which: str, next_command: str
) -> None:
    audit_id = getattr(ids, which)
    shown = run("show", audit_id)
    assert shown.code == 0
    assert f"`dyck-audit {next_command} {audit_id}`" in shown.stdout
    assert run("show", audit_id, "--json").document["report"] is None


def test_show_gives_the_reason_why_an_audit_failed(run: Run, ids: Ids) -> None:
    assert "the plan cannot run" in run("show", ids.failed).stdout


def test_latest_is_the_newest(run: Run, ids: Ids) -> None:
    assert run("show", "latest", "--json").document["audit"]["id"] == ids.queued


@pytest.mark.parametrize("command", ["show", "report", "retry", "cancel"])
def test_an_id_that_matches_nothing_or_too_much_is_refused(run: Run, ids: Ids, command: str) -> None:
    nothing = run(command, "zzzz")
    assert nothing.code == 1
    assert "no audit matches 'zzzz'" in nothing.refusal
    several = run(command, "a")
    assert several.code == 1
    assert ids.done in several.refusal


def test_the_json_report_follows_the_published_schema(run: Run, ids: Ids) -> None:
    published = run("report", "--schema").document
    assert published == schema()
    jsonschema.validate(run("report", ids.done, "--format", "json").document, published)
    jsonschema.validate(run("show", ids.done, "--json").document["report"], published)


def test_the_csv_report_has_a_row_for_each_finding(run: Run, ids: Ids) -> None:
    text = run("report", ids.done, "--format", "csv").stdout
    found = list(csv.DictReader(io.StringIO(text)))
    assert [row["id"] for row in found] == [finding.id for finding in FINDINGS]


@pytest.mark.parametrize(("form", "start"), [("html", "<!DOCTYPE html>"), ("markdown", "# "), ("json", "{")])
def test_a_report_goes_to_a_file_or_to_stdout(run: Run, ids: Ids, tmp_path: Path, form: str, start: str) -> None:
    file = tmp_path / "report"
    written = run("report", ids.done, "--format", form, "--out", file)
    assert (written.code, written.stdout) == (0, "")
    assert str(file) in written.stderr
    assert file.read_text(encoding="utf-8").startswith(start)
    assert run("report", ids.done, "--format", form).stdout.strip() == file.read_text(encoding="utf-8").strip()


def test_a_report_of_an_unfinished_audit_is_refused(run: Run, ids: Ids) -> None:
    refused = run("report", ids.queued)
    assert refused.code == 1
    assert "dyck-audit watch" in refused.refusal


def test_a_report_to_a_folder_is_one_line(run: Run, ids: Ids, tmp_path: Path) -> None:
    refused = run("report", ids.done, "--out", tmp_path)
    assert refused.code == 1
    assert str(tmp_path) in refused.refusal


def test_two_equal_audits_do_not_differ(run: Run, ids: Ids) -> None:
    difference = run("diff", ids.done, ids.again, "--json").document
    assert (difference["compared"], difference["changed"]) == (len(FINDINGS), 0)
    assert [audit["audit"] for audit in difference["audits"]] == [ids.done, ids.again]
    assert f"0 of {len(FINDINGS)} paired findings changed verdict" in run("diff", ids.done, ids.again).stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["findings", "--method", "ablation_head_zerro"],
            "unknown method 'ablation_head_zerro'; expected ablation_head_",
        ),
        (["findings", "--equivalence", "exact_value_bias"], "exact_value_bias_shift"),
        (["history", "--plan", "quik"], "unknown plan 'quik'; expected quick"),
        (["history", "--function", "zzz"], "unknown function 'zzz'"),
        (["history", "--after", "a0"], "no row 'a0' to go on after; begin at the first page"),
        (["findings", "--after", "a0/f0"], "no row 'a0/f0' to go on after"),
    ],
)
def test_a_wrong_condition_is_a_wrong_use_in_one_line(run: Run, ids: Ids, arguments: list[str], said: str) -> None:
    refused = run(*arguments)
    assert refused.code == 2
    assert said in refused.refusal


def test_a_method_that_nothing_was_measured_with_is_no_error(run: Run, ids: Ids) -> None:
    assert run("findings", "--method", "logit_lens", "--json").document == {"findings": [], "next": None}


@pytest.mark.parametrize(
    ("command", "order"),
    [*(("history", one.value) for one in AuditSort), *(("findings", one.value) for one in FindingSort)],
)
def test_pages_join_to_the_whole_list(run: Run, ids: Ids, command: str, order: str) -> None:
    listed = "audits" if command == "history" else command
    whole = run(command, "--sort", order, "--json", "--limit", 1000).document[listed]
    joined, after, pages = [], [], 0
    while pages == 0 or after:
        page = run(command, "--sort", order, "--json", "--limit", 3, *after).document
        joined, pages = joined + page[listed], pages + 1
        after = ["--after", page["next"]] if page["next"] else []
    assert joined == whole
    assert pages == -(-len(whole) // 3)


@pytest.mark.parametrize(
    ("offered", "known"),
    [
        (history.State, AuditState),
        (history.VerdictName, Verdict),
        (history.Order, AuditSort),
        (findings.ClaimKind, ClaimKind),
        (findings.BasisName, Basis),
        (findings.FindingOrder, FindingSort),
    ],
    ids=lambda one: one.__name__,
)
def test_the_options_offer_what_the_filters_know(offered: type[StrEnum], known: type[StrEnum]) -> None:
    assert [str(one) for one in offered] == [str(one) for one in known]
