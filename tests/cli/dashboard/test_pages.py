"""The first page, errors as pages, and the headers that every answer has."""

from __future__ import annotations

import re

import pytest
from fastapi.testclient import TestClient

from auditor.store import reports
from cli.dashboard import kept_reports
from tests.cli.conftest import Ids
from tests.cli.dashboard.conftest import ADDRESS


def test_the_first_page_lists_the_audits(client: TestClient, ids: Ids) -> None:
    shown = client.get("/")
    assert shown.status_code == 200
    assert all(f'href="/audits/{audit}"' in shown.text for audit in (ids.done, ids.again, ids.failed, ids.queued))


@pytest.mark.parametrize("path", ["/", "/no-such-page", "/static/dashboard.css", "/static/none.css"])
def test_every_answer_has_the_headers(client: TestClient, path: str) -> None:
    headers = client.get(path).headers
    assert "script-src 'self'" in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"


def test_an_unknown_address_is_a_page(client: TestClient) -> None:
    shown = client.get("/no-such-page")
    assert shown.status_code == 404
    assert "there is no such page" in shown.text


def test_an_audit_is_named_by_its_id_for_good(client: TestClient, ids: Ids) -> None:
    shown = client.get("/audits/latest", follow_redirects=False)
    assert (shown.status_code, shown.headers["location"]) == (303, f"/audits/{ids.queued}")
    assert client.get(f"/audits/{ids.done[:8]}").url.path == f"/audits/{ids.done}"
    assert client.get("/models/dyck-two-heads").url.path == f"/models/{ids.model}"


def test_a_report_is_read_once_for_all_pages_about_it(
    client: TestClient, ids: Ids, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[str] = []
    monkeypatch.setattr(kept_reports, "load_report", lambda session, audit: reads.append(audit) or load(session, audit))
    load = reports.load_report
    for path in (f"/audits/{ids.done}", f"/audits/{ids.done}/report", f"/audits/{ids.done}/report"):
        assert client.get(path).status_code == 200
    assert reads == [ids.done]


def test_the_comparison_says_what_the_audits_do_not_share(client: TestClient, ids: Ids) -> None:
    shown = client.get("/diff", params={"first": ids.done, "second": ids.again}).text
    assert "paired findings changed their verdict" in shown
    assert "Comparable" in shown or "Not comparable" in shown
    assert client.get("/diff", params={"first": ids.done, "second": "nothing"}).status_code == 404


def test_a_baseline_is_pinned_and_compared_with(client: TestClient, ids: Ids) -> None:
    pinned = client.post(f"/audits/{ids.done}/baseline", headers={"Origin": ADDRESS})
    assert pinned.status_code == 200
    assert f"With the baseline {ids.done}" in client.get(f"/audits/{ids.again}").text


def test_hostile_values_in_the_address_are_text(client: TestClient) -> None:
    hostile = '"><script>alert(1)</script>\u202e'
    for path in ("/", "/findings"):
        shown = client.get(path, params={"model": hostile})
        assert shown.status_code in (200, 422)
        assert "<script>alert" not in shown.text
        assert "\u202e" not in shown.text
    assert "<script>alert" not in client.get("/findings", params={hostile: "1"}).text


def test_an_unfinished_audit_says_how_long_it_waits_and_who_computes(client: TestClient, ids: Ids) -> None:
    shown = client.get(f"/audits/{ids.queued}").text
    assert re.search(r"waiting for \d+", shown)
    assert "Computed by no worker here" in shown
    part = client.get(f"/audits/{ids.queued}/progress")
    assert "HX-Redirect" not in part.headers
    assert 'hx-trigger="every 2s"' in part.text
    over = client.get(f"/audits/{ids.done}/progress")
    assert over.headers["HX-Redirect"] == f"/audits/{ids.done}"
    assert "hx-trigger" not in over.text
