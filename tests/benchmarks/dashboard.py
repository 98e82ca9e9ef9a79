"""Milliseconds of every page of the dashboard over a large store: ``python -m tests.benchmarks.dashboard``.

Fills 10,000 audits with 1,000,000 findings in SQLite (some minutes, 4 GB of disk) and asks each page in this process;
two numbers make it smaller: ``python -m tests.benchmarks.dashboard 100 10000``. Processor time, first and again.
"""

from __future__ import annotations

import re
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from fastapi.testclient import TestClient

from auditor.settings import read_settings
from auditor.store import AuditFilter, create_audit, list_audits, save_report
from cli.dashboard.application import create_app
from cli.dashboard.computing import Computing
from cli.dashboard.model_process import SameProcess
from cli.dashboard.services import Services
from cli.dashboard.uploads import upload_folder
from tests.auditor.report.hostile import large_report
from tests.auditor.store.samples import CELLS
from tests.benchmarks.lists import AUDITS, FINDINGS, filled
from tests.large_store import EQUIVALENCES, METHODS

MOST = 300
"""Milliseconds that a page may take on the server."""

REPEATS = 3


def main() -> None:
    """Print the table."""
    audits, findings = (int(text) for text in sys.argv[1:3]) if len(sys.argv) > 2 else (AUDITS, FINDINGS)
    with _asked(audits, findings) as client:
        sys.stdout.write(f"{'ms':90}{'first':>8}{'again':>8}\n")
        for name, path in pages(client).items():
            first, *again = (_milliseconds(client, path) for _ in range(1 + REPEATS))
            missed = "" if min(again) <= MOST else f"   goal {MOST}: MISSED"
            sys.stdout.write(f"{name:90}{first:8.0f}{min(again):8.0f}{missed}\n")


def pages(client: TestClient) -> Mapping[str, str]:
    """The address of every kind of page, by what is asked."""
    audit = client.get("/audits/latest").url.path
    model = _link(client, "/models", r'href="(/models/m[^"]+)"')
    findings = f"/findings?audit={audit.rsplit('/', maxsplit=1)[1]}"
    second = _link(client, audit, r'<option value="([^"]+)"')
    fixed = [
        "/",
        "/?verdict=unstable&sort=model",
        "/?state=failed&sort=finished",
        "/findings",
        "/findings?verdict=unstable&sort=effect",
        f"/findings?method={METHODS[-1]}&equivalence={EQUIVALENCES[-1]}&verdict=inconclusive",
        "/findings?layer=2&head=3&min_effect=2",
        "/models",
        "/upload",
    ]
    return {path: path for path in fixed} | {
        "the next page of the audits": _link(client, "/", r'rel="next" href="([^"]+)"'),
        "the next page of the findings": _link(client, "/findings", r'rel="next" href="([^"]+)"'),
        "the findings of one audit": findings,
        "a model": model,
        "an audit": audit,
        "its report, 2,000 findings": f"{audit}/report",
        "a finding": _link(client, findings, r'href="(/findings/[^"?]+)"'),
        "a comparison": f"/diff?first={audit.rsplit('/', maxsplit=1)[1]}&second={second}",
    }


def _link(client: TestClient, path: str, pattern: str) -> str:
    found = re.search(pattern, client.get(path).text)
    assert found is not None, f"{path} has no {pattern}"
    return found[1].replace("&amp;", "&")


def _milliseconds(client: TestClient, path: str) -> float:
    started = time.process_time()
    assert client.get(path).status_code == 200
    return 1000 * (time.process_time() - started)


@contextmanager
def _asked(audits: int, findings: int) -> Iterator[TestClient]:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        with filled(f"sqlite:///{home / 'store.sqlite3'}", audits=audits, findings=findings) as (database, made):
            with database.transaction() as session:
                given = {"plan": {}, "plan_name": "full", "cells": CELLS, "versions": {}}
                one = create_audit(session, model_id=made.models[0], seed=9, **given)  # type: ignore[arg-type]
                save_report(session, one.id, large_report())
                assert list_audits(session, AuditFilter(limit=1)).rows[0].id == one.id
            settings = read_settings({}, home=home)
            with upload_folder(home) as uploads:
                computing = Computing(settings, wanted=False)
                services = Services(settings, database, SameProcess(), uploads, computing)
                yield TestClient(create_app(services), base_url="http://127.0.0.1:8000")


if __name__ == "__main__":
    main()
