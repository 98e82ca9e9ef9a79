"""The first page, errors as pages, and the headers that every answer has."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient

from tests.cli.conftest import Ids


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
