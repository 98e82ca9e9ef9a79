"""The whole command line: help, versions, global options, what is imported when, and pipes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest
from typer.core import TyperGroup
from typer.main import get_command

from auditor.settings import HOME_VARIABLE
from cli.main import app
from tests.cli.conftest import Ids, Run

HEAVY = ("torch", "captum", "celery", "sqlalchemy", "numpy")


def commands(group: TyperGroup, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, command in group.commands.items():
        yield (*path, name)
        if isinstance(command, TyperGroup):
            yield from commands(command, (*path, name))


root = get_command(app)
assert isinstance(root, TyperGroup)
COMMANDS = list(commands(root))
PROMISED = {
    "demo", "train", "inspect", "predict", "submit", "batch", "worker", "watch", "cancel", "retry", "models",
    "history", "findings", "show", "report", "diff", "witness", "verify", "methods", "equivalences", "db", "doctor",
}  # fmt: skip


def test_every_promised_command_is_there() -> None:
    assert {path[0] for path in COMMANDS} >= PROMISED


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_has_help_and_explains_its_options(run: Run, path: tuple[str, ...]) -> None:
    shown = run(*path, "--help")
    assert (shown.code, shown.stderr) == (0, "")
    assert f"dyck-audit {' '.join(path)}" in shown.stdout
    command = root
    for name in path:
        assert isinstance(command, TyperGroup)
        command = command.commands[name]
    assert command.help
    undocumented = [option.name for option in command.params if not getattr(option, "help", "")]
    assert not undocumented


def test_without_arguments_the_help_is_shown_and_nothing_is_done(run: Run, home: Path) -> None:
    shown = run()
    assert shown.code == 2
    assert "demo" in shown.stdout
    assert not home.exists()


def test_version(run: Run) -> None:
    assert run("--version").stdout == f"dyck-audit {version('dyck-audit')}\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["histori"], "Did you mean 'history'?"),
        (["history", "--colour", "red"], "--colour"),
        (["history", "--limit", "0"], "--limit"),
        (["history", "--since", "yesterday"], "12h"),
        (["submit"], "CHECKPOINT"),
        (["train"], "--out"),
        (["predict", "zoo:x"], "--strings"),
        (["submit", "a", "b", "--name", "x"], "--name"),
        (["cancel"], "AUDIT"),
    ],
    ids=" ".join,
)
def test_usage_errors_are_one_line_and_exit_2(run: Run, home: Path, arguments: list[str], said: str) -> None:
    refused = run(*arguments)
    assert (refused.code, refused.stdout) == (2, "")
    assert said in refused.refusal
    assert "--help`" in refused.refusal
    assert not home.exists()


def test_global_options_may_follow_the_command(run: Run, ids: Ids, tmp_path: Path) -> None:
    before = run("--home", tmp_path / "other", "history", "--json")
    after = run("history", "--json", "--home", tmp_path / "other")
    assert before.document == after.document == {"audits": [], "next": None}
    assert run("history", "--json").document["audits"]


def test_quiet_leaves_stderr_empty(run: Run) -> None:
    assert run("history").stderr
    assert run("history", "--quiet").stderr == ""


def python(code: str, home: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {HOME_VARIABLE: str(home)}
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize(
    ("command", "forbidden"),
    [("--help", HEAVY), ("submit --help", HEAVY), ("history", ("torch", "captum", "celery"))],
    ids=["help", "help of a command", "history"],
)
def test_light_commands_import_nothing_heavy(home: Path, command: str, forbidden: tuple[str, ...]) -> None:
    found = python(
        "import sys\nfrom cli.main import app\n"
        f"try:\n    app({command.split()!r})\nexcept SystemExit as end:\n    assert end.code == 0, end.code\n"
        f"print('IMPORTED', *(name for name in {forbidden!r} if name in sys.modules))",
        home,
    )
    assert found.stdout.splitlines()[-1].split() == ["IMPORTED"], found.stderr


def test_a_reader_that_goes_away_is_no_failure(ids: Ids, home: Path) -> None:
    """The page is larger than a pipe, so the command is still writing when its reader has gone."""
    environment = os.environ | {HOME_VARIABLE: str(home)}
    command = [sys.executable, "-c", "from cli.main import main; main()", "report", ids.done, "--format", "html"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.read(10) == b"<!DOCTYPE "
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(30) == 0
