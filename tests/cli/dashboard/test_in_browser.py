"""The dashboard in a real browser: signing in, filters in the address, upload → progress → report, deletion."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from auditor import zoo
from auditor.store.cells import claim_cell
from auditor.store.reports import save_report
from auditor.store.session import Database
from auditor.store.tokens import Scope
from tests.auditor.report.hostile import NAMES, hostile_report
from tests.auditor.report.samples import sample_report
from tests.browser.chromium import NewPage, Watched
from tests.cli.conftest import Ids
from tests.cli.dashboard.conftest import NewApp
from tests.cli.dashboard.test_hostile_pages import stored, with_plain_ids

pytestmark = pytest.mark.browser

WIDE = {"width": 1280, "height": 900}
NARROW = {"width": 390, "height": 844}

Served = Callable[..., str]


@pytest.fixture
def served(new_app: NewApp) -> Iterator[Served]:
    """Starts the application at a free port: its address."""
    with ExitStack() as stack:
        yield lambda **changes: stack.enter_context(_answering(new_app(**changes)))


@contextmanager
def _answering(app: Any) -> Iterator[str]:
    bound = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, ws="none"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
    thread.start()
    while not server.started:
        time.sleep(0.02)
    yield f"http://127.0.0.1:{bound.getsockname()[1]}"
    server.should_exit = True
    thread.join(timeout=30)
    bound.close()


def test_every_page_is_quiet_accessible_and_asks_only_this_server(served: Served, new_page: NewPage, ids: Ids) -> None:
    address = served()
    places = ["/", "/findings", "/models", f"/models/{ids.model}", "/upload", f"/audits/{ids.done}"]
    places += [f"/audits/{ids.queued}", f"/audits/{ids.done}/delete", f"/diff?first={ids.done}&second={ids.again}"]
    wide, narrow = new_page(viewport=WIDE), new_page(viewport=NARROW, color_scheme="dark")
    wide.page.goto(f"{address}/findings?verdict=unstable")
    places.append(wide.page.locator(".findings tbody a").first.get_attribute("href"))
    for number, place in enumerate(places):
        for seen in (wide, narrow):
            seen.page.goto(address + place)
            assert seen.page.get_by_role("heading", level=1).count() == 1, place
        assert (wide, narrow)[number % 2].axe() == [], place  # in turn light and wide, dark and narrow
        assert narrow.page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"], place
    for seen in (wide, narrow):
        assert seen.complaints == []
        assert all(request.startswith(address) for request in seen.requests)


def test_a_wrong_token_is_refused_and_a_right_one_opens_the_page_that_was_asked_for(
    served: Served, new_page: NewPage, token: Callable[[Scope], str]
) -> None:
    address = served(requires_token=True)
    page = new_page(viewport=WIDE).page
    page.goto(f"{address}/findings?verdict=unstable")
    assert "/login" in page.url
    page.get_by_label("Access token").fill("not a token")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    assert "does not know" in page.get_by_role("alert").inner_text()
    page.get_by_label("Access token").fill(token(Scope.READ))
    page.keyboard.press("Enter")
    page.wait_for_url("**/findings?verdict=unstable")
    assert page.get_by_role("link", name="Upload").count() == 0  # a token that may only read
    assert page.locator("text=Delete").count() == 0
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/login")
    page.goto(f"{address}/findings")
    assert "/login" in page.url


def test_filters_and_order_survive_a_reload_and_lead_to_the_row_that_was_meant(
    served: Served, new_page: NewPage, ids: Ids
) -> None:
    address = served()
    page = new_page(viewport=WIDE).page
    page.goto(f"{address}/findings")
    page.get_by_label("Verdict").select_option("unstable")
    page.get_by_label("Audit", exact=True).fill(ids.done)
    page.get_by_text("More conditions").click()
    page.get_by_label("Order").select_option("effect")
    page.get_by_label("Rows").fill("3")
    with page.expect_navigation():
        page.get_by_role("button", name="Show").click()
    rows = page.locator(".findings tbody tr")
    first = rows.all_inner_texts()
    assert len(first) == 3
    assert all("UNSTABLE" in row for row in first)
    page.reload()
    assert rows.all_inner_texts() == first
    assert page.get_by_label("Verdict").input_value() == "unstable"
    assert page.get_by_label("Order").input_value() == "effect"
    with page.expect_navigation():
        page.get_by_role("link", name="Next page").click()
    second = rows.all_inner_texts()
    assert not set(second) & set(first)
    with page.expect_navigation():
        page.get_by_role("link", name="First page").click()
    assert rows.all_inner_texts() == first
    claim = rows.nth(1).locator("a").first
    said, target = claim.inner_text(), claim.get_attribute("href")
    with page.expect_navigation():
        claim.press("Enter")
    assert page.url == address + str(target)
    assert page.get_by_role("heading", level=1).inner_text().startswith(said)
    page.go_back()
    assert rows.all_inner_texts() == first


def test_keys_lead_from_a_claim_to_its_finding_to_the_certificate_of_its_twin(
    served: Served, new_page: NewPage, ids: Ids
) -> None:
    page = new_page(viewport=WIDE).page
    page.goto(f"{served()}/audits/{ids.done}")
    with page.expect_navigation():
        page.locator(".claims a", has_text="top head by ablation_head_zero").press("Enter")
    assert "OVERTURNED" in page.locator(".claim").inner_text()
    page.get_by_role("link", name="Certificate of this twin").press("Enter")
    page.wait_for_url("**/report#twin-exact_value_bias_shift-1")
    page.locator("tr:focus", has_text="PASSED").wait_for()
    page.go_back()
    assert page.get_by_role("heading", name="The numbers").is_visible()


def test_a_filter_that_is_none_says_why_and_keeps_what_was_typed(served: Served, new_page: NewPage) -> None:
    address = served()
    page = new_page(viewport=WIDE).page
    page.goto(f"{address}/findings?layer=first")
    assert "a whole number" in page.get_by_role("alert").inner_text()
    assert page.get_by_label("Layer").input_value() == "first"


def test_upload_progress_report_and_deletion(
    served: Served, new_page: NewPage, database: Database, tmp_path: Path
) -> None:
    address = served()
    seen = new_page(viewport=WIDE)
    page = seen.page
    page.goto(address)
    with page.expect_navigation():
        page.get_by_role("link", name="Upload").first.click()
    wrong = tmp_path / "wrong.txt"
    wrong.write_text("no model")
    page.get_by_label("Checkpoint", exact=True).set_input_files(wrong)
    with page.expect_navigation():
        page.get_by_role("button", name="Upload").click()
    assert page.get_by_role("alert").is_visible()
    seen.complaints.clear()  # a browser notes every refusal
    page.get_by_label("Checkpoint", exact=True).set_input_files(zoo.path("dyck2x4-1layer-minimal"))
    page.locator("#name").fill("mine <b>")
    page.get_by_role("button", name="Upload").click()
    page.wait_for_url("**/models/*")
    assert page.get_by_role("heading", level=1).inner_text() == "mine <b>"
    page.get_by_role("button", name="Start").click()
    page.wait_for_url("**/audits/*")
    audit = page.url.rsplit("/", 1)[1]
    assert "waiting for" in page.locator("#progress").inner_text()
    with database.transaction() as session:
        claimed = claim_cell(session, audit, "behaviour", owner="worker", lease_seconds=600)
    assert claimed is not None
    page.locator("#progress", has_text="1 running").wait_for()  # it renewed itself
    with database.transaction() as session:
        save_report(session, audit, sample_report())
    page.get_by_role("link", name="Open the report").click()  # the page went on by itself
    page.wait_for_url(f"{address}/audits/{audit}/report")
    assert page.get_by_role("heading", name="Which claims can be published").is_visible()
    assert page.locator("#filter-text").is_visible()  # its own script runs
    assert seen.complaints == []
    page.goto(f"{address}/audits/{audit}")
    _delete(seen, "Delete …")
    page.wait_for_url(f"{address}/")
    assert page.locator(f'a[href="/audits/{audit}"]').count() == 0


def test_long_and_hostile_names_fit_a_telephone(served: Served, new_page: NewPage, database: Database) -> None:
    report = with_plain_ids(hostile_report())
    model, audit = stored(database, NAMES[6], report)  # 10,000 letters without a blank
    address, seen = served(), new_page(viewport=NARROW)
    for place in ("/", "/findings", "/models", f"/models/{model}", f"/audits/{audit}", f"/audits/{audit}/delete"):
        seen.page.goto(address + place)
        assert seen.page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"], place
    for finding in report.findings[::5]:
        seen.page.goto(f"{address}/findings/{audit}/{finding.id}")
        assert seen.page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"], finding.id
    assert seen.complaints == []


def test_pages_are_read_without_scripts(served: Served, new_page: NewPage, ids: Ids) -> None:
    address = served()
    page = new_page(viewport=WIDE, java_script_enabled=False).page
    page.goto(f"{address}/audits/{ids.queued}")
    assert re.search(r"waiting for \d+", page.locator("#progress").inner_text())
    with page.expect_navigation():
        page.get_by_role("link", name="Findings").first.click()
    page.get_by_label("Verdict").select_option("inconclusive")
    with page.expect_navigation():
        page.get_by_role("button", name="Show").click()
    assert "verdict=inconclusive" in page.url


def _delete(seen: Watched, link: str) -> None:
    with seen.page.expect_navigation():
        seen.page.get_by_role("link", name=link).click()
    seen.page.get_by_role("button", name="Delete").click()
