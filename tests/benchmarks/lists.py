"""Milliseconds of every list, search and comparison on a large store, on SQLite and on PostgreSQL.

``python -m tests.benchmarks.lists`` fills 10,000 audits with 1,000,000 findings (some minutes, 4 GB of disk) and prints
the table; ``make bench`` sets a hundredth of that against reading all findings and looking in Python.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
import psycopg
from sqlalchemy import Connection, select, text

from auditor.records import Finding
from auditor.report.difference import compare
from auditor.store import (
    AuditFilter,
    Database,
    FindingFilter,
    count_audits,
    count_findings,
    count_matching_audits,
    create_audit,
    get_audit,
    get_finding,
    list_audits,
    list_findings,
    list_functions,
    list_models,
    load_report,
    open_database,
    progress,
    save_report,
)
from auditor.store.names import used_names
from auditor.store.schema import finding, model
from tests.auditor.report.samples import sample_report
from tests.auditor.store.samples import CELLS
from tests.benchmarks.timing import Line, seconds
from tests.embedded_postgres import embedded_postgres
from tests.large_store import EQUIVALENCES, METHODS, Filled, fill

AUDITS, FINDINGS = 10_000, 1_000_000
SMALLER = 100
REPEATS = 10

Query = Callable[[Connection], object]


def queries(session: Connection, filled: Filled) -> Mapping[str, Query]:
    """Every query that a list, a page or a command asks, by what it is about."""
    first = session.execute(select(model.c.name, model.c.id).order_by(model.c.created_at)).first()
    assert first is not None
    newest = list_findings(session, FindingFilter(limit=1)).rows[0]
    deep = list_findings(session, FindingFilter.read({"until": "2024-02-01", "limit": 1})).rows[0]
    listed: dict[str, object] = {
        "history": AuditFilter(),
        "history, page at the far end": AuditFilter(after=list_audits(session, AuditFilter(limit=None)).rows[-60].id),
        "history --sort finished": AuditFilter(sort="finished"),
        "history --sort model": AuditFilter(sort="model"),
        "history --sort plan --state done": AuditFilter(sort="plan", state="done"),
        "history --model (most used)": AuditFilter(model=first.name),
        "history --function": AuditFilter(function=first.id),
        "history --verdict unstable --plan full": AuditFilter(verdict="unstable", plan="full"),
        "history, nothing matches": AuditFilter(plan="none", state="done"),
        "findings": FindingFilter(),
        "findings, page at the far end": FindingFilter(after=deep.key),
        "findings --sort effect": FindingFilter(sort="effect"),
        "findings --sort effect --verdict unstable": FindingFilter(sort="effect", verdict="unstable"),
        "findings --method": FindingFilter(method=METHODS[5]),
        "findings --method --equivalence (rare)": FindingFilter(method=METHODS[-1], equivalence=EQUIVALENCES[-1]),
        "findings --layer --head --verdict": FindingFilter(layer=3, head=7, verdict="unstable"),
        "findings --min-effect 2": FindingFilter(min_effect=2.0),
        "findings --claim --basis --invariant": FindingFilter(claim="rank", basis="theory", invariant=False),
        "findings --resolved, nothing matches": FindingFilter(resolved=False, verdict="stable", equivalence="none"),
        "findings --model (most used)": FindingFilter(model=first.name),
        "findings --model (most used), nothing matches": FindingFilter(model=first.name, layer=99),
        "findings --function": FindingFilter(function=first.id, verdict="unstable"),
        "findings --audit": FindingFilter(audit=newest.audit_id),
        "findings --since --until": FindingFilter.read({"since": "2024-03-01", "until": "2024-03-08"}),
    }
    asked: dict[str, Query] = {}
    for name, wanted in listed.items():
        if isinstance(wanted, AuditFilter):
            asked[name] = lambda s, w=wanted: list_audits(s, w)  # type: ignore[misc]
        else:
            asked[name] = lambda s, w=wanted: list_findings(s, w)  # type: ignore[misc]
    return asked | {
        "count of audits by state": count_audits,
        "count of matching audits": lambda s: count_matching_audits(s, AuditFilter(verdict="unstable")),
        "count of all findings, to 1,000": lambda s: count_findings(s, FindingFilter()),
        "count of rare findings": lambda s: count_findings(s, FindingFilter(claim="rank", basis="theory", layer=99)),
        "names of methods": lambda s: used_names(s, "method"),
        "names of equivalences": lambda s: used_names(s, "equivalence"),
        "names of plans": lambda s: used_names(s, "plan"),
        "models list": lambda s: (list_models(s, limit=50), list_functions(s)),
        "audit by prefix": lambda s: get_audit(s, filled.audits[7][:7]),
        "finding by prefix": lambda s: get_finding(s, deep.finding.id[:10]),
        "finding by id": lambda s: get_finding(s, deep.key),
        "show latest": lambda s: (progress(s, get_audit(s, "latest").id), load_report(s, get_audit(s, "latest").id)),
        "diff of two audits": _compare_newest,
    }


def _compare_newest(session: Connection) -> object:
    newest = list_audits(session, AuditFilter(limit=2)).rows
    return compare(*(load_report(session, one.id) for one in newest))


@contextmanager
def filled(url: str, *, audits: int, findings: int) -> Iterator[tuple[Database, Filled]]:
    """A large store whose two newest audits have whole reports."""
    database = open_database(url)
    with database.transaction() as session:
        made = fill(session, audits=audits, findings=findings)
        for seed in range(2):
            given = {"plan": {}, "plan_name": "quick", "cells": CELLS, "versions": {}}
            one = create_audit(session, model_id=made.models[0], seed=seed, **given)  # type: ignore[arg-type]
            save_report(session, one.id, sample_report())
    if url.startswith("postgresql"):  # what autovacuum does within a minute
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("VACUUM ANALYZE")
    yield database, made
    database.dispose()


def milliseconds(database: Database, made: Filled) -> dict[str, float]:
    """Processor time of every query, the client's and the server's, the mean of some runs after one that warms up.

    Other programs on the machine do not count, nor does waiting for a disk.
    """
    with database.transaction(read_only=True) as session:
        asked = queries(session, made)
        server = _server_clock(session)
        found = {}
        for name, query in asked.items():
            query(session)
            started = time.process_time() + server()
            for _ in range(REPEATS):
                query(session)
            found[name] = 1e3 * (time.process_time() + server() - started) / REPEATS
    return found


def _server_clock(session: Connection) -> Callable[[], float]:
    """Seconds that the server's process of this session has run, to a hundredth; on SQLite there is none."""
    if session.dialect.name == "sqlite":
        return lambda: 0.0
    process = psutil.Process(session.execute(text("SELECT pg_backend_pid()")).scalar_one())

    def clock() -> float:
        times = process.cpu_times()
        return float(times.user + times.system)

    return clock


def lines() -> Iterator[Line]:
    """Queries on SQLite against reading every finding and looking at it."""
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        url = f"sqlite:///{Path(folder) / 'store.sqlite3'}"
        database, made = stack.enter_context(filled(url, audits=AUDITS // SMALLER, findings=FINDINGS // SMALLER))
        session = stack.enter_context(database.transaction(read_only=True))
        naive = 1e3 * seconds(lambda: _read_all(session), repeats=1)
        for name, query in queries(session, made).items():
            if name.startswith("findings"):
                ours = 1e3 * seconds(lambda query=query: query(session))  # type: ignore[misc]
                yield Line(f"{FINDINGS // SMALLER:,} stored: {name}", ours, naive, "ms", more_is_better=False)


def _read_all(session: Connection) -> list[Finding]:
    rows = (Finding.from_json(row.body) for row in session.execute(select(finding.c.body)))
    return sorted((one for one in rows if one.verdict == "unstable"), key=lambda one: one.effect or 0)


def main() -> None:
    """The whole table."""
    say = sys.stdout.write
    with tempfile.TemporaryDirectory() as folder, embedded_postgres() as server:
        urls = {"SQLite": f"sqlite:///{Path(folder) / 'store.sqlite3'}", "PostgreSQL": server.new_database()}
        table: dict[str, dict[str, float]] = {}
        for name, url in urls.items():
            started = time.perf_counter()
            with filled(url, audits=AUDITS, findings=FINDINGS) as (database, made):
                say(f"{name}: {made.findings:,} findings written in {time.perf_counter() - started:.0f} s\n")
                table[name] = milliseconds(database, made)
    say(f"{'ms':48}{''.join(f'{name:>12}' for name in table)}\n")
    for query in table["SQLite"]:
        say(f"{query:48}{''.join(f'{times[query]:12.1f}' for times in table.values())}\n")


if __name__ == "__main__":
    main()
