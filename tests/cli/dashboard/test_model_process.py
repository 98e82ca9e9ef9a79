"""The process for models: answers, errors of ours, defects, its end, its time limit, and requests that wait."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator

import pytest

from auditor.errors import AuditorError, PlanError
from cli.dashboard.model_process import WAITING, ChildProcess
from cli.dashboard.refusal import Refusal

pytestmark = pytest.mark.slow


def add(first: int, second: int) -> int:
    return first + second


def refuse() -> None:
    raise PlanError("no plan", expected="one", action="make one")


def defect() -> None:
    raise KeyError("ours")


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def sleep(seconds: float) -> int:
    time.sleep(seconds)
    return os.getpid()


@pytest.fixture
def child() -> Iterator[ChildProcess]:
    process = ChildProcess()
    yield process
    process.close()


def test_answers_errors_and_what_comes_after_a_death(child: ChildProcess) -> None:
    assert child.run(add, 2, second=3) == 5
    with pytest.raises(PlanError) as refused:
        child.run(refuse)
    assert (refused.value.found, refused.value.expected, refused.value.action) == ("no plan", "one", "make one")
    with pytest.raises(RuntimeError, match=r"KeyError in defect"):
        child.run(defect)
    first = child.run(os.getpid)
    with pytest.raises(AuditorError, match="process that reads models ended"):
        child.run(die)
    assert child.run(os.getpid) not in (first, os.getpid())


def test_a_time_limit() -> None:
    limited = ChildProcess(limit_seconds=0.5)
    try:
        limited.start()
        with pytest.raises(AuditorError, match="over 0 s"):
            limited.run(sleep, 60.0)
    finally:
        limited.close()


def test_only_so_many_wait(child: ChildProcess) -> None:
    child.start()
    waiting = [threading.Thread(target=lambda: child.run(sleep, 1.0)) for _ in range(WAITING)]
    for one in waiting:
        one.start()
    with pytest.raises(Refusal, match="too many"):
        child.run(add, 1, 1)
    for one in waiting:
        one.join()
    assert child.run(add, 1, 1) == 2
