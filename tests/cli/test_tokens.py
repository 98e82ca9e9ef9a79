"""``tokens``: shown once, to stdout or into a private file, listed without their secrets, revoked by id."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from auditor.urls import has_token
from tests.cli.conftest import Run


def test_a_token_is_shown_once(run: Run) -> None:
    made = run("tokens", "create", "--scope", "submit", "--name", "laptop", "--expires", "90d")
    secret = made.stdout.strip()
    assert made.code == 0
    assert has_token(secret)
    assert secret not in made.stderr
    listed = run("tokens", "list")
    assert "laptop" in listed.stdout
    assert "live" in listed.stdout
    assert secret not in listed.stdout + run("tokens", "list", "--json").stdout


def test_into_a_file_that_only_its_owner_reads(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "token"
    made = run("tokens", "create", "--out", file)
    assert (made.code, made.stdout) == (0, f"{file}\n")
    assert has_token(file.read_text())
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    again = run("tokens", "create", "--out", file)
    assert again.code == 1
    assert "File exists" in again.refusal
    assert len(run("tokens", "list", "--json").document["tokens"]) == 1


def test_revoking(run: Run) -> None:
    made = run("tokens", "create", "--json").document
    assert run("tokens", "revoke", made["id"][:6]).stdout == f"revoked {made['id']}\n"
    assert "revoked" in run("tokens", "list").stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("create", "--scope", "root"), "read, submit or admin"),
        (("create", "--expires", "soon"), "12h"),
        (("create", "--expires", "2001-01-01"), "future"),
        (("revoke", "kxx"), "tokens list"),
    ],
)
def test_refusals(run: Run, arguments: tuple[str, ...], said: str) -> None:
    assert said in run("tokens", *arguments).refusal
