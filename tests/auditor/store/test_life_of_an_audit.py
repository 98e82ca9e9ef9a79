"""Cells and audits as a state machine: whatever workers, sweepers and users do in whatever order, no state is without a
way out, no result is stored twice, and what came too late is refused.

The model beside the store knows for each cell who may end it. Hypothesis chooses the order of events.
"""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import func, select

from auditor.errors import StoreError
from auditor.records import ALL_OTHERS, AuditState, CellState, VariantState
from auditor.store import (
    MAX_ATTEMPTS,
    REPORTED,
    Database,
    LostLeaseError,
    Session,
    add_model,
    audits,
    cancel_audit,
    cells,
    claim_cell,
    create_audit,
    dispatch,
    expired_cells,
    extend_lease,
    fail_cell,
    finish_cell,
    get_audit,
    lifecycle,
    needs,
    ready_cells,
    release_cells,
    reports,
    retry_audit,
    save_behaviour,
    save_interpretation,
    save_report,
    save_variant,
    skip_dependents,
)
from auditor.store.clock import AHEAD_SECONDS, LONGEST_LEASE_SECONDS
from auditor.store.revisions import upgrade
from auditor.store.schema import cell, finding, interpretation
from tests.auditor.store.samples import BEHAVIOUR, CELLS, FINDINGS, PLAN, TWIN, VERSIONS, report, scores, twin

LEASE = 10.0
KEYS = [one.key for one in CELLS]
WORKERS = ("host/1/aaaa/", "host/1/bbbb/", "other/7/cccc/")  # the second is the first, restarted under the same name

FENCES = (
    "claim of a cell that is held",
    "claim of a cell of an audit that is over",
    "claim of a cell out of attempts",
    "heartbeat of who lost the cell",
    "results of who lost the cell",
    "failure of who lost the cell",
    "sweep after another one",
    "retry of an audit that is not over",
    "cancel of a finished audit",
)
"""What must have been refused at least once, or the test has tested nothing."""

refused: Counter[str] = Counter()


@dataclass(frozen=True)
class Held:
    """A claim as its worker holds it; it may have expired since."""

    key: str
    owner: str


class Life(RuleBasedStateMachine):
    """One audit, any number of workers and sweepers, and a user."""

    held = Bundle("held")
    database: Database
    numbers = count()

    @initialize()
    def begin(self) -> None:
        """A queued audit."""
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        for module in (audits, cells, dispatch, lifecycle, needs, reports):
            module.database_now = lambda _: self.now  # type: ignore[attr-defined]
        self.owners: dict[str, str] = {}  # who may end the cell
        self.leases: dict[str, datetime] = {}
        self.attempts: Counter[str] = Counter()
        self.stored: Counter[str] = Counter()  # how often results of a cell were taken
        with self.database.transaction() as session:
            model = add_model(
                session,
                name="m",
                format="native",
                source_sha256="0",
                architecture={},
                task={},
                weights=b"w",
                parameters=1,
            )
            self.audit = create_audit(
                session,
                model_id=model.id,
                plan=PLAN,
                plan_name="quick",
                seed=next(self.numbers),
                cells=CELLS,
                versions=VERSIONS,
            ).id

    @rule(target=held, choice=st.integers(0, 9), worker=st.sampled_from(WORKERS))
    def claim(self, choice: int, worker: str) -> Any:
        """A message arrives: the first time, twice, too early or too late; most often one that is expected."""
        before = self._states()
        expected = [key for key, state in before.items() if state in (CellState.READY, CellState.RUNNING)]
        among = expected if choice < 7 and expected else KEYS
        return self._claim(among[choice % len(among)], worker)

    @rule(target=held, one=held, worker=st.sampled_from(WORKERS))
    def claim_again(self, one: Held, worker: str) -> Any:
        """A message for the same cell arrives once more."""
        return self._claim(one.key, worker)

    def _claim(self, key: str, worker: str) -> Any:
        before = self._states()
        owner = f"{worker}{next(self.numbers)}"
        with self.database.transaction() as session:
            state = get_audit(session, self.audit).state
            found = claim_cell(session, self.audit, key, owner=owner, lease_seconds=LEASE)
        is_live = state in cells.LIVE
        has_expired = before[key] is CellState.RUNNING and self._is_over(self.leases[key])
        may = is_live and (before[key] is CellState.READY or (has_expired and self.attempts[key] < MAX_ATTEMPTS))
        assert (found is not None) == may
        if found is None:
            self._note_refused_claim(before[key], is_live=is_live, has_expired=has_expired)
            return multiple()
        self.owners[key], self.leases[key] = owner, self.now + timedelta(seconds=LEASE)
        self.attempts[key] += 1
        assert found.attempt == self.attempts[key]
        with self.database.transaction() as session:  # the message comes twice
            assert claim_cell(session, self.audit, key, owner=f"{owner}+", lease_seconds=LEASE) is None
        refused["claim of a cell that is held"] += 1
        return Held(key, owner)

    def _note_refused_claim(self, state: CellState, *, is_live: bool, has_expired: bool) -> None:
        if not is_live:
            refused["claim of a cell of an audit that is over"] += 1
        elif has_expired:
            refused["claim of a cell out of attempts"] += 1
        elif state is CellState.RUNNING:
            refused["claim of a cell that is held"] += 1

    @rule(one=held)
    def beat(self, one: Held) -> None:
        """A worker, alive or thawed, extends its lease."""
        with self.database.transaction() as session:
            kept = extend_lease(session, self.audit, one.key, owner=one.owner, lease_seconds=LEASE)
        assert kept == self._owns(one)
        if kept:
            self.leases[one.key] = self.now + timedelta(seconds=LEASE)
        else:
            refused["heartbeat of who lost the cell"] += 1

    @rule(one=held, is_certified=st.booleans())
    def finish(self, one: Held, is_certified: bool) -> None:
        """A worker writes its results and ends its cell; one that lost its lease writes nothing."""

        def end(session: Session) -> None:
            self._write(session, one.key, is_certified)
            finish_cell(session, self.audit, one.key, owner=one.owner)

        if self._ends(one, end, "results of who lost the cell"):
            self.stored[one.key] += 1

    @rule(one=held, is_final=st.booleans())
    def fail(self, one: Held, is_final: bool) -> None:
        """A worker notes an error."""

        def end(session: Session) -> None:
            fail_cell(session, self.audit, one.key, owner=one.owner, error="e", final=is_final)

        self._ends(one, end, "failure of who lost the cell")

    def _ends(self, one: Held, end: Callable[[Session], None], fence: str) -> bool:
        owned = self._owns(one)
        try:
            with self.database.transaction() as session:
                end(session)
        except LostLeaseError:
            assert not owned
            refused[fence] += 1
            return False
        assert owned
        del self.owners[one.key]
        return True

    @rule()
    def wait(self) -> None:
        """Some time passes."""
        self.now += timedelta(seconds=1)

    @rule(one=held)
    def wait_beyond_the_lease(self, one: Held) -> None:
        """A crash, a freeze, or a clock that jumps."""
        self.now = max(self.now, self.leases[one.key]) + timedelta(seconds=1)

    @rule()
    def set_the_clock_back(self) -> None:
        """By an hour: what was given for seconds must not hold for that hour."""
        self.now -= timedelta(hours=1)

    @rule(worker=st.sampled_from(WORKERS), rounds=st.integers(1, 4))
    def work_for_a_while(self, worker: str, rounds: int) -> None:
        """An honest worker does what is ready, and in further rounds what became ready by it."""
        for _ in range(rounds):
            self._work(worker)

    def _work(self, worker: str) -> None:
        with self.database.transaction() as session:
            waiting = ready_cells(session, self.audit)
        for _, key in waiting:
            owner = f"{worker}{next(self.numbers)}"
            with self.database.transaction() as session:
                claim_cell(session, self.audit, key, owner=owner, lease_seconds=LEASE)
                self._write(session, key, is_certified=True)
                finish_cell(session, self.audit, key, owner=owner)
            self.attempts[key] += 1
            self.stored[key] += 1

    @rule(key=st.sampled_from(KEYS[:3]))
    def kill_every_worker_of(self, key: str) -> None:
        """A cell that kills its worker, until no worker may claim it."""
        while self._states()[key] is CellState.READY or key in self.owners:
            with self.database.transaction() as session:
                taken = claim_cell(
                    session, self.audit, key, owner=f"{WORKERS[0]}{next(self.numbers)}", lease_seconds=LEASE
                )
            if taken is None and self.attempts[key] >= MAX_ATTEMPTS:
                refused["claim of a cell out of attempts"] += 1
                return
            if taken is None and key not in self.owners:  # its audit is over
                return
            if taken is None:
                self.now = self.leases[key] + timedelta(seconds=1)
                continue
            self.attempts[key] += 1
            self.owners[key], self.leases[key] = taken.owner, self.now + timedelta(seconds=LEASE)
            self.now += timedelta(seconds=2 * LEASE)

    @rule()
    def sweep_twice(self) -> None:
        """Two sweepers, one just after the other."""
        with self.database.transaction() as session:
            is_live = get_audit(session, self.audit).state in cells.LIVE
            expired_cells(session)
        lost = [key for key in self.owners if self._is_over(self.leases[key])] if is_live else []
        for key in lost:
            del self.owners[key]
        with self.database.transaction() as session:
            assert expired_cells(session) == []
        refused["sweep after another one"] += bool(lost)

    @rule(worker=st.sampled_from(WORKERS))
    def stop_worker(self, worker: str) -> None:
        """A worker is stopped and gives back what it holds: none of what others of its name hold, and no attempt."""
        mine = {key for key, owner in self.owners.items() if owner.startswith(worker)}
        with self.database.transaction() as session:
            assert {key for _, key in release_cells(session, owners=worker)} == mine
        for key in mine:
            del self.owners[key]
            self.attempts[key] -= 1

    @rule()
    def cancel(self) -> None:
        """The user stops the audit."""
        with self.database.transaction() as session:
            if get_audit(session, self.audit).state in REPORTED:
                with pytest.raises(StoreError):
                    cancel_audit(session, self.audit)
                refused["cancel of a finished audit"] += 1
                return
            cancel_audit(session, self.audit)
        self.owners.clear()

    @rule()
    def retry(self) -> None:
        """The user wants what is missing; an audit that is done or goes on refuses."""
        before = self._states()
        with self.database.transaction() as session:
            if get_audit(session, self.audit).state not in lifecycle.RETRIED:
                with pytest.raises(StoreError):
                    retry_audit(session, self.audit)
                refused["retry of an audit that is not over"] += 1
                return
            retry_audit(session, self.audit)
        for key, state in self._states().items():
            if state is not before[key] or state is CellState.READY:
                self.attempts[key] = 0
            if before[key] is CellState.DONE and state is not CellState.DONE:
                assert key == "conclude"
                self.stored[key] = 0

    @invariant()
    def what_the_store_says_agrees(self) -> None:
        """In one look at the store: counts, states, a way out, nothing twice."""
        with self.database.transaction(read_only=True) as session:
            audit = get_audit(session, self.audit)
            rows = session.execute(select(cell.c.key, cell.c.state).where(cell.c.audit_id == self.audit))
            states = {row.key: CellState(row.state) for row in rows}
            mine = select(func.count()).where(finding.c.audit_id == self.audit)
            findings = session.execute(mine).scalar_one()
            measured = select(func.count()).where(interpretation.c.audit_id == self.audit)
            interpretations = session.execute(measured).scalar_one()
        found = Counter(states.values())
        assert (audit.cells_done, audit.cells_failed) == (found[CellState.DONE], found[CellState.FAILED])
        assert {key for key, state in states.items() if state is CellState.RUNNING} == set(self.owners)
        self._ended_as_it_says(audit.state, states)
        self._has_a_way_out(audit.state, states)
        assert all(times <= 1 for times in self.stored.values())
        assert interpretations == sum(self.stored[key] for key in KEYS if key.startswith("measure/"))
        assert findings == len(FINDINGS) if audit.state in REPORTED else findings in (0, len(FINDINGS))

    def _ended_as_it_says(self, state: AuditState, states: dict[str, CellState]) -> None:
        others = {one for key, one in states.items() if key != "conclude"}
        if state is AuditState.DONE:
            assert set(states.values()) == {CellState.DONE}
        elif state is AuditState.INCOMPLETE:
            assert states["conclude"] is CellState.DONE
            assert CellState.FAILED in others <= set(needs.ENDED)
        elif state is AuditState.FAILED:
            assert states["conclude"] is CellState.FAILED

    def _has_a_way_out(self, state: AuditState, states: dict[str, CellState]) -> None:
        """A live audit has a cell that a worker or a sweep moves on; no cell waits for what has ended."""
        if state in cells.LIVE:
            assert {CellState.READY, CellState.RUNNING} & set(states.values())
        for one in CELLS:
            if states[one.key] is CellState.BLOCKED:
                assert states[str(one.needs)] in (CellState.FAILED, CellState.BLOCKED)
            if states[one.key] is CellState.WAITING and one.needs != ALL_OTHERS:
                assert states[str(one.needs)] not in needs.ENDED

    def teardown(self) -> None:
        """From wherever it is, an honest worker brings the audit to its end."""
        if not hasattr(self, "audit"):
            return
        self.now += timedelta(seconds=LONGEST_LEASE_SECONDS + 1)
        self.sweep_twice()
        with self.database.transaction() as session:
            if get_audit(session, self.audit).state in lifecycle.RETRIED:
                retry_audit(session, self.audit)
        for _ in range(3 * len(CELLS)):
            with self.database.transaction() as session:
                waiting = ready_cells(session, self.audit)
            for _, key in waiting:
                with self.database.transaction() as session:
                    claim_cell(session, self.audit, key, owner="honest", lease_seconds=LEASE)
                    self._write(session, key, is_certified=True)
                    finish_cell(session, self.audit, key, owner="honest")
        with self.database.transaction() as session:
            state = get_audit(session, self.audit).state
            if state is AuditState.INCOMPLETE:  # what failed before this end is left to a retry
                assert retry_audit(session, self.audit)
            else:
                assert state is AuditState.DONE

    def _write(self, session: Session, key: str, is_certified: bool) -> None:
        if key == "behaviour":
            save_behaviour(session, self.audit, BEHAVIOUR)
        elif key.startswith("build/"):
            state = VariantState.CERTIFIED if is_certified else VariantState.NOT_CERTIFIED
            save_variant(session, self.audit, twin(state=state))
            if not is_certified:
                skip_dependents(session, self.audit, key)
        elif key == "conclude":
            save_report(session, self.audit, report())
        else:
            _, variant, method = key.rsplit("/", 2) if TWIN in key else key.split("/")
            save_interpretation(session, self.audit, TWIN if TWIN in key else variant, method, scores(method))

    def _is_over(self, lease: datetime) -> bool:
        return not self.now <= lease <= self.now + timedelta(seconds=AHEAD_SECONDS)

    def _owns(self, one: Held) -> bool:
        return self.owners.get(one.key) == one.owner

    def _states(self) -> dict[str, CellState]:
        with self.database.transaction(read_only=True) as session:
            rows = session.execute(select(cell.c.key, cell.c.state).where(cell.c.audit_id == self.audit))
            return {row.key: CellState(row.state) for row in rows}


EXAMPLES = (30, 120, 480)
"""Lives that are tried, more of them until every fence was met: which ones hypothesis draws changes with the constants
that it finds in the code."""


def test_no_order_of_events_loses_or_doubles_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (audits, cells, dispatch, lifecycle, needs, reports):
        monkeypatch.setattr(module, "database_now", module.database_now)  # put back at the end
    memory = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(dir=memory if memory.is_dir() else None))
    url = f"sqlite:///{folder / 'store.sqlite3'}"
    upgrade(url)
    Life.database = Database(url)
    refused.clear()
    try:
        for examples in EXAMPLES:
            run_state_machine_as_test(
                Life,
                settings=settings(
                    max_examples=examples,
                    stateful_step_count=40,
                    deadline=None,
                    derandomize=True,
                    database=None,
                    suppress_health_check=list(HealthCheck),
                ),
            )
            if all(refused[fence] for fence in FENCES):
                break
    finally:
        Life.database.dispose()
        shutil.rmtree(folder)
    assert [fence for fence in FENCES if not refused[fence]] == [], dict(refused)
