"""The service as a whole: submitting many models, two workers against one, and writers that share one SQLite file.

``python -m tests.benchmarks.service [AUDITS]`` takes minutes and prints a table with the load of the machine. It is not
part of ``make bench``: its numbers are times by the clock, which need two idle cores to be worth anything.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import chain
from pathlib import Path
from statistics import median

from sqlalchemy import func, select

from auditor import zoo
from auditor.errors import StoreError
from auditor.records import AuditState, Cell, Json, Stage
from auditor.settings import Settings
from auditor.store import (
    Database,
    Session,
    add_model,
    claim_cell,
    create_audit,
    finish_cell,
    open_database,
    save_interpretation,
)
from auditor.store.schema import audit, cell
from tests.acceptance.command_line import COMMAND
from tests.acceptance.worker_process import environment_of
from tests.auditor.store.samples import VERSIONS, scores
from workers.child_processes import kill, start
from workers.embedded_broker import embedded_broker
from workers.waiting import wait

BUNDLED = "dyck2x4-2layer-2head"
MODELS, AUDITS, BLOCKS = 200, 50, 5
WRITERS, WRITES = 4, 200

QUICK_WITHOUT_TRAINED_TWINS = """
base = "quick"
equivalences = ["exact_head_permutation", "exact_value_output_gauge", "behavioural_fp16"]
"""


def main(audits: int = AUDITS) -> None:
    """Print every line as soon as it is measured."""
    for line in chain(_writers(), _submitting(), _workers(audits)):
        sys.stdout.write(f"{line}   load {os.getloadavg()[0]:.1f}\n")
        sys.stdout.flush()


def _submitting() -> Iterator[str]:
    """One ``batch`` of a folder of models, queued on a broker without workers."""
    with _place() as (settings, folder):
        checkpoints = folder / "models"
        checkpoints.mkdir()
        original = zoo.path(BUNDLED).read_bytes()
        for number in range(MODELS):  # the last number of the last tensor makes each another model
            (checkpoints / f"{number:03}.safetensors").write_bytes(original[:-8] + bytes([number]) + original[-7:])
        _run(settings, "db", "upgrade")
        clock, processor = _run(settings, "batch", str(checkpoints))
        yield f"{MODELS} models submitted: {clock:.1f} s by the clock, {processor:.1f} s of processor time"


def _workers(audits: int) -> Iterator[str]:
    """The same batch by one worker process and by two, in turns, so that other load meets both alike."""
    with _place() as (settings, folder):
        plan = folder / "plan.toml"
        plan.write_text(QUICK_WITHOUT_TRAINED_TWINS)
        _run(settings, "db", "upgrade")
        took: dict[int, list[float]] = {1: [], 2: []}
        each = max(1, audits // BLOCKS)
        for block in range(BLOCKS):
            for processes in (1, 2) if block % 2 == 0 else (2, 1):
                took[processes].append(_batch(settings, str(plan), each, processes))
        one, two = sum(took[1]), sum(took[2])
        blocks = sorted(alone / both for alone, both in zip(took[1], took[2], strict=True))
        yield (
            f"{BLOCKS * each} audits: {one:.0f} s by one worker, {two:.0f} s by two, {one / two:.2f} times faster; "
            f"blocks from {blocks[0]:.2f} to {blocks[-1]:.2f}, median {median(blocks):.2f}"
        )


def _batch(settings: Settings, plan: str, audits: int, processes: int) -> float:
    """Seconds from the first claim of a cell of these audits until the last one ends."""
    database = Database(settings.database_url)
    before = _all_audits(database)
    _run(settings, "submit", *[f"zoo:{BUNDLED}"] * audits, "--plan", plan)
    mine = _all_audits(database) - before
    assert len(mine) == audits
    with ExitStack() as stack:
        for number in range(processes):
            stack.enter_context(_worker(settings, f"w{number}"))
        ended = wait(database, sorted(mine), poll_seconds=1.0)
    assert all(one.audit.state is AuditState.DONE for one in ended.values())
    with database.transaction(read_only=True) as session:
        span = select(func.min(cell.c.started_at), func.max(cell.c.finished_at)).where(cell.c.audit_id.in_(mine))
        first, last = session.execute(span).one()
    assert first is not None
    assert last is not None
    database.dispose()
    return float((last - first).total_seconds())


@contextmanager
def _worker(settings: Settings, name: str) -> Iterator[subprocess.Popen[bytes]]:
    command = [COMMAND, "worker", "--concurrency", "1", "--hostname", name]
    with (settings.home / f"{name}.log").open("ab") as log:
        process = start(command, environment=environment_of(settings), output=log.fileno())
    try:
        yield process
    finally:
        kill(process)


def _writers() -> Iterator[str]:
    """Processes that claim and end cells of audits of their own in one SQLite file, as workers do."""
    with _place() as (settings, _):
        database = open_database(settings.database_url, make_folder=True)
        with database.transaction() as session:
            facts: dict[str, Json] = {}
            model = add_model(
                session,
                name="m",
                format="native",
                source_sha256="0",
                architecture=facts,
                task=facts,
                weights=b"w",
                parameters=1,
            )
        database.dispose()
        with multiprocessing.get_context("spawn").Pool(WRITERS) as pool:
            found = pool.starmap(_write, [(settings.database_url, model.id, number) for number in range(WRITERS)])
        took = max(end for _, end, _, _ in found) - min(begin for begin, _, _, _ in found)
        errors = [error for *_, some in found for error in some]
        number = 2 * WRITERS * WRITES
        yield (
            f"{WRITERS} writers of SQLite, {number} transactions: {number / took:.0f} a second, longest "
            f"{max(longest for _, _, longest, _ in found):.2f} s, {len(errors)} errors {sorted(set(errors))}"
        )


def _write(url: str, model_id: str, writer: int) -> tuple[float, float, float, list[str]]:
    """When one writer began and ended, its longest transaction, and its errors."""
    database, longest, errors = Database(url), 0.0, list[str]()
    cells = [
        Cell(f"measure/{number}", Stage.MEASURE, variant=f"v/{number}", methods=("zero",)) for number in range(WRITES)
    ]
    with database.transaction() as session:
        made = create_audit(
            session,
            model_id=model_id,
            plan={"name": "quick"},
            plan_name="quick",
            seed=writer,
            cells=cells,
            versions=VERSIONS,
        )
    begin = time.monotonic()
    for one in cells:
        for step in (_claim, _finish):
            began = time.monotonic()
            try:
                with database.transaction() as session:
                    step(session, made.id, one)
            except StoreError as error:
                errors.append(str(error))
            longest = max(longest, time.monotonic() - began)
    database.dispose()
    return begin, time.monotonic(), longest, errors


def _claim(session: Session, audit_id: str, one: Cell) -> None:
    assert claim_cell(session, audit_id, one.key, owner="me", lease_seconds=60.0) is not None


def _finish(session: Session, audit_id: str, one: Cell) -> None:
    save_interpretation(session, audit_id, one.variant, "zero", scores("zero"))
    finish_cell(session, audit_id, one.key, owner="me")


@contextmanager
def _place() -> Iterator[tuple[Settings, Path]]:
    """Settings with a broker and a home of their own, and a folder; all is removed at the end."""
    with tempfile.TemporaryDirectory() as folder, embedded_broker() as broker:
        home = Path(folder) / "home"
        yield Settings(home, f"sqlite:///{home / 'audits.sqlite3'}", broker.url), Path(folder)


def _all_audits(database: Database) -> set[str]:
    with database.transaction(read_only=True) as session:
        return set(session.execute(select(audit.c.id)).scalars())


def _run(settings: Settings, *arguments: str) -> tuple[float, float]:
    """Run a command; its seconds by the clock, and of processor time."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run([COMMAND, *arguments], env=environment_of(settings), stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.monotonic() - began, used


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
