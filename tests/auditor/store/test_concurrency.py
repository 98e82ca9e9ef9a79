"""The law of delivery: however often messages come and however many processes race, each cell is done once."""

from __future__ import annotations

import multiprocessing
import random
from collections import Counter
from collections.abc import Callable
from datetime import timedelta

from sqlalchemy import select, update

from auditor.errors import StoreError
from auditor.records import ALL_OTHERS, AuditState, Cell, Stage
from auditor.store import (
    Database,
    LostLeaseError,
    Session,
    StoredAudit,
    cancel_audit,
    claim_cell,
    expired_cells,
    finish_cell,
    get_audit,
    progress,
    ready_cells,
    retry_audit,
    save_interpretation,
    save_report,
)
from auditor.store.clock import database_now
from auditor.store.schema import cell, interpretation
from tests.auditor.store.samples import report, scores

PROCESSES = 3
TURNS = 30
MEASURES = 12
ALL_CELLS = (
    Cell("build/v", Stage.BUILD, variant="v"),
    *(
        Cell(f"measure/v/m{i}", Stage.MEASURE, needs="build/v", variant="v", methods=(f"m{i}",))
        for i in range(MEASURES)
    ),
    Cell("conclude", Stage.CONCLUDE, needs=ALL_OTHERS),
)
LOSING = {"build/v", "measure/v/m3", "measure/v/m7", "conclude"}
"""Cells whose first worker is thought dead while it computes."""

Results = multiprocessing.Queue  # of what each process saw


def _run(work: Callable[..., None], each: list[tuple[object, ...]]) -> list[object]:
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    children = [context.Process(target=work, args=(*arguments, results)) for arguments in each]
    for child in children:
        child.start()
    seen = [results.get(timeout=120) for _ in children]
    for child in children:
        child.join()
    return seen


def _work(url: str, audit_id: str, name: str, results: Results) -> None:  # type: ignore[type-arg]
    """Take whatever is ready, in an order of its own, until the audit is done."""
    database = Database(url)
    order = random.Random(name)
    finished: list[str] = []
    fenced: list[str] = []
    claims = 0
    while True:
        with database.transaction() as session:
            if get_audit(session, audit_id).state is AuditState.DONE:
                break
            messages = [key for _, key in ready_cells(session, audit_id)]
        order.shuffle(messages)
        for key in messages:
            claims += 1
            owner = f"{name}-{claims}"
            with database.transaction() as session:
                claimed = claim_cell(session, audit_id, key, owner=owner, lease_seconds=60)
            if claimed is None:
                continue
            if key in LOSING and claimed.attempt == 1:
                with database.transaction() as session:
                    _lose_lease(session, key)
            try:
                with database.transaction() as session:
                    _write(session, audit_id, claimed.cell)
                    finish_cell(session, audit_id, key, owner=owner)
                finished.append(key)
            except LostLeaseError:
                fenced.append(key)
    database.dispose()
    results.put((finished, fenced))


def _lose_lease(session: Session, key: str) -> None:
    past = database_now(session) - timedelta(seconds=1)
    session.execute(update(cell).where(cell.c.key == key).values(lease_until=past))
    expired_cells(session)


def _write(session: Session, audit_id: str, one: Cell) -> None:
    if one.stage is Stage.MEASURE:
        save_interpretation(session, audit_id, one.variant, one.methods[0], scores(one.methods[0]))
    elif one.stage is Stage.CONCLUDE:
        save_report(session, audit_id, report())


def test_processes_that_race_do_each_cell_once(
    database: Database, url: str, new_audit: Callable[..., StoredAudit]
) -> None:
    audit = new_audit(cells=ALL_CELLS)
    database.dispose()
    seen = _run(_work, [(url, audit.id, f"worker{number}") for number in range(PROCESSES)])
    assert Counter(key for finished, _ in seen for key in finished) == Counter(one.key for one in ALL_CELLS)
    assert Counter(key for _, fenced in seen for key in fenced) == Counter(LOSING)
    with database.transaction() as session:
        far = progress(session, audit.id)
        assert (far.audit.state, far.done, far.audit.cells_done) == (AuditState.DONE, len(ALL_CELLS), len(ALL_CELLS))
        assert len(session.execute(select(interpretation.c.method)).all()) == MEASURES


def _finish_what_is_ready(url: str, audit_id: str, results: Results) -> None:  # type: ignore[type-arg]
    database = Database(url)
    trouble: list[str] = []
    for turn in range(TURNS):
        try:
            with database.transaction() as session:
                ready = ready_cells(session, audit_id)[:1]
                taken = [claim_cell(session, *one, owner=f"{turn}", lease_seconds=60) for one in ready]
            for claimed in filter(None, taken):
                with database.transaction() as session:
                    _write(session, audit_id, claimed.cell)
                    finish_cell(session, audit_id, claimed.cell.key, owner=f"{turn}")
        except LostLeaseError:
            continue
        except StoreError as error:
            trouble.append(str(error))
    database.dispose()
    results.put(trouble)


def _cancel_and_retry(url: str, audit_id: str, results: Results) -> None:  # type: ignore[type-arg]
    database = Database(url)
    trouble: list[str] = []
    for _ in range(TURNS):
        try:
            with database.transaction() as session:
                cancel_audit(session, audit_id)
            with database.transaction() as session:
                expired_cells(session)
                retry_audit(session, audit_id)
        except StoreError as error:
            if "is done" not in str(error):
                trouble.append(str(error))
    database.dispose()
    results.put(trouble)


def test_cancelling_beside_workers_never_deadlocks(
    database: Database, url: str, new_audit: Callable[..., StoredAudit]
) -> None:
    audit = new_audit(
        cells=(*(Cell(f"m{i}", Stage.MEASURE, variant="v", methods=(f"m{i}",)) for i in range(2 * TURNS)),)
    )
    database.dispose()
    context = [(_finish_what_is_ready, (url, audit.id)), (_cancel_and_retry, (url, audit.id))]
    seen = _run(lambda work, arguments, results: work(*arguments, results), context)
    assert seen == [[], []]
    with database.transaction() as session:
        far = progress(session, audit.id)
        assert far.audit.cells_done == far.done == len(session.execute(select(interpretation.c.method)).all())
