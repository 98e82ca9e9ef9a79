"""A real server process, asked by the real command line: an audit through it, refusals, its log, its end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx2
import pytest

from auditor.settings import Settings
from cli.dashboard.sessions import FAILURES
from cli.remote.connection import TOKEN_VARIABLE
from tests.acceptance.command_line import COMMAND, MOST_SECONDS, environment, run
from tests.planted import heard
from tests.tls import new_authority

BUNDLED = "zoo:dyck2x4-2layer-2head"
END_SECONDS = 60
"""It was seen to end within 2 s on a machine with nine others at work; a server that waits for something never ends."""

PLAN = """
base = "quick"
sequences = 24
certificate_sequences = 200
behaviour_sequences = 100
longer_sequences = 8
bootstrap_draws = 1999
methods = ["ablation_head_mean", "attention_pattern"]
equivalences = ["exact_head_permutation", "exact_value_bias_shift"]
"""


@dataclass
class Server:
    """A running ``serve``."""

    url: str
    process: subprocess.Popen[str]
    log: Path

    def end(self) -> str:
        """End it by SIGTERM; all that it said."""
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(END_SECONDS) == 0
        return self.log.read_text()


@contextmanager
def serving(settings: Settings, log: Path, *options: str) -> Iterator[Server]:
    with log.open("w") as sink:
        process = subprocess.Popen(
            [COMMAND, "serve", "--port", "0", *options], env=environment(settings), stderr=sink, text=True
        )
    try:
        yield Server(_address(process, log), process, log)
    finally:
        process.kill()
        process.wait()


def _address(process: subprocess.Popen[str], log: Path) -> str:
    while process.poll() is None:
        for line in log.read_text().splitlines():
            if line.startswith("serving at "):
                return line.removeprefix("serving at ").split(";")[0]
    raise AssertionError(log.read_text())


def ask(token: str | None, *arguments: str, expect: int = 0) -> subprocess.CompletedProcess[str]:
    """Run a command without the settings of a database or broker."""
    values = {name: text for name, text in os.environ.items() if not name.startswith("DYCK_AUDIT")}
    values |= {} if token is None else {TOKEN_VARIABLE: token}
    ended = subprocess.run(
        [COMMAND, *arguments], env=values, capture_output=True, text=True, timeout=MOST_SECONDS, check=False
    )
    heard.note(f"dyck-audit {' '.join(arguments)}", ended.stdout, ended.stderr)
    assert ended.returncode == expect, f"{arguments}: {ended.returncode}\n{ended.stdout}\n{ended.stderr}"
    return ended


@pytest.fixture
def guarded(tmp_path: Path, postgres_url: str) -> Settings:
    """PostgreSQL with a password that must appear in no output, and no broker."""
    return Settings(tmp_path / "home", postgres_url, None)


def test_an_audit_through_a_server(guarded: Settings, tmp_path: Path) -> None:
    tokens = {scope: run(guarded, "tokens", "create", "--scope", scope).stdout.strip() for scope in ("read", "submit")}
    plan = tmp_path / "small.toml"
    plan.write_text(PLAN)
    with serving(guarded, tmp_path / "log", "--require-token", "--verbose") as server:
        there = ("--server", server.url)
        submitted = ask(tokens["submit"], "submit", BUNDLED, "--plan", str(plan), "--wait", "--json", *there)
        report = json.loads(submitted.stdout)
        assert report["audit"]["state"] == "done"
        assert report["findings"]
        shown = json.loads(ask(tokens["read"], "report", "latest", "--format", "json", *there).stdout)
        assert shown == report
        assert report["audit"]["id"] in ask(tokens["read"], "history", *there).stdout
        said = [
            ask(None, "history", *there, expect=1).stderr,
            ask("wrong", "history", *there, expect=1).stderr,
            ask(tokens["read"], "submit", BUNDLED, *there, expect=1).stderr,
        ]
        assert all(text.startswith("dyck-audit: ") and len(text.splitlines()) == 1 for text in said)
        log = server.end()
    assert "POST /api/v1/models" in log
    for secret in tokens.values():
        assert secret not in log
        assert not [path for path in guarded.home.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()]
    assert not (guarded.home / "uploads").exists()
    away = ask(tokens["read"], "history", *there, expect=1).stderr
    assert "does not answer" in away


def test_it_ends_while_an_upload_arrives_and_leaves_nothing(tmp_path: Path) -> None:
    home = tmp_path / "home"
    settings = Settings(home, f"sqlite:///{home / 'audits.sqlite3'}", None)
    home.mkdir()
    with serving(settings, tmp_path / "log", "--no-workers") as server:
        slow = (
            "import socket, sys, time\n"
            f"host, port = {server.url.removeprefix('http://').split(':')!r}\n"
            "s = socket.create_connection((host, int(port)))\n"
            "s.sendall(b'POST /api/v1/models HTTP/1.1\\r\\nHost: localhost\\r\\nContent-Length: 100000\\r\\n'\n"
            "          b'Content-Type: multipart/form-data; boundary=b\\r\\n\\r\\n--b\\r\\n'\n"
            '          b\'Content-Disposition: form-data; name="file"; filename="a.pt"\\r\\n\\r\\nxxxx\')\n'
            "print('sent', flush=True)\n"
            "time.sleep(600)\n"
        )
        with subprocess.Popen(["python3", "-c", slow], stdout=subprocess.PIPE, text=True) as client:
            assert client.stdout is not None
            assert client.stdout.readline() == "sent\n"
            while not list((home / "uploads").rglob("a.pt")):
                assert server.process.poll() is None
            server.end()
            client.kill()
    assert not (home / "uploads").exists()


def test_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    home.mkdir()
    settings = Settings(home, f"sqlite:///{home / 'audits.sqlite3'}", None)
    authority = new_authority(tmp_path / "tls")
    with serving(settings, tmp_path / "log", "--no-workers", "--certificate", str(authority.server)) as server:
        assert server.url.startswith("https://127.0.0.1:")
        there = ("history", "--json", "--server", server.url)
        refused = ask(None, *there, expect=1).stderr
        assert "is not trusted" in refused
        assert "SSL_CERT_FILE" in refused
        assert "does not answer" in ask(None, *(word.replace("https", "http") for word in there), expect=1).stderr
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.certificate))
        assert json.loads(ask(None, *there).stdout) == {"audits": [], "next": None}
    refused = run(settings, "serve", "--port", "0", "--certificate", str(authority.certificate), expect=1).stderr
    assert "without password, in PEM" in refused


@pytest.mark.parametrize("trusted", [True, False])
def test_addresses_behind_a_proxy(tmp_path: Path, trusted: bool) -> None:
    home = tmp_path / "home"
    home.mkdir()
    settings = Settings(home, f"sqlite:///{home / 'audits.sqlite3'}", None)
    options = ("--trust-proxy", "127.0.0.1") if trusted else ()
    with serving(settings, tmp_path / "log", "--no-workers", *options) as server:

        def status(of: str) -> int:
            headers = {"X-Forwarded-For": of, "Authorization": "Bearer wrong"}
            return httpx2.get(f"{server.url}/api/v1/audits", headers=headers, trust_env=False).status_code

        for _ in range(FAILURES):
            assert status("192.0.2.1") == 401
        assert status("192.0.2.1") == 429
        assert status("192.0.2.2") == (401 if trusted else 429)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--host", "0.0.0.0"), "tokens create"),
        (("--require-token",), "tokens create"),
        (("--host", "192.0.2.1"), "cannot be listened on"),
        (("--host", "no-such-host.invalid"), "cannot be listened on"),
    ],
)
def test_where_it_does_not_start(tmp_path: Path, options: tuple[str, ...], said: str) -> None:
    home = tmp_path / "home"
    home.mkdir()
    settings = replace(Settings(home, f"sqlite:///{home / 'audits.sqlite3'}", None))
    refused: Any = run(settings, "serve", "--port", "0", *options, expect=1)
    assert said in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
