"""The report's page in a real browser: it asks for nothing, complains about nothing, and a keyboard is enough."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from auditor.report.html import render_html
from tests.auditor.report.hostile import hostile_report, large_report, with_failures, without_verdicts
from tests.auditor.report.samples import sample_report
from tests.browser.chromium import NewPage

pytestmark = pytest.mark.browser

REPORTS = {
    "sample": sample_report,
    "hostile": hostile_report,
    "large": large_report,
    "without verdicts": without_verdicts,
    "with failures": with_failures,
}
NARROW = {"width": 390, "height": 844}
WIDE = {"width": 1280, "height": 900}


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Addresses of the reports as files."""
    folder = tmp_path_factory.mktemp("pages")
    found = {}
    for place, (name, build) in enumerate(REPORTS.items()):
        path = folder / f"{place}.html"
        path.write_bytes(render_html(build()).encode())
        found[name] = Path(path).as_uri()
    return found


@pytest.mark.parametrize("name", REPORTS)
def test_a_page_asks_for_nothing_and_complains_about_nothing(
    name: str, pages: dict[str, str], new_page: NewPage
) -> None:
    seen = new_page(viewport=WIDE)
    seen.page.goto(pages[name])
    assert seen.page.get_by_role("heading", level=1).count() == 1
    assert seen.requests == [pages[name]]
    assert seen.complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["sample", "hostile", "without verdicts"])
def test_axe_finds_nothing_serious(name: str, scheme: str, pages: dict[str, str], new_page: NewPage) -> None:
    seen = new_page(viewport=WIDE, color_scheme=scheme)
    seen.page.goto(pages[name])
    assert seen.axe() == []


@pytest.mark.parametrize("name", REPORTS)
def test_a_narrow_page_does_not_scroll_sideways(name: str, pages: dict[str, str], new_page: NewPage) -> None:
    seen = new_page(viewport=NARROW)
    seen.page.goto(pages[name])
    assert seen.page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]
    assert name == "large" or seen.axe() == []


def test_keys_lead_from_a_claim_to_its_finding_to_its_twin(pages: dict[str, str], new_page: NewPage) -> None:
    page = new_page(viewport=WIDE).page
    page.goto(pages["sample"])
    claim = _tab_until(page, "#claims table a")
    assert "top head by ablation_head_zero" in claim
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.dataset.verdict") == "unstable"
    assert "#finding-" in page.url
    assert _tab_until(page, ".findings a") == "twin 1"
    page.keyboard.press("Enter")
    twin = page.evaluate("document.activeElement.textContent")
    assert "exact_value_bias_shift/1" in twin
    assert "PASSED" in twin
    assert page.evaluate("document.activeElement.getBoundingClientRect().top < innerHeight")


def test_filters_and_order_of_findings(pages: dict[str, str], new_page: NewPage) -> None:
    page = new_page(viewport=WIDE).page
    page.goto(pages["sample"])
    rows = page.locator(".findings tbody tr:visible")
    every = rows.count()
    page.locator("#filter-verdict").select_option("inconclusive")
    assert rows.count() == 1
    page.locator("#filter-verdict").select_option("")
    page.locator("#filter-text").fill("stack_top adversarial L1H0")
    assert 0 < rows.count() < every
    page.locator("#filter-text").fill("no such thing")
    assert rows.count() == 0
    assert page.get_by_role("status").inner_text() == f"0 of {every} shown"
    page.locator(".story a").first.click()  # a link to a finding that the filter hides shows it
    assert rows.count() == every
    page.get_by_role("button", name="effect").click()
    page.get_by_role("button", name="effect").click()
    first = rows.first.locator("td[data-label=effect]").get_attribute("data-value")
    assert first == "14.7"


def test_every_word_can_be_read_without_scripts(pages: dict[str, str], new_page: NewPage) -> None:
    page = new_page(viewport=WIDE, java_script_enabled=False).page
    page.goto(pages["sample"])
    assert page.locator(".findings tbody tr").first.is_visible()
    assert not page.locator("#filter-text").is_visible()


def test_paper_shows_what_is_unstable(pages: dict[str, str], new_page: NewPage) -> None:
    page = new_page(viewport=WIDE).page
    page.goto(pages["sample"])
    page.emulate_media(media="print")
    verdicts = page.locator(".findings tbody tr:visible .badge").all_inner_texts()
    assert set(verdicts) == {"UNSTABLE"}
    assert page.get_by_text("On paper are the unstable findings only").is_visible()
    assert page.pdf(format="A4").startswith(b"%PDF")


def _tab_until(page: Any, wanted: str) -> str:
    """Press Tab until something that matches has the focus; its text."""
    for _ in range(200):
        page.keyboard.press("Tab")
        if page.evaluate("wanted => document.activeElement.matches(wanted)", wanted):
            text: str = page.evaluate("document.activeElement.textContent")
            if wanted != "#claims table a" or "ablation_head_zero" in text:
                return text
    raise AssertionError(f"no {wanted} within 200 steps")
