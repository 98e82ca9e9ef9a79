"""Broker and database over TLS with passwords: an audit is done, and no metric holds a password."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest

from auditor.settings import Settings
from auditor.store import Database, StoredAudit
from tests.acceptance.broker_server import with_password
from tests.acceptance.command_line import run
from tests.acceptance.worker_process import PATIENCE_SECONDS, eventually, free_port, started_worker
from tests.planted import BROKER_PASSWORD, DATABASE_PASSWORD, in_url, shows_password
from tests.tls import Authority, behind_tls, new_authority
from workers.embedded_broker import EmbeddedBroker, embedded_broker
from workers.waiting import wait


@dataclass(frozen=True)
class Place:
    """Servers behind TLS, and how they are reached."""

    settings: Settings
    broker: EmbeddedBroker
    authority: Authority
    other: Authority  # who has signed nothing here


@pytest.fixture
def place(tmp_path: Path, postgres_url: str) -> Iterator[Place]:
    """Both servers, reached only over TLS."""
    authority, other = new_authority(tmp_path / "authority"), new_authority(tmp_path / "other")
    local = urlsplit(postgres_url)
    name, folder = local.path.strip("/"), local.query.removeprefix("host=")
    with ExitStack() as stack:
        broker = stack.enter_context(embedded_broker())
        path = Path(urlsplit(broker.url).path)
        with_password(broker.url)
        broker_port = stack.enter_context(behind_tls(authority, path))
        database_port = stack.enter_context(behind_tls(authority, Path(folder) / ".s.PGSQL.5432", postgres=True))
        checks = f"sslmode=verify-full&sslrootcert={authority.certificate}"
        settings = Settings(
            tmp_path / "home",
            f"postgresql+psycopg://postgres:{in_url(DATABASE_PASSWORD)}@localhost:{database_port}/{name}?{checks}",
            f"rediss://:{in_url(BROKER_PASSWORD)}@localhost:{broker_port}/0?ssl_cert_reqs=required"
            f"&ssl_ca_certs={authority.certificate}",
        )
        yield Place(settings, broker, authority, other)


@pytest.fixture
def settings(place: Place) -> Settings:
    """What every command and worker of this file is given."""
    return place.settings


def test_an_audit_over_tls_leaves_no_password_anywhere(
    place: Place, settings: Settings, database: Database, new_audit: Callable[[], StoredAudit], tmp_path: Path
) -> None:
    audit, address = new_audit(), f"127.0.0.1:{free_port()}"
    options = ("--hostname", "one", "--log-format", "json", "--metrics", address, "--verbose", "--grace", "0")
    with started_worker(
        settings, journal=tmp_path / "journal", concurrency=1, seconds=0.0, arguments=options
    ) as worker:
        wait(database, [audit.id], timeout_seconds=PATIENCE_SECONDS)
        with urlopen(f"http://{address}/metrics") as answer:
            numbers = answer.read().decode()
        assert 'dyck_audit_audits{state="done"} 1' in numbers
        doctor = run(settings, "doctor", "--json")
        facts = {check["what"]: check["found"] for check in json.loads(doctor.stdout)["checks"]}
        assert facts["database"].endswith(", over TLS")
        assert facts["broker"].startswith("Valkey 9.")
        assert facts["workers"].startswith("1 answer: one@")
        run(settings, "report", audit.id, "--verbose")
        place.broker.process.kill()
        log = worker.journal.with_suffix(".log")
        eventually(lambda: "no connection to the broker" in log.read_text(), "the worker misses the broker")
        worker.process.send_signal(signal.SIGTERM)
        worker.process.wait(60)
    run(settings, "doctor", "--verbose", expect=1)
    assert '"cell": "behaviour"' in log.read_text()
    assert not shows_password(numbers)


@pytest.mark.parametrize(
    ("what", "change"),
    [
        ("database", ("authority/authority.pem", "other/authority.pem")),
        ("database", ("sslmode=verify-full", "sslmode=disable")),
        ("broker", ("authority/authority.pem", "other/authority.pem")),
        ("broker", ("rediss://", "redis://")),
    ],
)
def test_a_certificate_of_somebody_else_and_a_connection_in_the_clear_are_refused(
    place: Place, what: str, change: tuple[str, str]
) -> None:
    settings = place.settings
    given = settings.database_url if what == "database" else settings.broker_url or ""
    url = given.replace(*change)
    if change[1] == "redis://":
        url = url.split("?")[0]
    option = "--database-url" if what == "database" else "--broker-url"
    ended = run(settings, option, url, *(("db", "current") if what == "database" else ("worker",)), expect=1)
    assert len(ended.stderr.splitlines()) == 1
    if "authority" in change[1]:
        assert "certificate" in ended.stderr
