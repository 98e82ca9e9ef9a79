"""What a cell may take: time and memory, each with one clear reason where it is over."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

import numpy as np
import pytest
import torch

from auditor.errors import ConfigurationError
from auditor.store import Database, StoredAudit, load_missing
from tests.workers import standins
from workers import cells, tasks
from workers.app import HARD_EXTRA_SECONDS, create_app
from workers.limits import explained, limit_memory, limit_time

ON_LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the limit is the kernel's")

LARGE = 2**33  # bytes: never touched


def _in_a_child(check: Callable[[], bool]) -> bool:
    """Whether a check holds in a forked process, whose limits end with it."""
    child = os.fork()
    if child == 0:
        outcome = 1
        try:
            outcome = 0 if check() else 1
        finally:
            os._exit(outcome)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def _allocate(how: str) -> object:
    if how == "torch":
        return torch.empty(LARGE, dtype=torch.uint8)
    return np.empty(LARGE, dtype=np.uint8) if how == "numpy" else bytearray(LARGE)


@ON_LINUX
@pytest.mark.parametrize("how", ["torch", "numpy", "python"])
def test_an_allocation_beyond_the_limit_fails_with_one_clear_reason(how: str) -> None:
    def refused() -> bool:
        limit_memory(4096)
        try:
            _allocate(how)
        except (MemoryError, RuntimeError) as error:
            return "more memory than the limit of 4096 MiB" in str(explained(error))
        return False

    assert _in_a_child(refused)


@ON_LINUX
def test_a_cell_over_the_limit_is_set_aside_at_once_and_the_process_goes_on(
    database: Database, audit: StoredAudit, monkeypatch: pytest.MonkeyPatch
) -> None:
    def goes_on() -> bool:
        database.dispose(close=False)
        limit_memory(4096)
        standins.install()
        monkeypatch.setattr(cells, "evaluate", lambda *_: _allocate("torch"))
        monkeypatch.setattr(tasks, "process_database", lambda: database)
        sent: list[tuple[str, str]] = []
        monkeypatch.setattr(tasks, "send", lambda _database, _app, ready: sent.extend(ready))
        for key in ("behaviour", "measure/original"):
            tasks.run_cell(audit.id, key)
        with database.transaction() as session:
            (lost,) = load_missing(session, audit.id)
        return lost.cell == "behaviour" and "--memory-limit" in lost.why and sent == []

    assert _in_a_child(goes_on)


def test_without_a_limit_an_error_stays_as_it_is() -> None:
    error = MemoryError("much")
    assert explained(error) is error


def test_a_limit_that_no_worker_could_live_with_is_refused() -> None:
    with pytest.raises(ConfigurationError):
        limit_memory(16)


def test_a_message_is_not_delivered_again_before_the_hard_limit() -> None:
    app = create_app(None)
    limit_time(app, 60)
    conf = app.conf
    assert (conf.task_soft_time_limit, conf.task_time_limit) == (60, 60 + HARD_EXTRA_SECONDS)
    assert conf.broker_transport_options["visibility_timeout"] > conf.task_time_limit
