"""No answer and no log shows a password or a token, whatever fails; hostile names are text on a page."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fastapi import APIRouter
from fastapi.testclient import TestClient

from auditor.errors import AuditorError
from auditor.settings import read_settings
from auditor.store.models import add_model
from auditor.store.session import Database
from auditor.store.tokens import Scope
from cli.dashboard import application
from cli.dashboard.access import PUBLIC
from cli.dashboard.logs import logged
from cli.dashboard.services import Services
from cli.output import Output
from tests.cli.conftest import ARCHITECTURE
from tests.cli.dashboard.conftest import ADDRESS, NewApp, bearer

PASSWORD = "geheim42"
AWAY = f"postgresql://u:{PASSWORD}@127.0.0.1:1/db"
HOSTILE_NAMES = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{ 7*7 }}",
    "a\x1b[31mred\nline",
    "\u202egnp.exe",
    "=HYPERLINK(1)",
    "x" * 10_000,
)


def test_a_database_that_is_away(new_app: NewApp, home: Path, caplog: pytest.LogCaptureFixture) -> None:
    app = new_app(database=Database(AWAY), settings=read_settings({}, home=home, database_url=AWAY))
    asked = TestClient(app, base_url=ADDRESS)
    for path in ("/", "/api/v1/audits", "/api/v1/models/x", "/api/v1/status"):
        answer = asked.get(path)
        assert answer.status_code == 503
        assert "127.0.0.1" in answer.text
        assert PASSWORD not in answer.text
    assert asked.get("/", headers=bearer("x")).status_code == 503
    assert asked.post("/login", data={"token": "x"}).status_code == 503
    assert PASSWORD not in caplog.text


def test_a_defect_of_ours_is_a_plain_answer(
    new_app: NewApp,
    home: Path,
    token: Callable[[Scope], str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    secret = token(Scope.READ)
    router = APIRouter(dependencies=[PUBLIC])

    def fail() -> None:
        raise RuntimeError(f"{AWAY} and {PASSWORD} and {secret}")

    router.get("/api/fail")(fail)
    router.get("/fail")(fail)
    monkeypatch.setattr(application, "API", (router,))
    settings = read_settings({}, home=home, database_url=AWAY)
    app = new_app(settings=settings)
    services: Services = app.state.services
    asked = TestClient(app, base_url=ADDRESS)
    with logged(Output(secrets=services.secrets)):
        answers = [asked.get(path, headers=bearer(secret)) for path in ("/api/fail", "/fail")]
    said = capsys.readouterr().err
    assert "Traceback" in said
    assert "/api/fail failed" in said
    for text in (said, *(answer.text for answer in answers)):
        assert PASSWORD not in text
        assert secret not in text
    assert answers[0].status_code == 500
    assert answers[0].json()["found"] == "an unexpected RuntimeError in the server"
    assert answers[0].headers["X-Content-Type-Options"] == "nosniff"
    assert "see the log" in answers[1].text


def test_an_error_of_ours_that_quotes_them(new_app: NewApp, monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    router = APIRouter(dependencies=[PUBLIC])

    def refuse() -> None:
        raise AuditorError(f"found {PASSWORD}", expected=AWAY, action=f"not {PASSWORD}")

    router.get("/api/refuse")(refuse)
    monkeypatch.setattr(application, "API", (router,))
    app = new_app(settings=read_settings({}, home=home, database_url=AWAY))
    answer = TestClient(app, base_url=ADDRESS).get("/api/refuse")
    assert answer.status_code == 422
    assert PASSWORD not in answer.text


def test_no_page_and_no_answer_holds_a_token(guarded: TestClient, token: Callable[[Scope], str]) -> None:
    secret = token(Scope.ADMIN)
    for path in ("/", "/login", "/api/v1/status", "/api/v1/audits", "/no-such-page", "/api/v1/openapi.json"):
        answer = guarded.get(path, headers=bearer(secret))
        assert secret not in answer.text + str(answer.headers)


@pytest.mark.parametrize("name", HOSTILE_NAMES, ids=lambda name: ascii(name)[:30])
def test_hostile_names(client: TestClient, database: Database, name: str) -> None:
    given: dict[str, Any] = {"format": "native", "source_sha256": "ab" * 32, "architecture": ARCHITECTURE}
    with database.transaction() as session:
        stored = add_model(session, name=name, task={"brackets": 2, "depth": 4}, weights=b"x", parameters=1, **given)
    assert client.get(f"/api/v1/models/{stored.id}").json()["name"] == name
    refused = client.get("/api/v1/audits", params={"model": name, "state": name})
    assert refused.status_code == 422
    page = client.get("/no-such-page", params={"q": name}).text + client.get("/login", params={"next": name}).text
    for hostile in ("<script>alert", "<img", "\x1b", "\u202e", "49"):
        assert hostile not in page


def test_the_log_shows_no_token_of_an_address(
    token: Callable[[Scope], str], capsys: pytest.CaptureFixture[str]
) -> None:
    secret = token(Scope.READ)
    with logged(replace(Output(verbose=True), secrets=(PASSWORD,))):
        logging.getLogger("uvicorn.access").info("GET /?token=%s", secret.replace("d", "%64", 1))
        logging.getLogger("uvicorn.access").info('%s - "%s %s"', "127.0.0.1", "GET", f"/?token={secret}&p={PASSWORD}")
    said = capsys.readouterr().err
    assert said.count("GET /?token=") == 2
    assert secret[1:] not in said
    assert PASSWORD not in said
