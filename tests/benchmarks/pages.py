"""Milliseconds to make the page of a report, against writing it as JSON; and until a browser lets a person use it.

``python -m tests.benchmarks.pages`` prints these lines alone. Where there is no Chromium, the second kind is left out.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from auditor.report.html import render_html
from auditor.report.machine import to_json_text
from tests.auditor.report.hostile import large_report
from tests.auditor.report.samples import sample_report
from tests.benchmarks.timing import REPEATS, Line, seconds
from tests.browser.chromium import running

MOST_TO_MAKE, MOST_TO_OPEN = 3_000, 2_000
"""Milliseconds."""

REPORTS = {"2 layers × 2 heads": sample_report, "12 layers × 12 heads, 2,000 findings": large_report}


def lines() -> Iterator[Line]:
    """Making and opening the page of a small and of a large report."""
    reports = {name: build() for name, build in REPORTS.items()}
    for name, report in reports.items():
        made, written = (1000 * seconds(lambda r=report, w=write: w(r)) for write in (render_html, to_json_text))
        yield Line(f"page, {name}", made, written, "ms", more_is_better=False, goal=MOST_TO_MAKE)
    try:
        with running() as browser:
            for name, report in reports.items():
                opened, read = (_opened(browser, render_html(report), scripts=scripts) for scripts in (True, False))
                yield Line(f"open, {name}", opened, read, "ms", more_is_better=False, goal=MOST_TO_OPEN)
    except (pytest.skip.Exception, pytest.fail.Exception):
        return


def _opened(browser: Any, page: str, *, scripts: bool) -> float:
    """Until the findings of a page can be filtered, or without scripts until it is loaded: the shortest of a few."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "report.html"
        path.write_bytes(page.encode())
        times = []
        for _ in range(REPEATS):
            shown = browser.new_page(java_script_enabled=scripts)
            started = time.perf_counter()
            shown.goto(path.as_uri())
            if scripts:
                shown.locator("#filter-text").fill("no such thing")
                shown.get_by_role("status").get_by_text("0 of").wait_for()
            times.append(1000 * (time.perf_counter() - started))
            shown.close()
    return min(times)


if __name__ == "__main__":
    for line in lines():
        line.write()
