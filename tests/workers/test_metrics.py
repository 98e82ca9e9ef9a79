"""The numbers of a database as Prometheus reads them: right, growing only with what is new, and quick."""

from __future__ import annotations

import urllib.request
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from urllib.error import HTTPError

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import event, update

from auditor.errors import AuditorError, StoreError
from auditor.records import Cell, Stage
from auditor.store import Database, StoredAudit, activity, claim_cell, fail_cell, finish_cell
from auditor.store.clock import database_now
from auditor.store.schema import cell
from workers.metrics import CONTENT_TYPE, Metrics
from workers.metrics_server import read_address, serving_metrics

Numbers = dict[tuple[str, frozenset[tuple[str, str]]], float]

CELLS = (Cell("behaviour", Stage.BEHAVIOUR), Cell("measure/original", Stage.MEASURE), Cell("conclude", Stage.CONCLUDE))


@pytest.fixture(autouse=True)
def _settled_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(activity, "SETTLED_SECONDS", 0.0)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A migrated database of each kind."""
    from auditor.store.revisions import upgrade

    url: str = (
        f"sqlite:///{tmp_path / 'store.sqlite3'}"
        if request.param == "sqlite"
        else request.getfixturevalue("postgres_url")
    )
    upgrade(url)
    return url


def _read(metrics: Metrics) -> Numbers:
    """Every sample, by its name and labels, through Prometheus's own reader."""
    found: Numbers = {}
    for family in text_string_to_metric_families(metrics.text()):
        assert family.documentation
        for sample in family.samples:
            place = (sample.name.removeprefix("dyck_audit_"), frozenset(sample.labels.items()))
            assert place not in found
            found[place] = sample.value
    return found


def _at(numbers: Numbers, name: str, **labels: str) -> float:
    return numbers[name, frozenset(labels.items())]


def _do(
    database: Database, audit: StoredAudit, key: str, *, seconds: float, waited: float = 0.0, fails: bool = False
) -> None:
    """A cell that was claimed after so long and took so long; its error is the last."""
    with database.transaction() as session:
        assert claim_cell(session, audit.id, key, owner="me", lease_seconds=60) is not None
        begun = database_now(session) - timedelta(seconds=seconds)
        times = {"started_at": begun, "dispatched_at": begun - timedelta(seconds=waited)}
        session.execute(update(cell).where(cell.c.audit_id == audit.id, cell.c.key == key).values(times))
        if fails:
            fail_cell(session, audit.id, key, owner="me", error="no", final=True)
        else:
            finish_cell(session, audit.id, key, owner="me")


def test_a_queue_and_its_past(database: Database, new_audit: Callable[..., StoredAudit]) -> None:
    metrics = Metrics(database)
    empty = _read(metrics)
    assert _at(empty, "audits", state="queued") == _at(empty, "oldest_ready_cell_seconds") == 0

    first, second = new_audit(CELLS), new_audit(CELLS)
    with database.transaction() as session:
        long_ago = database_now(session) - timedelta(seconds=100)
        session.execute(update(cell).where(cell.c.audit_id == second.id).values(dispatched_at=long_ago))
    _do(database, first, "behaviour", seconds=0.2, waited=3.0)
    _do(database, first, "measure/original", seconds=4.0)
    with database.transaction() as session:
        claim_cell(session, first.id, "conclude", owner="gone", lease_seconds=-1)
    numbers = _read(metrics)
    assert _at(numbers, "audits", state="queued") == _at(numbers, "audits", state="running") == 1
    assert (_at(numbers, "cells", state="ready"), _at(numbers, "cells", state="running")) == (3, 1)
    assert _at(numbers, "leases_expired") == 1
    assert 100 <= _at(numbers, "oldest_ready_cell_seconds") < 200
    assert _at(numbers, "cells_ended_total", stage="behaviour", state="done") == 1
    assert _at(numbers, "cell_seconds_bucket", stage="behaviour", le="0.1") == 0
    assert _at(numbers, "cell_seconds_bucket", stage="measure", le="2.5") == 0
    assert _at(numbers, "cell_seconds_bucket", stage="measure", le="+Inf") == 1
    assert 3.9 < _at(numbers, "cell_seconds_sum", stage="measure") < 60
    assert _at(numbers, "cell_queue_seconds_bucket", stage="behaviour", le="2.5") == 0
    assert 2.9 < _at(numbers, "cell_queue_seconds_sum", stage="behaviour") < 60

    again = _read(metrics)
    assert _at(again, "cells_ended_total", stage="measure", state="done") == 1, "nothing is counted twice"
    _do(database, second, "behaviour", seconds=0.0, fails=True)
    grown = _read(metrics)
    assert _at(grown, "cells_ended_total", stage="behaviour", state="failed") == 1
    assert _at(grown, "cell_seconds_count", stage="behaviour") == 2
    assert _at(grown, "cells_failed") == 1
    assert _read(Metrics(database)).keys() == grown.keys(), "another process gives the same"


def test_a_cell_that_ends_while_it_is_read_is_counted_next_time(
    database: Database, new_audit: Callable[..., StoredAudit], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(activity, "SETTLED_SECONDS", 3600.0)
    metrics, audit = Metrics(database), new_audit(CELLS)
    _do(database, audit, "behaviour", seconds=0.0)
    assert not [name for name, _ in _read(metrics) if name == "cells_ended_total"]
    monkeypatch.setattr(activity, "SETTLED_SECONDS", 0.0)
    assert _at(_read(metrics), "cells_ended_total", stage="behaviour", state="done") == 1


def test_no_query_touches_what_grows_with_results(database: Database, new_audit: Callable[..., StoredAudit]) -> None:
    """Findings, scores and blobs are the large tables: none is named, and the later readings use the index."""
    new_audit(CELLS)
    asked: list[str] = []
    metrics = Metrics(database)
    metrics.text()

    @event.listens_for(database._engine, "before_cursor_execute")
    def note(_c: object, _cursor: object, statement: str, *_: object) -> None:
        asked.append(statement)

    metrics.text()
    assert len(asked) <= 10
    assert not [one for one in asked if any(f" {name}" in one for name in ("finding", "interpretation", "blob"))]
    if database.url.startswith("sqlite"):
        with database.transaction(read_only=True) as session:
            (last,) = [one for one in asked if "julianday" in one]
            import re

            plan = session.exec_driver_sql("EXPLAIN QUERY PLAN " + re.sub(r"\?", "'1'", last)).all()
        assert "ix_cell_finished_at" in str(plan)


class TestServer:
    def test_it_answers_at_one_path_and_says_why_it_cannot(self) -> None:
        with serving_metrics(("127.0.0.1", 0), lambda: "dyck_audit_up 1\n") as (host, port):
            with urllib.request.urlopen(f"http://{host}:{port}/metrics") as answer:
                assert answer.read() == b"dyck_audit_up 1\n"
                assert answer.headers["Content-Type"] == CONTENT_TYPE
            with pytest.raises(HTTPError, match="404") as missing:
                urllib.request.urlopen(f"http://{host}:{port}/other")
            missing.value.close()

        def away() -> str:
            raise StoreError("the database postgresql://u:***@h/d cannot be used")

        with serving_metrics(("127.0.0.1", 0), away) as (host, port):
            with pytest.raises(HTTPError, match="503") as refused:
                urllib.request.urlopen(f"http://{host}:{port}/metrics")
            with refused.value as answer:
                assert answer.read().decode().startswith("the database postgresql://u:***@h/d cannot be used")

    def test_a_port_that_is_taken_is_one_line(self) -> None:
        with (
            serving_metrics(("127.0.0.1", 0), str) as (host, port),
            pytest.raises(AuditorError, match="choose another port"),
            serving_metrics((host, port), str),
        ):
            pass

    def test_addresses(self) -> None:
        assert read_address("9464") == ("127.0.0.1", 9464)
        assert read_address("0.0.0.0:9464") == ("0.0.0.0", 9464)
        assert read_address("[::1]:9464") == ("::1", 9464)
        for wrong in ("", "x", ":9464", "h:", "h:70000", "70000", "-1", "²"):
            with pytest.raises(AuditorError, match="HOST:PORT"):
                read_address(wrong)
