"""Commands with ``--server``: the same output as on the store itself, and one line for what goes wrong."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from auditor import zoo
from auditor.store.audits import get_audit, list_audits
from auditor.store.filters import AuditFilter
from auditor.store.reports import save_report
from auditor.store.session import Database
from auditor.store.tokens import Scope as TokenScope
from cli.api_documents import PREFIX
from cli.remote import store as remote
from cli.remote.connection import TOKEN_VARIABLE
from tests.auditor.report.samples import sample_report
from tests.cli.conftest import Ids, Outcome, Run
from tests.cli.dashboard.conftest import NewApp, served

BUNDLED = "dyck2x4-1layer-minimal"

There = Callable[..., Outcome]


@pytest.fixture
def there(run: Run, server_url: str, tmp_path: Path) -> Iterator[There]:
    """Type a command with ``--server`` and an empty home, which stays empty."""
    own = tmp_path / "own"
    yield lambda *arguments: run(*arguments, "--server", server_url, "--home", own)
    assert not own.exists()


@pytest.mark.parametrize(
    "command",
    [
        ("history",),
        ("history", "--state", "done", "--sort", "finished", "--limit", "1"),
        ("history", "--state", "cancelled"),
        ("history", "--json", "--verdict", "unstable"),
        ("findings", "--verdict", "unstable"),
        ("findings", "--json", "--limit", "3", "--sort", "effect"),
        ("findings", "--audit", "DONE", "--invariant"),
        ("show", "DONE"),
        ("show", "DONE", "--json"),
        ("show", "FAILED"),
        ("show",),
        ("report", "DONE", "--format", "json"),
        ("report", "DONE", "--format", "html"),
        ("report", "DONE", "--format", "csv"),
        ("models", "list"),
        ("models", "list", "--json"),
        ("show", "none"),
        ("show", "a"),
        ("report", "FAILED"),
        ("history", "--function", "none"),
        ("history", "--after", "a0"),
        ("findings", "--method", "ablation_head_zer"),
    ],
    ids=" ".join,
)
def test_the_same_output_as_on_the_store(there: There, run: Run, ids: Ids, command: tuple[str, ...]) -> None:
    typed = [{"DONE": ids.done, "FAILED": ids.failed}.get(word, word) for word in command]
    here, far = run(*typed), there(*typed)
    assert (far.code, far.stdout, far.stderr) == (here.code, here.stdout, here.stderr)


def test_long_lists_come_in_pages(there: There, ids: Ids, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "MOST_ROWS", 1)
    assert len(there("history", "--json").document["audits"]) == 4
    three = there("history", "--json", "--limit", "3").document
    assert (len(three["audits"]), three["next"]) == (3, three["audits"][-1]["id"])


def test_submit(there: There, tmp_path: Path, database: Database) -> None:
    path = tmp_path / "mine.safetensors"
    shutil.copy(zoo.path(BUNDLED), path)
    plan = tmp_path / "small.toml"
    plan.write_text('base = "quick"\nsequences = 8\n')
    made = there("submit", path, "--plan", plan, "--seed", 5)
    assert made.code == 0, made.stderr
    assert "mine, plan small" in made.stderr
    with database.transaction(read_only=True) as session:
        audit = get_audit(session, made.stdout.strip())
    assert (audit.model_name, audit.plan_name, audit.seed, audit.plan["sequences"]) == ("mine", "small", 5, 8)
    again = there("submit", f"zoo:{BUNDLED}", "--name", "other", "--json")
    assert again.document["audits"][0]["model"] == audit.model_id
    assert "keep their name mine" in again.stderr


def test_submit_and_wait(there: There, database: Database) -> None:
    def finish() -> None:
        while True:
            with database.transaction(read_only=True) as session:
                queued = [one for one in list_audits(session).rows if one.model_name == BUNDLED]
            if queued:
                with database.transaction() as session:
                    save_report(session, queued[0].id, sample_report(name=BUNDLED))
                return
            time.sleep(0.05)

    worker = threading.Thread(target=finish)
    worker.start()
    ended = there("submit", f"zoo:{BUNDLED}", "--wait", "--json")
    worker.join()
    assert ended.code == 0, ended.stderr
    assert ended.document["schema"] == "dyck-audit/report/1"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("submit", "none.pt"), "no file and no bundled model"),
        (("submit", f"zoo:{BUNDLED}", "--plan", "enormous"), "unknown plan 'enormous'; expected quick"),
        (("submit", f"zoo:{BUNDLED}", "--plan", "none.toml"), "none.toml"),
        (("submit", f"zoo:{BUNDLED}", "--strings", "none.txt"), "none.txt"),
        (("submit", f"zoo:{BUNDLED}", "--format", "nanogpt"), "in the description"),
        (("submit", f"zoo:{BUNDLED}", "--decide"), "leave out --server"),
        (("submit", "/dev/null"), "plain file"),
    ],
)
def test_what_cannot_be_submitted(there: There, arguments: tuple[str, ...], said: str, database: Database) -> None:
    refused = there(*arguments)
    assert refused.code != 0
    assert said in refused.refusal
    with database.transaction(read_only=True) as session:
        assert len(list_audits(session, AuditFilter(limit=None)).rows) == 4


def test_a_link_is_not_followed(there: There, tmp_path: Path) -> None:
    link = tmp_path / "link.safetensors"
    link.symlink_to(zoo.path(BUNDLED))
    assert "not a plain file" in there("submit", link).refusal


def test_watch_cancel_and_retry(there: There, ids: Ids, server_url: str) -> None:
    assert there("cancel", ids.queued[:5], ids.queued).stdout == f"{ids.queued} cancelled\n"
    watched = there("watch", ids.queued)
    assert watched.code == 1
    assert f"`dyck-audit retry {ids.queued} --server {server_url}`" in watched.stderr
    again = there("retry", ids.queued)
    assert again.stdout == f"{ids.queued} queued again\n"
    assert f"watch {ids.queued} --server {server_url}" in again.stderr
    there("cancel", ids.queued)
    assert there("retry", ids.queued, "--json").document == {"audits": [{"id": ids.queued, "cells": 1}]}
    assert "is done" in there("cancel", ids.done).refusal
    there("cancel", ids.queued)
    assert "nothing is queued or running" in there("watch").stderr


def test_a_token_from_the_environment_or_a_file(
    run: Run,
    new_app: NewApp,
    token: Callable[[TokenScope], str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with served(new_app(requires_token=True)) as url:
        asked = ("history", "--server", url)
        assert "no access token" in run(*asked).refusal
        file = tmp_path / "token"
        file.write_text(token(TokenScope.READ) + "\n")
        assert run(*asked, "--token-file", file).code == 0
        file.write_text("two words")
        assert "no token" in run(*asked, "--token-file", file).refusal
        monkeypatch.setenv(TOKEN_VARIABLE, token(TokenScope.READ))
        assert run(*asked).code == 0
        refused = run("submit", f"zoo:{BUNDLED}", "--server", url)
        assert "a token of scope read; expected scope submit" in refused.refusal
        monkeypatch.setenv(TOKEN_VARIABLE, "wrong")
        assert "does not know" in run(*asked).refusal


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://127.0.0.1:1", "does not answer"),
        ("http://127.0.0.1:99999", "expected http://HOST:PORT"),
        ("127.0.0.1:8000", "expected http://HOST:PORT"),
        ("ftp://127.0.0.1", "expected http://HOST:PORT"),
        ("http://u:geheim@127.0.0.1:1", "DYCK_AUDIT_TOKEN"),
        ("http://no-such-host.invalid", "does not answer"),
    ],
)
def test_addresses_that_are_none(run: Run, url: str, said: str) -> None:
    refused = run("history", "--server", url)
    assert refused.code == 1
    assert said in refused.refusal
    assert "geheim" not in refused.refusal


def _program(**answers: Response) -> Any:
    """A server that answers these paths of the API, and nothing else."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        name = scope["path"].removeprefix(PREFIX).strip("/") or "about"
        await answers.get(name, PlainTextResponse("nothing here", 404))(scope, receive, send)

    return app


OURS = JSONResponse({"program": "dyck-audit", "api": 1})


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ({}, "is no dyck-audit server (status 404)"),
        ({"about": PlainTextResponse("<html>hello")}, "is no dyck-audit server"),
        ({"about": JSONResponse(["x"])}, "is no dyck-audit server"),
        ({"about": Response(status_code=302, headers={"Location": "http://evil.example"})}, "is no dyck-audit server"),
        ({"about": JSONResponse({"program": "dyck-audit", "api": 2})}, "version 2 of the API; expected version 1"),
        ({"about": OURS, "audits": JSONResponse({"audits": [{"id": 1}], "next": None})}, "cannot read: audits.0"),
        ({"about": OURS, "audits": JSONResponse([])}, "cannot read"),
        ({"about": OURS, "audits": JSONResponse({"found": "a\x1b[31m\nb"}, 409)}, "b"),
        ({"about": OURS, "audits": PlainTextResponse("proxy error", 502)}, "(status 502)"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_servers_that_are_not_ours(run: Run, answers: dict[str, Response], said: str) -> None:
    with served(_program(**answers)) as url:
        refused = run("history", "--server", url)
    assert refused.code == 1
    assert said in refused.refusal
    assert "unexpected" not in refused.refusal
    assert refused.refusal.isprintable()


def test_a_server_that_is_away_for_a_moment(
    run: Run, there: There, ids: Ids, monkeypatch: pytest.MonkeyPatch, database: Database
) -> None:
    from cli.remote import submitting
    from cli.remote.connection import AwayError

    monkeypatch.setattr(submitting, "LONGEST_PAUSE_SECONDS", 0.05)
    asked = remote.RemoteStore.progress
    times: list[str] = []

    def progress(store: remote.RemoteStore, audit: str) -> Any:
        times.append(audit)
        if len(times) == 1:
            raise AwayError("the server does not answer: gone")
        with database.transaction() as session:
            save_report(session, audit, sample_report(name=BUNDLED))
        return asked(store, audit)

    monkeypatch.setattr(remote.RemoteStore, "progress", progress)
    ended = there("submit", f"zoo:{BUNDLED}", "--wait", "--json")
    assert ended.code == 0, ended.stderr
    assert "gone; still waiting" in ended.stderr
    assert json.loads(ended.stdout)["audit"]["id"] == times[0]
