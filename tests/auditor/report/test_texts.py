"""CSV, markdown, terminal and the wording they share."""

from __future__ import annotations

import csv
import dataclasses
import io
import math
import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console, RenderableType

from auditor.records import AuditReport, Component, Expected, Verdict
from auditor.report.html import render_html
from auditor.report.machine import to_json_text
from auditor.report.markdown import render_markdown
from auditor.report.tables import COLUMNS, FORMULA_STARTS, findings_csv
from auditor.report.terminal import render_findings, render_report
from auditor.report.wording import moment, number, plain, setting, share
from tests.auditor.report.hostile import hostile_report, large_report, with_failures, without_verdicts
from tests.auditor.report.samples import make_finding, sample_report

NAMES = [column.name for column in COLUMNS]


def shown(renderable: RenderableType, *, width: int = 120) -> str:
    """What a terminal without colour shows."""
    console = Console(width=width, file=io.StringIO(), color_system=None, record=True)
    console.print(renderable)
    return console.export_text()


def test_csv_has_one_row_per_finding_and_numbers_that_read_back() -> None:
    report = sample_report()
    rows = list(csv.DictReader(io.StringIO(findings_csv(report.findings))))
    assert [row["id"] for row in rows] == [finding.id for finding in report.findings]
    for row, finding in zip(rows, report.findings, strict=True):
        assert float(row["effect"]) == finding.effect
        assert row["interval_low"] == ("" if finding.interval is None else repr(finding.interval[0]))
        assert row["needed_sequences"] == ("" if finding.needed_sequences is None else str(finding.needed_sequences))


@pytest.mark.parametrize("start", ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "  =1"])
def test_csv_cells_never_begin_a_formula(start: str) -> None:
    finding = make_finding(text=start, reason=start, method=start, id=start)
    cells = next(row for row in csv.reader(io.StringIO(findings_csv([finding]))) if row != NAMES)
    assert not any(cell.lstrip(" ").startswith(FORMULA_STARTS) for cell in cells)
    assert cells[NAMES.index("claim")].startswith("'")


def test_csv_negative_numbers_stay_numbers() -> None:
    row = next(csv.DictReader(io.StringIO(findings_csv([make_finding(effect=-0.25)]))))
    assert row["effect"] == "-0.25"


@given(text=st.text(max_size=40))
def test_any_claim_is_one_csv_row_and_one_harmless_line(text: str) -> None:
    rows = list(csv.reader(io.StringIO(findings_csv([make_finding(text=text)]))))
    assert len(rows) == 2
    assert len(rows[1]) == len(COLUMNS)
    assert len(plain(text).splitlines()) <= 1
    plain(text).encode()


def test_markdown_neutralises_names_in_tables() -> None:
    name = "a|b <script> [x](javascript:1) @team `c`\nnext"
    text = render_markdown(sample_report(name=name, findings=(make_finding(text=name),)))
    for raw in ("<script>", "[x](javascript", " @team", "`c`", "\nnext"):
        assert raw not in text.replace("```", "")
    header = next(line for line in text.splitlines() if line.startswith("| verdict"))
    row = next(line for line in text.splitlines() if line.startswith("| ❌ unstable | a"))
    assert row.replace("\\|", "").count("|") == header.count("|")


def test_markdown_lists_what_is_not_stable_and_counts_what_it_cuts() -> None:
    text = render_markdown(sample_report(), max_findings=4)
    assert "overturned by exact\\_value\\_bias\\_shift" in text
    assert "7 findings more in the CSV and JSON reports" in text
    assert "| exact\\_neuron\\_permutation | the model has no MLP layer to permute |" in text


@pytest.mark.parametrize("width", [60, 80, 200])
def test_terminal_shows_every_equivalence_without_colour_at_any_width(width: int) -> None:
    text = shown(render_report(sample_report()), width=width)
    assert "Which claims can be published" in text
    assert "OVERTURNED" in text
    assert "undecided" in text
    assert "Method × equivalence" in text
    matrix = text.partition("Method × equivalence")[2].partition("a exact_")[0]
    assert {"U", "I", "S"} <= set(matrix.split())
    assert "not certified, so that no verdict rests on them: behavioural_" in " ".join(text.split())
    assert "not applicable: exact_neuron_permutation: the model has no MLP" in " ".join(text.split())
    for piece in ("uniform_", "adversarial_", "bias_shift"):
        assert piece in text
    assert "dyck-audit witness" in text
    assert max(len(line) for line in text.splitlines()) <= width


def test_terminal_escapes_in_names_have_no_effect() -> None:
    hostile = "[bold red]x[/] \x1b[2J\x07 :smile:"
    findings = (make_finding(text=hostile, reason=hostile),)
    text = shown(render_report(sample_report(name=hostile, findings=findings)))
    assert "[bold red]x[/] \\u001b[2J\\u0007 :smile:" in text
    assert "\x1b" not in text
    assert "[bold red]" in shown(render_findings(findings))


@pytest.mark.parametrize("report", [hostile_report, large_report, without_verdicts, with_failures])
def test_hard_reports_are_harmless_in_every_form(report: Callable[[], AuditReport]) -> None:
    built = report()
    terminal, markdown = shown(render_report(built), width=80), render_markdown(built)
    assert max(map(cell_len, terminal.splitlines())) <= 80
    assert len(terminal.splitlines()) < 200
    assert len(markdown) < 200_000
    for text in (terminal, markdown, to_json_text(built)):
        text.encode()
        assert not {"\x1b", "\x07", "\u202e", "\u200b", "\u2028"} & set(text)
    assert not re.search(r"(?<!\\)<", markdown.split("```sh")[0])


def test_terminal_marks_a_contradiction_of_theory() -> None:
    finding = make_finding(expected=Expected.INVARIANT, component=Component(layer=0, neuron=3))
    text = shown(render_report(sample_report(findings=(finding,))))
    assert "AGAINST THEORY" in text
    assert "1 contradicted" in " ".join(text.split())


def test_an_undecided_finding_gives_the_sequences_it_would_need() -> None:
    finding = make_finding(verdict=Verdict.INCONCLUSIVE, needed_sequences=2300)
    assert "would need 2300 sequences" in shown(render_report(sample_report(findings=(finding,))))


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "–"),
        (math.nan, "–"),
        (math.inf, "–"),
        (0.0, "0"),
        (1.0, "1"),
        (2, "2"),
        (0.90449, "0.904"),
        (12.49, "12.5"),
        (1.7e-4, "1.7e-4"),
        (2e-15, "2e-15"),
        (-0.5, "-0.5"),
        (123456.7, "1.2e5"),
    ],
)
def test_numbers_as_people_write_them(value: float | None, words: str) -> None:
    assert number(value) == words


@pytest.mark.parametrize("timestamp", ["2025-11-22T15:03:02+00:00", "2025-11-22T15:03:02Z"])
def test_times_are_marked_as_utc(timestamp: str) -> None:
    assert moment(timestamp) == "2025-11-22 15:03:02 UTC"


@pytest.mark.parametrize(
    ("value", "words"),
    [(1.0, "1"), (0.0, "0"), (0.99996, "0.99996"), (0.9612, "0.9612"), (0.25, "0.25"), (1 - 1e-7, "0.9999999")],
)
def test_shares_are_never_rounded_up_to_one(value: float, words: str) -> None:
    assert share(value) == words


def test_settings_nest_on_one_line() -> None:
    assert setting({"a_b": [1, 2.5, None], "c": True}) == "{a b 1, 2.5, –, c yes}"


def test_a_reused_twin_is_named_with_the_audit_that_made_it() -> None:
    report = sample_report()
    *others, last = report.variants
    reused = dataclasses.replace(report, variants=(*others, dataclasses.replace(last, seconds=0.5, made_by="a7xy")))
    said = "1 twin made by an earlier audit (a7xy), certified again here"
    assert said in shown(render_report(reused))
    assert said in render_html(reused)
    for text in (render_html(reused), render_markdown(reused)):
        assert "0.5 s, twin of audit a7xy certified again" in text
    assert reused.to_json()["variants"][-1]["made_by"] == "a7xy"
    assert "earlier audit" not in shown(render_report(report)) + render_html(report)
