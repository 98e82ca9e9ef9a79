"""Names that the server answers to, and pages that may make a browser ask it."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient

from cli.dashboard.origins import Names, check_origin, names_of
from cli.dashboard.refusal import Refusal
from tests.cli.dashboard.conftest import ADDRESS, NewApp

HERE = {"host": "127.0.0.1:8000"}


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.0.0.1:9000", "localhost:8000", "LOCALHOST.", "[::1]:8000", "127.3.2.1"]
)
def test_names_of_this_machine(client: TestClient, host: str) -> None:
    assert client.get("/", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "192.168.1.5", "", "127.0.0.1@evil.example",
        "127.0.0.1:x", "[::1", "127.0.0.1/evil", "0x7f.1", "évil",
    ],
)  # fmt: skip
def test_a_rebound_name_is_refused(client: TestClient, host: str) -> None:
    refused = client.get("/", headers={"Host": host.encode()})
    assert refused.status_code == 421
    assert "--allow-host" in refused.text


def test_a_proxy_has_a_name_of_its_own(new_app: NewApp) -> None:
    app = new_app(names=names_of("127.0.0.1", others=("Audits.example",)))
    assert TestClient(app, base_url="http://audits.example").get("/").status_code == 200


def test_from_other_machines_any_number_but_no_unknown_name() -> None:
    names = names_of("0.0.0.0")
    assert not names.loopback
    assert all(names.fits(host) for host in ("192.168.1.5:8000", "[2001:db8::1]:8000", "localhost"))
    assert not names.fits("evil.example")
    assert names_of("::1").loopback


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:8001"},
        {"origin": "file://127.0.0.1:8000"},
        {"origin": "http://[::1"},
        {"origin": ADDRESS, "sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_another_site_changes_nothing(method: str, headers: dict[str, str]) -> None:
    for by_session in (False, True):
        with pytest.raises(Refusal, match="another site"):
            check_origin(method, HERE | headers, by_session=by_session)


def test_a_program_needs_no_origin_and_a_session_does() -> None:
    check_origin("POST", HERE, by_session=False)
    check_origin("POST", HERE | {"origin": ADDRESS}, by_session=True)
    check_origin("POST", HERE | {"origin": "https://127.0.0.1:8000", "sec-fetch-site": "same-origin"}, by_session=True)
    with pytest.raises(Refusal, match="no Origin"):
        check_origin("POST", HERE, by_session=True)


def test_another_site_may_open_a_page_and_read_nothing() -> None:
    opened = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
    check_origin("GET", HERE | opened, by_session=True)
    for changed in ({"sec-fetch-mode": "no-cors"}, {"sec-fetch-dest": "iframe"}, {"sec-fetch-dest": "image"}):
        with pytest.raises(Refusal):
            check_origin("GET", HERE | opened | changed, by_session=False)


def test_a_form_of_another_site_is_refused_by_the_server(client: TestClient) -> None:
    refused = client.post("/logout", headers={"Origin": "http://evil.example"})
    assert refused.status_code == 403
    assert "another site" in refused.text
    assert Names(loopback=True).fits("localhost")
