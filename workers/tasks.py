"""The one Celery task: two ids in, nothing out. And what a worker process does before its first one."""

from __future__ import annotations

import logging
from functools import cache
from typing import Any

import torch
from celery.exceptions import SoftTimeLimitExceeded
from celery.signals import worker_process_init

from auditor.errors import AuditorError, BrokerError, StoreError
from auditor.settings import read_settings
from auditor.store import Database
from workers.app import LOST_WORKER_RETRIES, RUN_CELL, app
from workers.cells import execute, record_failure
from workers.log_context import bound
from workers.owners import new_owner
from workers.scheduling import send

_log = logging.getLogger(__name__)


@app.task(name=RUN_CELL, max_retries=LOST_WORKER_RETRIES, default_retry_delay=1)  # type: ignore[untyped-decorator]
def run_cell(audit_id: str, key: str) -> None:
    """Do a cell and send those it made ready. Whatever goes wrong is written on the cell."""
    with bound(audit=audit_id, cell=key):
        _run(audit_id, key)


def _run(audit_id: str, key: str) -> None:
    database, owner = process_database(), new_owner()
    try:
        database.check_revision()
    except StoreError as refused:  # nothing is claimed: the cell stays ready for a worker that can use the database
        _log.error("cell not begun: %s", refused)
        return
    try:
        ready = execute(database, audit_id, key, owner=owner)
    except SoftTimeLimitExceeded:
        over = AuditorError(
            f"longer than the limit of {app.conf.task_soft_time_limit:g} s",
            action="use a smaller plan, or start workers with a larger --time-limit",
        )
        ready = record_failure(database, audit_id, key, owner=owner, error=over, final=True)
    except Exception as error:  # noqa: BLE001 - the task door: one cell's defect must not be another's
        ready = record_failure(database, audit_id, key, owner=owner, error=error)
    try:
        send(database, app, ready)
    except BrokerError as away:  # they stay ready in the database; a sweep sends them
        _log.warning("%s", away)


@cache
def process_database() -> Database:
    """This process's own database. Made at the first task, so never shared with the process it was forked from."""
    return Database(read_settings().database_url)


@worker_process_init.connect  # type: ignore[untyped-decorator]
def prepare_process(**_: Any) -> None:
    """One thread per process: with more, a forked child hangs at its first parallel operation (pytorch 17199)."""
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    if process_database.cache_info().currsize:
        process_database().dispose(close=False)
