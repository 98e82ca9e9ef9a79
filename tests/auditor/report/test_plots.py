"""Pictures of a report: the same bytes twice, and a reason where there is nothing to draw."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from auditor.errors import NotFoundError, ReportError
from auditor.report.plots import PICTURES, drawn
from tests.auditor.report.samples import make_finding, sample_report

STARTS = {"svg": b"<?xml", "png": b"\x89PNG", "pdf": b"%PDF"}
ATTEMPTS = [
    {"kl_mean_nats": 3e-4, "total_variation": [0.9, 0.8], "failures": []},
    {"kl_mean_nats": 2e-2, "total_variation": [0.95], "failures": ["kl_upper95_nats 0.02 > 0.002"]},
]


def _report(**changes: object) -> object:
    report = sample_report()
    variants = (replace(report.variants[0], parameters={"attempts": ATTEMPTS}), *report.variants[1:])
    return replace(report, variants=variants, **changes)


@pytest.mark.parametrize("what", PICTURES)
def test_every_picture_is_the_same_file_twice_and_has_ids_of_its_own(what: str) -> None:
    first, second = (drawn(_report(), what, "svg") for _ in range(2))
    assert first == second
    assert first.startswith(STARTS["svg"])
    other = drawn(_report(), "matrix" if what != "matrix" else "rashomon", "svg")
    defined = [set(re.findall(rb'clipPath id="(\w+)"', one)) for one in (first, other)]
    assert not (defined[0] & defined[1])


@pytest.mark.parametrize("form", ["png", "pdf"])
def test_other_formats_are_the_same_file_twice(form: str) -> None:
    first, second = (drawn(_report(), "rashomon", form) for _ in range(2))
    assert first == second
    assert first.startswith(STARTS[form])


@pytest.mark.parametrize("what", PICTURES)
def test_a_report_without_results_says_what_is_missing(what: str) -> None:
    empty = replace(sample_report(), findings=(), interpretations=(), illustrations=(), variants=())
    with pytest.raises(ReportError, match=r"nothing|has no .* to draw"):
        drawn(empty, what, "svg")


def test_unknown_pictures_and_formats_are_named() -> None:
    with pytest.raises(NotFoundError, match="attention, matrix, ablation, rashomon, ladder"):
        drawn(sample_report(), "heatmap", "svg")
    with pytest.raises(NotFoundError, match="svg"):
        drawn(sample_report(), "matrix", "gif")


def test_names_with_markup_are_text() -> None:
    report = sample_report(findings=(make_finding(text="$\\frac{1}{0}$ <script>"),))
    picture = drawn(report, "rashomon", "svg") if report.findings[0].rashomon else drawn(report, "matrix", "svg")
    assert b"<script>" not in picture
