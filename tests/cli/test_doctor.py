"""doctor: servers that run, are not there, or keep nothing; workers; permissions; and no password in what it prints."""

from __future__ import annotations

import json
import stat
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import redis

from auditor.checkpoints.intake import isolation
from auditor.store import clock
from auditor.store.revisions import head, upgrade
from tests.cli.conftest import Outcome, Run
from workers.app import VISIBILITY_SECONDS
from workers.embedded_broker import EmbeddedBroker, embedded_broker
from workers.health import new_state

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def broker() -> Iterator[EmbeddedBroker]:
    """A server that keeps nothing on disk, until a test changes that."""
    with embedded_broker() as running:
        yield running


def _checks(found: Outcome) -> dict[str, dict[str, Any]]:
    return {check["what"]: check for check in found.document["checks"]}


def test_a_database_and_a_broker_that_run(run: Run, broker: EmbeddedBroker, postgres_url: str) -> None:
    upgrade(postgres_url)
    found = run("doctor", "--json", "--database-url", postgres_url, "--broker-url", broker.url)
    checks = _checks(found)
    assert checks["database"]["found"].startswith("PostgreSQL 18.")
    assert head() in checks["revision"]["found"]
    assert "s ahead" in checks["clock"]["found"] or "s behind" in checks["clock"]["found"]
    assert checks["broker"]["found"].startswith("Valkey 9.")
    assert f"{VISIBILITY_SECONDS:.0f} s" in checks["visibility timeout"]["found"]
    assert checks["broker's persistence"]["found"].startswith("nothing is kept on disk")
    assert checks["broker's persistence"]["action"] == "CONFIG SET appendonly yes"
    assert [what for what, check in checks.items() if not check["ok"]] == ["workers"]
    assert (found.code, checks["workers"]["action"]) == (1, "start one with `dyck-audit worker`")


def test_what_a_broker_keeps_and_drops(run: Run, broker: EmbeddedBroker) -> None:
    with redis.Redis(unix_socket_path=broker.url.removeprefix("redis+socket://").split("?")[0]) as client:
        for setting, value in (("appendonly", "yes"), ("maxmemory", "100mb"), ("maxmemory-policy", "allkeys-lru")):
            client.config_set(setting, value)
        checks = _checks(run("doctor", "--json", "--broker-url", broker.url))
        client.config_set("appendonly", "no")
        client.config_set("maxmemory", "0")
    assert checks["broker's persistence"]["state"] == "ok"
    assert checks["broker's memory"]["state"] == "problem"
    assert "allkeys-lru" in checks["broker's memory"]["found"]


def test_a_database_at_another_revision(run: Run, postgres_url: str) -> None:
    upgrade(postgres_url, "20261122_first_tables")
    found = run("doctor", "--json", "--database-url", postgres_url)
    checks = _checks(found)
    assert found.code == 1
    assert checks["database"]["ok"]
    assert checks["revision"]["action"] == "type `dyck-audit db upgrade`"
    assert "20261122_first_tables" in checks["revision"]["found"]


def test_clocks_that_differ(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from datetime import UTC, datetime, timedelta

    run("history")
    monkeypatch.setattr(clock, "database_now", lambda _: datetime.now(UTC) - timedelta(hours=1))
    checks = _checks(run("doctor", "--json"))
    assert checks["clock"]["found"] == "the database's is 3600.0 s behind"
    assert (checks["clock"]["state"], checks["clock"]["ok"]) == ("note", True)


def test_workers_that_share_the_home(run: Run, home: Path) -> None:
    (home / "workers").mkdir(parents=True)
    mine = new_state("mine", concurrency=2, version="1")
    states = (
        replace(mine, ready=True, why_not=""),
        replace(mine, name="silent", beat=time.time() - 100),
        replace(mine, name="gone", process_started=1.0),
        replace(mine, name="far", machine="elsewhere"),
    )
    for state in states:
        (home / "workers" / f"{state.name}.json").write_text(json.dumps(asdict(state)))
    checks = _checks(run("doctor", "--json"))
    assert checks["worker mine"]["found"].endswith("takes work")
    assert checks["worker silent"]["state"] == "problem"
    assert checks["worker gone"]["state"] == "note"
    assert checks["worker far"]["found"].startswith("on elsewhere")


def test_a_home_is_made_for_its_owner_and_one_that_others_may_read_is_named(run: Run, home: Path) -> None:
    run("history")
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert _checks(run("doctor", "--json"))["home's permissions"]["state"] == "ok"
    home.chmod(0o755)
    found = _checks(run("doctor", "--json"))["home's permissions"]
    assert (found["state"], found["action"]) == ("note", f"chmod 700 {home}")


def test_a_system_that_isolates_no_child(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_leave_network", "_filter_calls"):
        monkeypatch.setattr(isolation, name, lambda: False)
    found = _checks(run("doctor", "--json"))["reading pickles"]
    assert (found["state"], found["ok"]) == ("note", True)
    assert "neither" in found["found"]


def test_no_password_is_printed(run: Run, broker: EmbeddedBroker) -> None:
    with redis.Redis(unix_socket_path=broker.url.removeprefix("redis+socket://").split("?")[0]) as client:
        client.config_set("requirepass", "right-secret")
        url = broker.url.replace("redis+socket://", "redis+socket://:{}@")
        for password, form in (("right-secret", "--json"), ("wrong-secret", "--verbose")):
            found = run("doctor", form, "--broker-url", url.format(password))
            assert ("Valkey" in found.stdout) == (password == "right-secret"), found.stdout
            assert "secret" not in found.stdout + found.stderr
        client.auth("right-secret")
        client.config_set("requirepass", "")
