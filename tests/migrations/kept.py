"""Databases as a release left them, for the releases to come: ``python -m tests.migrations.kept`` makes those of now.

One real audit of a tiny model with twins, one of the user's own strings, one that is queued, through the command
line and local workers; the same rows in SQLite and, copied, in PostgreSQL. ``facts.json`` is what must be read from
them later.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import tempfile
from contextlib import closing
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import func, insert, select

from auditor.checkpoints.native_file import save_native
from auditor.records import MeasuredRates, Rate, Rates
from auditor.settings import Settings
from auditor.store import (
    Database,
    Session,
    get_audit,
    get_blob,
    list_models,
    load_interpretations,
    load_report,
    save_calibration,
)
from auditor.store.clock import database_now
from auditor.store.revisions import head, upgrade
from auditor.store.schema import audit, baseline, metadata
from auditor.store.tokens import Scope, create_token
from tests.acceptance.command_line import document, run
from tests.embedded_postgres import EmbeddedPostgres, embedded_postgres
from tests.handmade import stack_model

FOLDER = Path(__file__).parents[1] / "data" / "databases"
SQLITE, POSTGRESQL, FACTS = "store.sqlite3", "store.sql", "facts.json"

PLAN = """
base = "quick"
sequences = 16
certificate_sequences = 60
behaviour_sequences = 40
longer_sequences = 4
twin_steps = 5
exact_variants = 1
bootstrap_draws = 2000
methods = ["ablation_head_mean", "attention_pattern"]
equivalences = ["exact_head_permutation", "exact_value_bias_shift", "behavioural_fp16"]
"""


def main() -> None:
    """Make the folder of the head revision anew."""
    place = FOLDER / head()
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as scratch, embedded_postgres() as server:
        file = _filled(Path(scratch))
        (place / FACTS).write_text(json.dumps(facts(f"sqlite:///{file}"), indent=1) + "\n")
        url = server.new_database()
        upgrade(url)
        _copy(file, url)
        (place / POSTGRESQL).write_text(_dump(server, url))
        shutil.copy(file, place / SQLITE)


def _filled(scratch: Path) -> Path:
    """A database with a row in every table."""
    file = scratch / "home" / SQLITE
    settings = Settings(file.parent, f"sqlite:///{file}", None)
    model, plan, strings = (scratch / name for name in ("tiny.safetensors", "kept.toml", "strings.txt"))
    save_native(stack_model(), model)
    plan.write_text(PLAN)
    strings.write_text("\n".join(_strings()))
    audited = document(settings, "submit", str(model), "--plan", str(plan), "--wait")
    run(settings, "submit", str(model), "--plan", str(plan), "--strings", str(strings), "--wait")
    run(settings, "submit", str(model), "--plan", str(plan), "--seed", "1")
    database = Database(settings.database_url)
    with database.transaction() as session:
        now = database_now(session)
        create_token(session, Scope.READ, name="kept")
        save_calibration(session, {"version": "kept"}, _rates())
        audit_id = audited["audit"]["id"]
        row = {"model_id": get_audit(session, audit_id).model_id, "audit_id": audit_id, "created_at": now}
        session.execute(insert(baseline).values(row))
    database.dispose()
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")  # one file, no log beside it
        connection.execute("VACUUM")
    return file


def _strings() -> list[str]:
    """Closed strings of two kinds of brackets, three deep, enough for the plan."""
    words = [f"({a} ({b} ({c} {c}) {b}) {a}) " for a, b, c in product("ab", repeat=3)]
    return ["".join(one) + "END" for number in (1, 2, 3) for one in product(words, repeat=number)]


def _rates() -> MeasuredRates:
    rate = Rate(1, 20, 0.05, (0.001, 0.249))
    rates = Rates(rate, rate, rate)
    return MeasuredRates("dyck-audit/calibration/1", {}, 20, rates, {"method": {"zero": rates}}, {}, (), True, 1.0)


def facts(url: str) -> dict[str, Any]:
    """What a database holds, through the functions that the commands use."""
    database = Database(url)
    try:
        with database.transaction(read_only=True) as session:
            models = list_models(session)
            audits = {one.id: one for one in (get_audit(session, row) for row in _audit_ids(session))}
            reports = {key: load_report(session, key) for key, one in audits.items() if one.state == "done"}
            scores = {key: load_interpretations(session, key).scores for key in reports}
            weights = {one.id: len(get_blob(session, one.weights_sha256)) for one in models}
            rows = {table.name: _count(session, table) for table in metadata.sorted_tables}
    finally:
        database.dispose()
    return {
        "models": {one.id: [one.name, one.weights_sha256, weights[one.id]] for one in models},
        "audits": {key: [one.plan_name, one.seed, str(one.state), one.headline] for key, one in audits.items()},
        "findings": {key: [[f.id, str(f.verdict), f.effect] for f in one.findings] for key, one in reports.items()},
        "scores": {
            key: {"/".join(place): _sum(one.values) for place, one in found.items()} for key, found in scores.items()
        },
        "rows": rows,
    }


def _audit_ids(session: Session) -> list[str]:
    return list(session.execute(select(audit.c.id).order_by(audit.c.created_at)).scalars())


def _count(session: Session, table: Any) -> int:
    number: int = session.execute(select(func.count()).select_from(table)).scalar_one()
    return number


def _sum(values: Any) -> float:
    return float(np.nansum(values))


def _copy(file: Path, url: str) -> None:
    """All rows, table by table, from SQLite to an empty migrated PostgreSQL database."""
    source, target = Database(f"sqlite:///{file}"), Database(url)
    with source.transaction(read_only=True) as reading, target.transaction() as writing:
        for table in metadata.sorted_tables:
            rows = [dict(row._mapping) for row in reading.execute(select(table))]
            if rows:
                writing.execute(insert(table), rows)
    source.dispose()
    target.dispose()


def _dump(server: EmbeddedPostgres, url: str) -> str:
    """The database as SQL text that a driver can run: plain INSERTs, no owner, no commands of psql."""
    command = [str(server.program("pg_dump")), "--inserts", "--no-owner", "--no-privileges", url]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    kept = [line for line in said.splitlines() if line and not line.startswith(("--", "\\"))]
    return "\n".join(kept) + "\n"


if __name__ == "__main__":
    main()
