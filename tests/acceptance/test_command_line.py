"""Whole audits through the real command line: in local processes, and through a broker with two workers."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import psutil
import pytest

from auditor.settings import Settings
from tests.acceptance import command_line
from tests.acceptance.command_line import SMALL_PLAN, document, run
from tests.acceptance.worker_process import eventually
from tests.planted import BROKER_PASSWORD, in_url
from tests.wen2023_files import checkpoint
from workers.broker import count_workers

BUNDLED = "zoo:dyck2x4-2layer-2head"
FEW = """
base = "quick"
methods = ["ablation_head_zero", "attention_pattern"]
equivalences = ["exact_head_permutation", "exact_value_output_gauge", "behavioural_fp16"]
sequences = 24
certificate_sequences = 600
behaviour_sequences = 100
longer_sequences = 8
bootstrap_draws = 1999
"""
TOLERANCE = 1e-9
"""Between two runs of the same operations on one machine: the last bits may differ between processes."""


@pytest.fixture
def plan(tmp_path: Path) -> str:
    """A plan of every method and equivalence, with few sequences and twins that hardly train."""
    file = tmp_path / "small.toml"
    file.write_text(SMALL_PLAN)
    return str(file)


@pytest.fixture
def local(tmp_path: Path) -> Settings:
    """No broker and no server: everything in a home of its own."""
    home = tmp_path / "local"
    return Settings(home, f"sqlite:///{home / 'audits.sqlite3'}", None)


@contextmanager
def _two_workers(settings: Settings) -> Iterator[None]:
    workers = [command_line.start(settings, "worker", "--concurrency", "1") for _ in range(2)]
    try:
        eventually(lambda: count_workers(settings.broker_url or "") == len(workers), "two workers answer")
        yield
    finally:
        for worker in workers:
            worker.terminate()
        for worker in workers:
            worker.communicate(timeout=60)


def _findings(report: dict[str, Any]) -> list[dict[str, Any]]:
    """With their ids, which are equal for equal audits."""
    return list(report["findings"])


def test_an_audit_finds_the_same_wherever_it_is_computed(
    local: Settings, broker_url: str, postgres_url: str, plan: str
) -> None:
    """Locally on SQLite, and through a broker with two workers on SQLite and on PostgreSQL."""
    reports = [document(local, "submit", BUNDLED, "--plan", plan, "--seed", "7", "--wait")]
    home = local.home.parent / "shared"
    for url in (f"sqlite:///{home / 'audits.sqlite3'}", postgres_url):
        shared = Settings(home, url, broker_url)
        run(shared, "db", "upgrade")
        with _two_workers(shared):
            reports.append(document(shared, "submit", BUNDLED, "--plan", plan, "--seed", "7", "--wait"))
    first = reports[0]
    assert first["schema"] == "dyck-audit/report/1"
    assert first["audit"]["state"] == "done"
    assert len(first["findings"]) > 0
    assert {one["verdict"] for one in first["findings"]} >= {"stable", "unstable"}
    for other in reports[1:]:
        assert other["audit"]["id"] != first["audit"]["id"]
        assert other["audit"]["weights_sha256"] == first["audit"]["weights_sha256"]
        assert _alike(_findings(first), _findings(other))
        assert _alike(first["behaviour"], other["behaviour"])
        assert _alike(first["interpretations"], other["interpretations"])


def test_a_second_audit_takes_the_twins_of_the_first_and_finds_the_same(local: Settings, plan: str) -> None:
    first, second = (document(local, "submit", BUNDLED, "--plan", plan, "--wait") for _ in range(2))
    twins = [[one["made_by"] for one in audit["variants"] if one["kind"] == "behavioural"] for audit in (first, second)]
    with_weights = [one["weights_sha256"] is not None for one in first["variants"] if one["kind"] == "behavioural"]
    assert any(with_weights)
    assert not any(twins[0])
    assert twins[1] == [first["audit"]["id"] if exists else None for exists in with_weights]
    assert _alike(_findings(first), _findings(second))


def test_a_published_checkpoint_through_a_broker(local: Settings, broker_url: str, plan: str) -> None:
    shared = replace(local, broker_url=broker_url)
    run(shared, "db", "upgrade")
    file = checkpoint("example_baseline_seed0")
    with _two_workers(shared):
        queued = document(shared, "submit", str(file), "--config", str(file.with_suffix(".yaml")), "--plan", plan)
        audit_id = queued["audits"][0]["id"]
        run(shared, "watch", audit_id)
    report = json.loads(run(shared, "report", audit_id, "--format", "json").stdout)
    assert report["audit"]["state"] == "done"
    assert report["model"]["format"] == "wen2023"
    assert {one["name"] for one in report["not_applicable"]}, "one head without an output map: some moves do not exist"


def test_an_interrupted_command_leaves_nothing_running_and_the_audit_goes_on(local: Settings, plan: str) -> None:
    command = command_line.start(local, "submit", BUNDLED, "--plan", plan, "--wait", "--json")
    children: list[psutil.Process] = []

    def computes() -> bool:
        children[:] = psutil.Process(command.pid).children(recursive=True)
        log = local.home / "logs" / "worker.log"
        return log.exists() and " done in " in log.read_text()

    eventually(computes, "the first cell is done")
    command.send_signal(signal.SIGINT)
    _, said = command.communicate(timeout=60)
    assert command.returncode == 130
    assert "Traceback" not in said
    _all_gone(children)
    audit_id = document(local, "history")["audits"][0]["id"]
    run(local, "watch", audit_id)
    assert document(local, "show", audit_id)["audit"]["state"] == "done"


def test_a_killed_command_takes_its_processes_with_it_and_goes_on_when_it_is_typed_again(
    local: Settings, tmp_path: Path
) -> None:
    plan = tmp_path / "few.toml"
    plan.write_text(FEW)
    typed = ("submit", BUNDLED, "--plan", str(plan), "--wait", "--json")
    command = command_line.start(local, *typed)
    children: list[psutil.Process] = []

    def is_in_the_middle() -> bool:
        children[:] = psutil.Process(command.pid).children(recursive=True)
        log = local.home / "logs" / "worker.log"
        return log.exists() and log.read_text().count(" done in ") >= 2

    eventually(is_in_the_middle, "two cells are done")
    os.kill(command.pid, signal.SIGKILL)
    command.communicate(timeout=60)
    _all_gone(children)
    (before,) = document(local, "history")["audits"]
    assert (before["state"], before["cells_done"] >= 2) == ("running", True)
    again = json.loads(run(local, *typed).stdout)
    assert again["audit"]["id"] == before["id"]
    undisturbed = json.loads(run(local, *typed).stdout)
    assert undisturbed["audit"]["id"] != before["id"]
    assert again["findings"] == undisturbed["findings"]
    assert len(again["findings"]) > 0


@pytest.mark.soak
def test_two_commands_that_submit_one_model_at_once_find_the_same(local: Settings, tmp_path: Path) -> None:
    plan = tmp_path / "few.toml"
    plan.write_text(FEW)
    typed = ("submit", BUNDLED, "--plan", str(plan), "--wait", "--json")
    commands = [command_line.start(local, *typed) for _ in range(2)]
    first, second = (json.loads(command.communicate(timeout=300)[0]) for command in commands)
    assert [command.returncode for command in commands] == [0, 0]
    assert first["findings"] == second["findings"]
    assert len(first["findings"]) > 0


def test_a_broker_that_is_down_is_one_line_and_nothing_is_stored(local: Settings, plan: str) -> None:
    down = replace(local, broker_url=f"redis://:{in_url(BROKER_PASSWORD)}@127.0.0.1:1/0")
    ended = run(down, "submit", BUNDLED, "--plan", plan, expect=1)
    assert len(ended.stderr.strip().splitlines()) == 1
    assert "127.0.0.1:1" in ended.stderr
    run(local, "db", "upgrade")
    assert document(local, "history")["audits"] == []


def test_a_worker_whose_broker_is_down_reports_it(local: Settings) -> None:
    ended = run(replace(local, broker_url="redis://127.0.0.1:1/0"), "worker", expect=1)
    assert "does not answer" in ended.stderr


def test_workers_refuse_a_database_of_another_version(local: Settings, broker_url: str) -> None:
    run(local, "db", "upgrade")
    with closing(sqlite3.connect(local.home / "audits.sqlite3")) as database, database:
        database.execute("UPDATE alembic_version SET version_num = '20200101_older'")
    for settings in (local, replace(local, broker_url=broker_url)):
        ended = run(settings, "worker", expect=1)
        assert "dyck-audit db upgrade" in ended.stderr


def _all_gone(processes: list[psutil.Process]) -> None:
    assert processes
    _, alive = psutil.wait_procs(processes, timeout=5)
    assert not alive


def _alike(one: Any, other: Any) -> bool:
    """Equal, with numbers equal up to rounding."""
    if isinstance(one, dict):
        return isinstance(other, dict) and one.keys() == other.keys() and all(_alike(one[k], other[k]) for k in one)
    if isinstance(one, list):
        return isinstance(other, list) and len(one) == len(other) and all(map(_alike, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return other == pytest.approx(one, rel=TOLERANCE, abs=TOLERANCE)
    return json.dumps(one) == json.dumps(other)


def test_an_audit_of_ones_own_strings(local: Settings, tmp_path: Path) -> None:
    """A file of 340 strings in the format of Yao et al., a local worker that reads them from the database."""
    words = [f"({a} ({b} ({c} {c}) {b}) {a}) " for a, b, c in product("ab", repeat=3)]
    file, plan = tmp_path / "test.txt", tmp_path / "few.toml"
    texts = ["".join(one) + "END" for n in (1, 2, 3) for one in product(words, repeat=n)]
    file.write_text("\n".join(texts[:340]))
    plan.write_text(SMALL_PLAN + 'methods = ["ablation_head_mean"]\nequivalences = ["exact_head_permutation"]\n')
    report = document(local, "submit", BUNDLED, "--plan", str(plan), "--strings", str(file), "--wait")
    assert report["audit"]["strings"]["format"] == "princeton"
    assert report["audit"]["strings"]["distinct"] == 340
    assert len(report["findings"]) > 0
    few = run(local, "submit", BUNDLED, "--strings", str(file), expect=1)
    assert "test.txt: 340 distinct strings; expected at least 2,666 for the plan quick" in few.stderr
