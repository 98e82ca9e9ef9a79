"""submit, batch, watch, cancel, retry: what is stored and queued, and what is refused before anything is.

The store, the intake and the submission are real. Where audits are followed, the computing is replaced:
``conclude_all`` stores a report for each audit as workers would.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from auditor.errors import BrokerError
from auditor.settings import Settings
from auditor.store.audits import get_audit
from auditor.store.cells import claim_cell, fail_cell
from auditor.store.lifecycle import Progress, cancel_audit, progress
from auditor.store.reports import save_report
from auditor.store.session import Database
from cli import following, watch
from cli import submit as submitting
from cli.output import Output
from tests.auditor.report.samples import sample_report
from tests.cli.conftest import Ids, Run
from tests.wen2023_files import checkpoint
from workers.options import WorkerOptions

pytestmark = pytest.mark.slow

FIRST, SECOND = checkpoint("example_baseline_seed0"), checkpoint("balance_acc_baseline_seed0")
BUNDLED = "dyck2x4-2layer-2head"
DEAD_BROKER = "redis://127.0.0.1:1/0"


def conclude_all(
    database: Database, settings: Settings, audit_ids: Sequence[str], output: Output, workers: object = None
) -> dict[str, Progress]:
    """Every audit gets a report, but one with seed 13 is cancelled, and in one with seed 14 a cell has failed."""
    found = {}
    for audit_id in audit_ids:
        with database.transaction() as session:
            if get_audit(session, audit_id).seed == 13:
                cancel_audit(session, audit_id)
            else:
                if get_audit(session, audit_id).seed == 14:
                    claim_cell(session, audit_id, "behaviour", owner="o", lease_seconds=60)
                    fail_cell(session, audit_id, "behaviour", owner="o", error="no memory", final=True)
                save_report(session, audit_id, sample_report())
            found[audit_id] = progress(session, audit_id)
    return found


@pytest.fixture
def _computed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submitting, "follow", conclude_all)
    monkeypatch.setattr(watch, "follow", conclude_all)
    monkeypatch.setattr("cli.batch.follow", conclude_all)
    monkeypatch.setattr("cli.demo.follow", conclude_all)
    for command in ("submit", "demo"):
        monkeypatch.setattr(f"cli.{command}.workers_here", lambda *_, **__: nullcontext())


def history(run: Run) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = run("history", "--json").document["audits"]
    return found


def test_submit_stores_and_queues_and_prints_one_id_per_line(run: Run) -> None:
    made = run("submit", FIRST, BUNDLED, "--seed", 5)
    assert made.code == 0
    queued = {audit["id"]: audit for audit in history(run)}
    assert made.stdout.split() == list(reversed(queued))
    assert {audit["model_name"] for audit in queued.values()} == {"example_baseline_seed0", BUNDLED}
    assert {(a["state"], a["plan_name"], a["seed"]) for a in queued.values()} == {("queued", "quick", 5)}
    assert all(audit["cells_total"] > 10 for audit in queued.values())
    assert "dyck-audit watch" in made.stderr


def test_a_new_name_for_weights_that_are_stored_is_not_dropped_in_silence(run: Run) -> None:
    run("submit", f"zoo:{BUNDLED}", "--name", "first")
    again = run("submit", f"zoo:{BUNDLED}", "--name", "second")
    assert "keep their name first" in again.stderr
    assert {audit["model_name"] for audit in history(run)} == {"first"}


def test_submit_as_json_names_audit_model_and_state(run: Run) -> None:
    (made,) = run("submit", f"zoo:{BUNDLED}", "--name", "mine", "--json").document["audits"]
    (audit,) = history(run)
    assert made == {"id": audit["id"], "model": audit["model_id"], "state": "queued"}
    assert audit["model_name"] == "mine"


def test_submitting_again_is_another_audit_of_the_same_model(run: Run) -> None:
    run("submit", BUNDLED)
    run("submit", BUNDLED)
    first, second = history(run)
    assert first["id"] != second["id"]
    assert first["model_id"] == second["model_id"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nothing.pt"], "no file and no bundled model 'nothing.pt'"),
        (["zoo:nothing"], "models zoo"),
        ([BUNDLED, "nothing.pt"], "nothing.pt"),
        ([BUNDLED, "--plan", "enormous"], "unknown plan 'enormous'"),
        ([FIRST, "--config", "nothing.yaml"], "nothing.yaml"),
        ([FIRST, "--format", "native"], "expected"),
        ([FIRST, "--format", "onnx"], "unknown format"),
        ([BUNDLED, "--broker-url", DEAD_BROKER], "does not answer"),
        ([BUNDLED, "--broker-url", "amqp://x"], "redis://"),
    ],
    ids=lambda value: " ".join(str(v).split("/")[-1] for v in value) if isinstance(value, list) else "",
)
def test_what_is_refused_leaves_nothing_half_stored(run: Run, arguments: list[object], said: str) -> None:
    refused = run("submit", *arguments)
    assert (refused.code, refused.stdout) == (1, "")
    assert said in refused.refusal
    assert history(run) == []
    assert run("models", "list", "--json").document == {"models": []}


@pytest.mark.usefixtures("_computed")
def test_wait_shows_one_report_and_a_table_of_several(run: Run) -> None:
    one = run("submit", BUNDLED, "--wait")
    assert one.code == 0
    assert sample_report().summary.headline.split(":")[0] in one.stdout
    several = run("submit", BUNDLED, FIRST, "--wait")
    assert [line.split()[3] for line in several.stdout.splitlines()[1:]] == ["done", "done"]


@pytest.mark.usefixtures("_computed")
def test_wait_with_json_is_one_report_or_a_list_of_them(run: Run) -> None:
    one = run("submit", BUNDLED, "--wait", "--json").document
    assert one["schema"] == "dyck-audit/report/1"
    several = run("submit", BUNDLED, FIRST, "--wait", "--json").document
    assert [report["schema"] for report in several] == ["dyck-audit/report/1"] * 2


@pytest.mark.usefixtures("_computed")
def test_an_audit_without_a_report_fails_the_command(run: Run) -> None:
    ended = run("submit", BUNDLED, "--wait", "--json", "--seed", 13)
    assert (ended.code, ended.stdout) == (1, "")
    assert "dyck-audit retry" in ended.refusal


def manifest(folder: Path) -> Path:
    file = folder / "m.toml"
    file.write_text(
        f'[[audit]]\ncheckpoint = "{BUNDLED}"\n[[audit]]\ncheckpoint = "{SECOND}"\nname = "balance"\nseed = 2\n'
        '[[audit]]\ncheckpoint = "nothing.pt"\n[[audit]]\ncheckpoint = "x"\ncolour = 1\n'
    )
    return file


def test_a_batch_goes_on_after_a_bad_entry_and_is_safe_to_run_again(run: Run, tmp_path: Path) -> None:
    first = run("batch", manifest(tmp_path), "--json")
    assert first.code == 1
    assert [entry["status"] for entry in first.document["entries"]] == ["submitted", "submitted", "failed", "failed"]
    assert "unknown field 'colour'" in first.document["entries"][3]["result"]
    assert "2 of 4 failed, first audit 3" in first.refusal
    again = run("batch", manifest(tmp_path), "--json").document
    assert again["summary"] == {"submitted": 0, "already there": 2, "failed": 2}
    assert [e["audit"] for e in again["entries"]] == [e["audit"] for e in first.document["entries"]]
    assert {(a["model_name"], a["seed"]) for a in history(run)} == {(BUNDLED, 0), ("balance", 2)}


@pytest.mark.usefixtures("_computed")
def test_a_batch_that_waits_ends_with_verdicts(run: Run, tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text(f"checkpoint,seed\n{BUNDLED},1\n{BUNDLED},2\n")
    ended = run("batch", tmp_path / "m.csv", "--wait")
    assert ended.code == 0
    assert ended.stdout.count("unstable") == 2
    assert ended.stdout.splitlines()[-1] == "2 submitted, 0 already there, 0 failed"


@pytest.mark.usefixtures("_computed")
def test_a_batch_fails_with_the_audit_that_has_no_report(run: Run, tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text(f"checkpoint,seed\n{BUNDLED},1\n{BUNDLED},13\n")
    ended = run("batch", tmp_path / "m.csv", "--wait", "--json")
    assert ended.code == 1
    assert [(e["status"], e["state"]) for e in ended.document["entries"]] == [
        ("submitted", "done"),
        ("failed", "cancelled"),
    ]


@pytest.mark.usefixtures("_computed")
def test_a_batch_names_failures_first_and_tries_again_what_failed(run: Run, tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text(f"checkpoint,seed\n{BUNDLED},1\n{BUNDLED},14\n")
    ended = run("batch", tmp_path / "m.csv", "--wait")
    assert ended.code == 1
    first, second = ended.stdout.splitlines()[1:3]
    assert "incomplete" in first
    assert "behaviour: no memory" in first
    assert "unstable" in second
    assert "dyck-audit retry" in ended.stderr
    again = run("batch", tmp_path / "m.csv", "--json").document
    assert [(e["status"], e["state"]) for e in again["entries"]] == [
        ("already there", "done"),
        ("tried again", "queued"),
    ]
    assert again["summary"] == {"submitted": 0, "already there": 1, "tried again": 1, "failed": 0}


@pytest.mark.usefixtures("_computed")
def test_an_audit_with_failures_is_shown_with_its_report_and_what_to_type(run: Run) -> None:
    shown = run("submit", BUNDLED, "--seed", 14, "--wait")
    assert shown.code == 1
    assert "finished with failures (1 of" in shown.stderr
    assert "dyck-audit retry" in shown.stderr
    (audit,) = run("history", "--state", "incomplete", "--json").document["audits"]
    assert run("show", audit["id"], "--json").document["report"]["audit"]["state"] == "incomplete"
    assert run("report", audit["id"], "--format", "json").code == 0


@pytest.mark.usefixtures("_computed")
def test_watch_takes_what_is_not_over(run: Run, ids: Ids) -> None:
    watched = run("watch", "--json")
    assert watched.code == 0
    assert [entry["audit"]["id"] for entry in watched.document["audits"]] == [ids.queued]
    assert "nothing is queued" in run("watch").stderr
    assert run("watch", "--json").document == {"audits": []}


def test_cancel_and_retry_move_an_audit_there_and_back(run: Run, ids: Ids) -> None:
    def state() -> str:
        return str(run("show", ids.queued, "--json").document["audit"]["state"])

    assert run("cancel", ids.queued).stdout == f"{ids.queued} cancelled\n"
    assert state() == "cancelled"
    assert f"{ids.queued} queued again" in run("retry", ids.queued).stdout
    assert state() == "queued"
    assert "is queued" in run("retry", ids.queued).refusal
    assert "is done" in run("cancel", ids.done).refusal


def test_one_bad_name_does_not_affect_the_others(run: Run, ids: Ids) -> None:
    assert run("cancel", ids.queued, ids.done).code == 1
    assert run("show", ids.queued, "--json").document["audit"]["state"] == "queued"


@pytest.mark.usefixtures("_computed")
def test_retry_can_wait(run: Run, ids: Ids) -> None:
    assert run("retry", ids.failed, "--wait", "--json").document["schema"] == "dyck-audit/report/1"


def test_retry_with_a_dead_broker_changes_nothing(run: Run, ids: Ids) -> None:
    assert run("retry", ids.failed, "--broker-url", DEAD_BROKER).code == 1
    assert run("show", ids.failed, "--json").document["audit"]["state"] == "failed"


def test_interrupting_prints_the_command_that_continues(run: Run, ids: Ids, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(following, "_computing", interrupted)
    ended = run("watch", ids.queued)
    assert ended.code == 130
    assert f"dyck-audit watch {ids.queued}" in ended.stderr


def test_waiting_notes_once_that_the_broker_is_away_and_once_that_it_is_back(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = iter([True, False, False, True, True])

    def ping(url: str) -> str:
        if not next(answers):
            raise BrokerError(f"the broker {url} does not answer")
        return "Valkey"

    monkeypatch.setattr(following, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr("workers.broker.ping_broker", ping)
    watching = following._BrokerWatch("redis://host/0", Output())
    for _ in range(5):
        watching.look()
    notes = capsys.readouterr().err.splitlines()
    assert len(notes) == 2
    assert "redis://host/0 does not answer; still waiting" in notes[0]
    assert "answers again" in notes[1]


def test_a_worker_without_its_broker_prints_one_line(run: Run) -> None:
    assert "does not answer" in run("worker", "--broker-url", DEAD_BROKER).refusal


def test_a_worker_serves_the_broker_or_the_database(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    served: list[tuple[str | None, int]] = []

    def local(settings: Settings, options: WorkerOptions) -> None:
        served.append((settings.broker_url, options.concurrency))
        raise KeyboardInterrupt

    def remote(settings: Settings, options: WorkerOptions) -> int:
        served.append((settings.broker_url, options.concurrency))
        return 1 if options.logs.verbose else 0

    monkeypatch.setattr("cli.worker.require_broker", lambda _: None)
    monkeypatch.setattr("workers.serving.serve_locally", local)
    monkeypatch.setattr("workers.serving.serve", remote)
    assert run("worker", "--concurrency", 3).code == 0
    assert run("worker", "--broker-url", "redis://u:secret@host/0").code == 0
    assert run("worker", "--broker-url", "redis://host/0", "--verbose").code == 1
    assert served == [
        (None, 3),
        ("redis://u:secret@host/0", following.processes()),
        ("redis://host/0", following.processes()),
    ]


@pytest.mark.usefixtures("_computed")
def test_the_demo_writes_a_page_and_its_audit_is_kept(run: Run, tmp_path: Path) -> None:
    shown = run("demo", "--out", tmp_path / "demo.html")
    assert shown.code == 0, shown.stderr
    assert (tmp_path / "demo.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    (audit,) = history(run)
    assert (audit["model_name"], audit["state"]) == (BUNDLED, "done")
    assert str(audit["id"]) in shown.stdout, "what it prints to type next names the stored audit"


def test_a_budget_is_for_deciding_one_checkpoint(run: Run) -> None:
    for given, why in (
        (("--budget", 500), "--budget needs --decide"),
        (("--decide", FIRST), "--decide is for one checkpoint"),
    ):
        refused = run("submit", BUNDLED, *given)
        assert refused.code == 2
        assert why in " ".join(refused.stderr.replace("│", " ").split())
