"""Who is let in: tokens, sessions, and how often an address may be wrong."""

from __future__ import annotations

from collections.abc import Callable

import anyio
import pytest
from fastapi.testclient import TestClient
from starlette.types import Message

from auditor.store.session import Database
from auditor.store.tokens import Scope, create_token, revoke_token
from cli.dashboard.admission import COOKIE
from cli.dashboard.sessions import FAILURES, SESSION_SECONDS, WINDOW_SECONDS, Failures, Sessions
from tests.cli.dashboard.conftest import ADDRESS, NewApp, bearer

OWN_PAGE = {"Origin": ADDRESS, "Sec-Fetch-Site": "same-origin"}


def test_a_page_without_a_token_leads_to_the_login(guarded: TestClient) -> None:
    led = guarded.get("/?state=done")
    assert (led.status_code, led.headers["Location"]) == (303, "/login?next=/%3Fstate%3Ddone")
    assert guarded.get("/login").status_code == 200
    part = guarded.get("/", headers={"HX-Request": "true"})
    assert (part.status_code, part.headers["HX-Redirect"]) == (401, "/login")


def test_a_token_opens_the_pages(guarded: TestClient, token: Callable[[Scope], str]) -> None:
    assert guarded.get("/", headers=bearer(token(Scope.READ))).status_code == 200


def test_a_session_begins_with_a_token_and_ends_with_it(guarded: TestClient, database: Database) -> None:
    with database.transaction() as session:
        made, secret = create_token(session, Scope.READ)
    entered = guarded.post("/login", data={"token": secret, "next": "/?state=done"}, headers=OWN_PAGE)
    assert (entered.status_code, entered.headers["Location"]) == (303, "/?state=done")
    cookie = entered.headers["Set-Cookie"]
    assert secret not in cookie
    assert all(word in cookie for word in ("HttpOnly", "SameSite=strict", "Path=/"))
    assert "Sign out" in guarded.get("/").text
    with database.transaction() as session:
        revoke_token(session, made.id)
    assert guarded.get("/").status_code == 303


def test_signing_out(guarded: TestClient, token: Callable[[Scope], str]) -> None:
    guarded.post("/login", data={"token": token(Scope.ADMIN)}, headers=OWN_PAGE)
    kept = guarded.cookies[COOKIE]
    assert guarded.post("/logout", headers=OWN_PAGE).headers["Location"] == "/login"
    guarded.cookies.set(COOKIE, kept)
    assert guarded.get("/").status_code == 303


def test_the_cookie_is_secure_behind_tls(guarded: TestClient, token: Callable[[Scope], str]) -> None:
    over_tls = {"Origin": ADDRESS.replace("http:", "https:")}
    assert "Secure" in guarded.post("/login", data={"token": token(Scope.READ)}, headers=over_tls).headers["Set-Cookie"]


@pytest.mark.parametrize(
    "next_page", ["//evil.example", "/\\evil.example", "https://evil.example", "/a\nb", "javascript:1"]
)
def test_no_other_site_follows_a_login(guarded: TestClient, token: Callable[[Scope], str], next_page: str) -> None:
    entered = guarded.post("/login", data={"token": token(Scope.READ), "next": next_page}, headers=OWN_PAGE)
    assert entered.headers["Location"] == "/"


def test_a_wrong_token_is_said_and_not_repeated(guarded: TestClient, database: Database) -> None:
    with database.transaction() as session:
        made, secret = create_token(session, Scope.READ)
        revoke_token(session, made.id)
    for refused in (
        guarded.post("/login", data={"token": secret}, headers=OWN_PAGE),
        guarded.post("/api/v1/none", headers=bearer(secret)),
    ):
        assert refused.status_code == 401
        assert "does not know, or that has ended" in refused.text
        assert secret not in refused.text
        assert "Set-Cookie" not in refused.headers


def test_after_ten_wrong_tokens_an_address_must_wait(new_app: NewApp, token: Callable[[Scope], str]) -> None:
    now = 0.0
    app = new_app(requires_token=True, failures=Failures(clock=lambda: now))
    guarded = TestClient(app, base_url=ADDRESS, follow_redirects=False)
    right = bearer(token(Scope.READ))
    for _ in range(FAILURES):
        assert guarded.get("/api/v1/none", headers=bearer("wrong")).status_code == 401
    blocked = guarded.get("/api/v1/none", headers=right)
    assert blocked.status_code == 429
    assert 0 < int(blocked.headers["Retry-After"]) <= WINDOW_SECONDS + 1
    elsewhere = TestClient(app, base_url=ADDRESS, client=("192.0.2.7", 5))
    assert elsewhere.get("/", headers=right).status_code == 200
    now = WINDOW_SECONDS + 1.0
    assert guarded.get("/", headers=right).status_code == 200


def test_one_household_has_one_network_of_ipv6() -> None:
    failures = Failures()
    for last in range(FAILURES):
        failures.note(f"2001:db8::{last:x}")
    assert failures.wait_seconds("2001:db8::ffff")
    assert not failures.wait_seconds("2001:db8:0:1::1")


def test_a_session_ends_by_itself() -> None:
    now = 0.0
    sessions = Sessions(clock=lambda: now)
    value = sessions.begin("k1")
    assert sessions.token_id(value) == "k1"
    assert sessions.token_id(value + "x") is None
    now = SESSION_SECONDS + 1.0
    assert sessions.token_id(value) is None


def test_on_this_machine_no_token_is_needed_but_a_wrong_one_is_refused(client: TestClient) -> None:
    assert client.get("/").status_code == 200
    assert client.get("/api/v1/none", headers=bearer("wrong")).status_code == 401
    assert client.get("/api/v1/none", headers={"Authorization": "Basic eA=="}).status_code == 401


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_nothing_is_read_from_clients_without_a_token(new_app: NewApp, method: str) -> None:
    sent: list[Message] = []

    async def receive() -> Message:
        raise AssertionError("the body was read")

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": method, "path": "/api/v1/models", "query_string": b"", "scheme": "http"}
    scope |= {"headers": [(b"host", b"127.0.0.1"), (b"content-length", b"5")], "client": ("127.0.0.1", 1)}
    anyio.run(new_app(requires_token=True), scope, receive, send)
    assert sent[0]["status"] == 401


def test_a_token_in_the_address_is_refused_and_not_repeated(guarded: TestClient, token: Callable[[Scope], str]) -> None:
    secret = token(Scope.READ)
    for address in (f"/?token={secret}", f"/{secret}", f"/?token={secret.replace('d', '%64', 1)}"):
        refused = guarded.get(address)
        assert refused.status_code == 400
        assert "revoke" in refused.text
        assert secret not in refused.text
