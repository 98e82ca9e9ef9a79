"""A worker's state file: whole at every reading, of the right process, and honest about silence."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import psutil
import pytest

from auditor.errors import WorkerStateError
from workers import health
from workers.health import (
    SILENT_SECONDS,
    Beating,
    WorkerState,
    new_state,
    require_live,
    require_ready,
    worker_state,
    worker_states,
)


def _state(name: str = "one") -> WorkerState:
    return new_state(name, concurrency=2, version="1")


def _write(home: Path, state: WorkerState) -> None:
    (home / "workers").mkdir(exist_ok=True)
    (home / "workers" / f"{state.name}.json").write_text(json.dumps(asdict(state)))


def test_a_worker_lives_from_its_start_and_is_ready_once_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "BEAT_SECONDS", 0.01)
    beating = Beating(tmp_path, _state())
    assert "worker one lives" in require_live(worker_state(tmp_path))
    with pytest.raises(WorkerStateError, match="takes no work: it is starting"):
        require_ready(worker_state(tmp_path))
    beating.why_not = lambda: ""
    beating.start()
    until = time.monotonic() + 30
    while not worker_state(tmp_path).ready and time.monotonic() < until:
        time.sleep(0.01)
    assert "worker one is ready, 2 processes" in require_ready(worker_state(tmp_path, "one"))
    beating.stop()


def test_silence_is_no_life(tmp_path: Path) -> None:
    _write(tmp_path, replace(_state(), beat=time.time() - SILENT_SECONDS - 5, ready=True))
    for ask in (require_live, require_ready):
        with pytest.raises(WorkerStateError, match="last gave a sign 35 s ago"):
            ask(worker_state(tmp_path))


def test_a_process_that_is_gone_or_is_another_one_by_now(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "pass"]) as ended:
        pass
    for state in (replace(_state(), process=ended.pid), replace(_state(), process_started=12.0)):
        _write(tmp_path, state)
        with pytest.raises(WorkerStateError, match="has ended without a word"):
            require_live(worker_state(tmp_path))
    Beating(tmp_path, _state("two"))  # the next worker forgets it
    assert [state.name for state in worker_states(tmp_path)] == ["two"]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere the time of a start is that of the day")
def test_a_clock_that_is_set_makes_no_worker_look_dead_or_alive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _write(tmp_path, _state())
    monkeypatch.setattr("psutil._pslinux.boot_time", lambda: time.time() + 3600.0)  # what setting the clock moves
    assert "worker one lives" in require_live(worker_state(tmp_path))
    _write(tmp_path, replace(_state(), beat=time.time() + 3600.0))  # it has given no sign since
    with pytest.raises(WorkerStateError, match="last gave a sign 3600 s ago"):
        require_live(worker_state(tmp_path))


def test_another_machine_with_the_same_home_is_not_asked_about_its_processes(tmp_path: Path) -> None:
    _write(tmp_path, replace(_state("far"), machine="elsewhere"))
    Beating(tmp_path, _state("near"))
    assert {state.name for state in worker_states(tmp_path)} == {"far", "near"}
    assert worker_state(tmp_path).name == "near"
    with pytest.raises(WorkerStateError, match="runs on elsewhere"):
        require_live(worker_state(tmp_path, "far"))


def test_no_worker_several_workers_and_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(WorkerStateError, match="no worker runs"):
        worker_state(tmp_path)
    _write(tmp_path, _state("one"))
    for name, text in (("half", '{"name": "ha'), ("list", "[]"), ("other", '{"a": 1}')):
        (tmp_path / "workers" / f"{name}.json").write_text(text)
    assert worker_state(tmp_path).name == "one"
    _write(tmp_path, _state("two"))
    with pytest.raises(WorkerStateError, match="2 workers run here: one, two; name one with --hostname"):
        worker_state(tmp_path)
    with pytest.raises(WorkerStateError, match="no worker named three"):
        worker_state(tmp_path, "three")


@pytest.mark.parametrize("name", ["", "a b", "../a", "a/b", "-a", "a" * 64, "a\n"])
def test_a_name_that_is_no_file_name_is_refused(name: str) -> None:
    with pytest.raises(WorkerStateError, match="letters, digits"):
        new_state(name, concurrency=1, version="1")


def test_a_name_that_a_running_process_has_is_refused(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        started = health._started(psutil.Process(other.pid))
        _write(tmp_path, replace(_state(), process=other.pid, process_started=started))
        with pytest.raises(WorkerStateError, match=f"runs here already, process {other.pid}"):
            Beating(tmp_path, _state())
        other.kill()


@pytest.mark.skipif(os.name != "posix", reason="modes")
def test_a_home_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "workers").write_text("a file")
    with pytest.raises(WorkerStateError, match="--home"):
        Beating(tmp_path, _state())
