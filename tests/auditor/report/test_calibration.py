"""Every report has the audit's own error rates, or states that they were not measured."""

from __future__ import annotations

from dataclasses import replace

import pytest

from auditor.records import AuditReport, CalibrationFacts, Rate, Rates
from auditor.report.html import render_html
from auditor.report.markdown import render_markdown
from auditor.report.wording import calibration
from tests.auditor.report.samples import sample_report

RATE = Rate(1, 200, 0.005, (0.0001, 0.0275))
RATES = Rates(RATE, RATE, RATE)
CALIBRATION = CalibrationFacts(
    id="c1",
    created_at="2026-11-22T10:00:00+00:00",
    cases=1_234,
    rates=RATES,
    by={"method": {"ablation_head_mean": RATES}, "effect_size": {"by theorem": RATES}},
    power={},
    settings={},
    passed=True,
)


@pytest.fixture
def calibrated() -> AuditReport:
    report = sample_report()
    return replace(report, audit=replace(report.audit, calibration=CALIBRATION))


def test_the_sentence_has_date_rates_and_bounds() -> None:
    assert calibration(CALIBRATION) == (
        "calibrated on 2026-11-22: false UNSTABLE 0.5% (up to 2.8%), false STABLE 0.5% (up to 2.8%), "
        "undecided 0.5%, 1,234 cases"
    )
    assert "MISSED" in calibration(replace(CALIBRATION, passed=False))
    assert "dyck-audit calibrate" in calibration(None)


def test_page_and_text_have_the_sentence(calibrated: AuditReport) -> None:
    page = render_html(calibrated)
    assert "How often the audit itself is wrong" in page
    assert "1 of 200" in page
    assert "calibrated on 2026-11-22" in render_markdown(calibrated)
    assert "not measured" in render_html(sample_report())
