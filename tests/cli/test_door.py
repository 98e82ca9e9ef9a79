"""The error door: exit codes, one line, the traceback only when asked for."""

from __future__ import annotations

import errno

import pytest
import typer
from typer.testing import CliRunner, Result

from auditor.errors import NotFoundError
from cli.door import Door, globals_first

RAISED = {
    "refusal": NotFoundError("no audit 'x'", expected="an id", action="type `dyck-audit history`"),
    "defect": ZeroDivisionError("by zero"),
    "file": OSError(errno.ENOSPC, "No space left on device", "/tmp/report.html"),
    "memory": MemoryError(),
    "torch memory": RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried …"),
    "interrupt": KeyboardInterrupt(),
    "code": typer.Exit(4),
    "pipe": BrokenPipeError(errno.EPIPE, "Broken pipe"),
}

OUT_OF_MEMORY = (
    "dyck-audit: out of memory; expected a model and a plan that fit; choose smaller sizes, or end other programs\n"
)

app = typer.Typer(cls=Door, pretty_exceptions_enable=False)


@app.command()
def fail(how: str) -> None:
    raise RAISED[how]


@app.command()
def succeed() -> None:
    """Nothing."""


@app.callback()
def root(verbose: bool = typer.Option(False, "--verbose", "-v")) -> None:
    """The root."""


def type_(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


@pytest.mark.parametrize(
    ("how", "code", "line"),
    [
        ("refusal", 1, "dyck-audit: no audit 'x'; expected an id; type `dyck-audit history`\n"),
        ("defect", 1, "dyck-audit: unexpected ZeroDivisionError: by zero; --verbose for the traceback\n"),
        ("file", 1, "dyck-audit: /tmp/report.html: No space left on device\n"),
        ("memory", 1, OUT_OF_MEMORY),
        ("torch memory", 1, OUT_OF_MEMORY),
        ("interrupt", 130, ""),
        ("code", 4, ""),
    ],
)
def test_each_end_has_its_code_and_its_line(how: str, code: int, line: str) -> None:
    ended = type_("fail", how)
    assert (ended.exit_code, ended.stderr, ended.stdout) == (code, line, "")


def test_success_is_0() -> None:
    assert type_("succeed").exit_code == 0


@pytest.mark.parametrize("place", [("--verbose", "fail", "defect"), ("fail", "defect", "-v")])
def test_verbose_shows_the_traceback_before_the_line(place: tuple[str, ...]) -> None:
    ended = type_(*place)
    assert ended.stderr.startswith("Traceback")
    assert ended.stderr.splitlines()[-1].startswith("dyck-audit: unexpected ZeroDivisionError")


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("history --home d --json", "--home d history --json"),
        ("history --home=d --limit 3 -q", "--home=d -q history --limit 3"),
        ("--quiet history", "--quiet history"),
        ("submit -- --home d", "submit -- --home d"),
        ("history --home", "--home history"),
        ("history --homely d", "history --homely d"),
    ],
)
def test_global_options_come_first(given: str, wanted: str) -> None:
    assert globals_first(given.split()) == wanted.split()
