"""Lists on a store of hundreds of audits: what plain Python finds, on both databases, read from an index."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, event, select, text

from auditor.errors import AmbiguousError, NotFoundError
from auditor.records import Finding
from auditor.store import (
    AuditFilter,
    Database,
    FindingFilter,
    StoredAudit,
    count_findings,
    count_matching_audits,
    get_audit,
    get_finding,
    list_audits,
    list_findings,
    list_functions,
)
from auditor.store.filters import AuditSort, FindingSort
from auditor.store.names import COLUMNS, used_names
from auditor.store.revisions import upgrade
from auditor.store.schema import finding
from tests.large_store import Filled, fill

AUDITS, FINDINGS = 300, 9_000


@dataclass(frozen=True)
class Everything:
    """One database, and all of it in memory: audits as they are read one by one, (audit, position, finding)."""

    database: Database
    filled: Filled
    audits: dict[str, StoredAudit]
    findings: list[tuple[StoredAudit, int, Finding]]
    functions: dict[str, tuple[str, ...]]


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Everything]:
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('large') / 'store.sqlite3'}"
    else:
        url = request.getfixturevalue("postgres_server").new_database()
    upgrade(url)
    database = Database(url)
    with database.transaction() as session:
        filled = fill(session, audits=AUDITS, findings=FINDINGS)
    with database.transaction(read_only=True) as session:
        audits = {audit_id: get_audit(session, audit_id) for audit_id in filled.audits}
        rows = session.execute(select(finding.c.audit_id, finding.c.position, finding.c.body)).all()
        findings = [(audits[row.audit_id], row.position, Finding.from_json(row.body)) for row in rows]
        functions = {model_id: one.members for model_id, one in list_functions(session).items()}
    yield Everything(database, filled, audits, findings, functions)
    database.dispose()


@pytest.fixture
def session(store: Everything) -> Iterator[Connection]:
    with store.database.transaction(read_only=True) as opened:
        yield opened


def is_of(store: Everything, audit: StoredAudit, wanted: AuditFilter | FindingFilter) -> bool:
    """The conditions that both lists have, by looking."""
    function = None if wanted.function is None else store.functions[wanted.function]
    return all((
        wanted.model is None or audit.model_name == wanted.model or audit.model_id.startswith(wanted.model),
        function is None or audit.model_id in function,
        wanted.since is None or audit.created_at >= wanted.since,
        wanted.until is None or audit.created_at < wanted.until,
    ))  # fmt: skip


def audits_by_looking(store: Everything, wanted: AuditFilter) -> list[str]:
    verdicts: dict[str, set[str]] = {audit.id: set() for audit in store.audits.values()}
    for audit, _, one in store.findings:
        verdicts[audit.id].add(str(one.verdict))
    met = [
        audit
        for audit in store.audits.values()
        if is_of(store, audit, wanted)
        and wanted.state in (None, audit.state)
        and wanted.plan in (None, audit.plan_name)
        and (wanted.verdict is None or wanted.verdict in verdicts[audit.id])
    ]
    newest = sorted(sorted(met, key=lambda one: one.id), key=lambda one: one.created_at, reverse=True)
    if wanted.sort == "finished":
        over = [one for one in newest if one.finished_at is not None]
        over.sort(key=lambda one: one.finished_at or one.created_at, reverse=True)
        return [one.id for one in over] + [one.id for one in newest if one.finished_at is None]
    keys: dict[str, Callable[[StoredAudit], str]] = {
        "created": lambda _: "", "model": lambda one: one.model_name, "plan": lambda one: one.plan_name,
        "state": lambda one: one.state,
    }  # fmt: skip
    return [one.id for one in sorted(newest, key=keys[wanted.sort])]


def findings_by_looking(store: Everything, wanted: FindingFilter) -> list[str]:
    def meets(audit: StoredAudit, one: Finding) -> bool:
        facts = {
            "audit": audit.id, "method": one.method, "equivalence": one.equivalence, "layer": one.component.layer,
            "head": one.component.head, "verdict": one.verdict, "claim": one.claim.kind, "basis": one.grounds,
            "invariant": one.invariant, "resolved": one.resolved,
        }  # fmt: skip
        is_large = wanted.min_effect is None or (one.effect is not None and one.effect >= wanted.min_effect)
        return is_large and all(getattr(wanted, name) in (None, value) for name, value in facts.items())

    def order(entry: tuple[StoredAudit, int, Finding]) -> tuple[Any, ...]:
        audit, position, one = entry
        by_effect = (one.effect is None, -(one.effect or 0)) if wanted.sort == "effect" else ()
        return (*by_effect, -audit.created_at.timestamp(), audit.id, position)

    met = [entry for entry in store.findings if is_of(store, entry[0], wanted) and meets(entry[0], entry[2])]
    return [f"{audit.id}/{one.id}" for audit, _, one in sorted(met, key=order)]


def single_conditions(store: Everything, kind: type[AuditFilter] | type[FindingFilter]) -> dict[str, Any]:
    """One value for every condition that at least one row meets."""
    audit, _, one = max(store.findings, key=lambda entry: (entry[2].component.head is not None, entry[0].created_at))
    values = {
        "model": audit.model_name, "function": audit.model_id, "since": audit.created_at - timedelta(days=200),
        "until": audit.created_at, "state": "failed", "plan": audit.plan_name, "verdict": "unstable",
        "audit": audit.id, "method": one.method, "equivalence": one.equivalence, "layer": one.component.layer,
        "head": one.component.head, "min_effect": 0.4, "claim": one.claim.kind, "basis": str(one.grounds),
        "invariant": False, "resolved": True,
    }  # fmt: skip
    return {name: value for name, value in values.items() if name in kind.__dataclass_fields__}


def some_filters(store: Everything, kind: type[Any], sorts: list[str]) -> Iterator[Any]:
    """No condition, each alone, and draws of several, in every order."""
    values, draw = single_conditions(store, kind), random.Random(0)
    yield from (kind(sort=sort, limit=None) for sort in sorts)
    yield from (kind(**{name: value}, limit=None) for name, value in values.items())
    for _ in range(25):
        names = draw.sample(sorted(values), draw.randint(2, 3))
        yield kind(**{name: values[name] for name in names}, sort=draw.choice(sorts), limit=None)


def test_audits_are_those_found_by_looking(store: Everything, session: Connection) -> None:
    found_some = 0
    for wanted in some_filters(store, AuditFilter, list(AuditSort)):
        expected = audits_by_looking(store, wanted)
        assert [one.id for one in list_audits(session, wanted).rows] == expected, wanted
        assert count_matching_audits(session, wanted) == len(expected)
        found_some += bool(expected)
    assert found_some > 10


def test_findings_are_those_found_by_looking(store: Everything, session: Connection) -> None:
    found_some = 0
    for wanted in some_filters(store, FindingFilter, list(FindingSort)):
        expected = findings_by_looking(store, wanted)
        limited = FindingFilter.read(wanted.to_query() | {"limit": 60})
        assert [one.key for one in list_findings(session, limited).rows] == expected[:60], wanted
        assert count_findings(session, wanted, at_most=500) == min(500, len(expected)), wanted
        found_some += bool(expected)
    assert found_some > 10


def test_a_model_with_many_audits_is_listed_like_any_other(
    store: Everything, session: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = FindingFilter(model=store.audits[store.filled.audits[0]].model_name, verdict="stable")
    few = list_findings(session, wanted)
    assert few.rows
    for limit in ("FEW_AUDITS", "LISTED_AUDITS"):
        monkeypatch.setattr(f"auditor.store.findings.{limit}", 0)
        assert list_findings(session, wanted) == few


def test_an_audit_of_another_model_has_no_findings_of_this_one(store: Everything, session: Connection) -> None:
    audit = store.findings[0][0]
    other = next(one for one in store.audits.values() if one.model_id not in store.functions[audit.model_id])
    assert list_findings(session, FindingFilter(audit=audit.id, model=audit.model_id)).rows
    for foreign in ({"model": other.model_id}, {"function": other.model_id}, {"until": audit.created_at}):
        wanted = FindingFilter(audit=audit.id, **foreign)  # type: ignore[arg-type]
        assert list_findings(session, wanted).rows == ()
        assert count_findings(session, wanted) == 0


@pytest.mark.parametrize("sort", list(AuditSort))
def test_pages_of_audits_join_to_the_list(store: Everything, session: Connection, sort: str) -> None:
    joined, after = [], None
    while after is not None or not joined:
        page = list_audits(session, AuditFilter(sort=sort, limit=37, after=after))
        joined += [one.id for one in page.rows]
        after = page.next
    assert joined == [one.id for one in list_audits(session, AuditFilter(sort=sort, limit=None)).rows]
    assert len(joined) == AUDITS


@pytest.mark.parametrize("sort", list(FindingSort))
def test_pages_of_findings_join_to_the_list(store: Everything, session: Connection, sort: str) -> None:
    joined, after = [], None
    while after is not None or not joined:
        page = list_findings(session, FindingFilter(sort=sort, verdict="inconclusive", limit=211, after=after))
        joined += [one.key for one in page.rows]
        after = page.next
    assert joined == findings_by_looking(store, FindingFilter(sort=sort, verdict="inconclusive"))


def test_names_are_those_that_occur(store: Everything, session: Connection) -> None:
    assert used_names(session, "method") == tuple(sorted({one.method for _, _, one in store.findings}))
    assert used_names(session, "equivalence") == tuple(sorted({one.equivalence for _, _, one in store.findings}))
    assert used_names(session, "plan") == tuple(sorted({one.plan_name for one in store.audits.values()}))
    assert set(COLUMNS) == {"method", "equivalence", "plan"}


def test_the_start_of_an_id_is_found_among_many(store: Everything, session: Connection) -> None:
    audit, _, one = store.findings[4321]
    others = [key for key in (entry[2].id for entry in store.findings) if key != one.id]
    length = next(size for size in range(1, 13) if not any(key.startswith(one.id[:size]) for key in others))
    assert get_finding(session, one.id[:length]) == (audit.id, one)
    with pytest.raises(AmbiguousError):
        get_finding(session, "f")
    with pytest.raises(NotFoundError):
        get_finding(session, one.id[:length].upper())
    assert get_audit(session, audit.id[:8]) == audit


def statements(session: Connection, work: Callable[[Connection], object]) -> list[tuple[str, Any]]:
    """What a piece of work sends to the database."""
    sent: list[tuple[str, Any]] = []

    def note(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        sent.append((statement, parameters))

    event.listen(session, "before_cursor_execute", note)
    work(session)
    event.remove(session, "before_cursor_execute", note)
    return sent


def reads(store: Everything) -> Iterator[tuple[str, Callable[[Connection], object]]]:
    finding_id = store.findings[0][2].id
    for wanted in some_filters(store, AuditFilter, list(AuditSort)):
        limited = AuditFilter.read(wanted.to_query() | {"limit": 5})
        yield f"history {wanted.to_query()}", lambda s, w=limited: list_audits(s, w)  # type: ignore[misc]
    for wanted in some_filters(store, FindingFilter, list(FindingSort)):
        limited = FindingFilter.read(wanted.to_query() | {"limit": 5})
        yield f"findings {wanted.to_query()}", lambda s, w=limited: list_findings(s, w)  # type: ignore[misc]
        yield f"count {wanted.to_query()}", lambda s, w=limited: count_findings(s, w)  # type: ignore[misc]
    yield "finding", lambda s: get_finding(s, finding_id)
    yield "start of a finding", lambda s: get_finding(s, finding_id[:11])
    yield "methods", lambda s: used_names(s, "method")
    yield "equivalences", lambda s: used_names(s, "equivalence")


def whole_reads(session: Connection, statement: str, parameters: Any) -> list[str]:
    """The steps of a statement that read a table from end to end, by the database's own plan.

    SQLite: SEARCH goes straight to rows, and a SCAN of findings must be of a covering index, a tenth of the table.
    PostgreSQL plans by size and reads a small table whole, so it must avoid sequential scans where an index serves.
    """
    if session.dialect.name == "sqlite":
        plan = [row.detail for row in session.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)]
        scans = [step for step in plan if step.startswith("SCAN")]
        whole = [step for step in scans if "finding" in step.split() and "COVERING INDEX" not in step]
        return whole + [step for step in scans if "audit" in step.split() and "INDEX" not in step]
    session.execute(text("SET LOCAL enable_seqscan = off"))
    plan = [row[0] for row in session.exec_driver_sql(f"EXPLAIN {statement}", parameters)]
    return [step for step in plan if "Seq Scan on finding" in step]


def test_no_list_reads_the_table_of_findings_from_end_to_end(store: Everything, session: Connection) -> None:
    """A list is a few statements, however many rows it has."""
    for name, work in reads(store):
        sent = statements(session, work)
        assert len(sent) <= 5, name
        for statement, parameters in sent:
            assert not whole_reads(session, statement, parameters), (name, statement)
