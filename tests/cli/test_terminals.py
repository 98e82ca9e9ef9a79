"""Every command on terminals and pipes of any encoding and width: readable output, never an encoding error."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from auditor.settings import BROKER_VARIABLE, DATABASE_VARIABLE, HOME_VARIABLE
from cli.encoding import PLAIN, nearest, written
from cli.main import app
from cli.output import Output, prepare_streams
from tests.cli.conftest import Ids

pytestmark = pytest.mark.slow

ENCODINGS = ("ascii", "latin-1", "cp1252", "iso8859-5", "cp437", "utf-8")
BUNDLED = "dyck2x4-2layer-2head"

TYPED: dict[str, tuple[str, ...]] = {
    "doctor": (),
    "methods": (),
    "equivalences": (),
    "history": (),
    "findings": (),
    "show": ("done",),
    "show --claims 2": ("failed",),
    "report --format markdown": ("done",),
    "report --format json": ("done",),
    "report --format html": ("done",),
    "diff": ("done", "again"),
    "models list": (),
    "models zoo": (),
    "models show": ("model",),
    "db current": (),
    "db check": (),
    "inspect --no-behaviour zoo:" + BUNDLED: (),
    "inspect --formats": (),
    "predict --string=(a zoo:" + BUNDLED: (),
    "gate --example": (),
    "watch": ("done",),
    "show zzz–Δ": (),
    "submit nothing-×": (),
}
FAILS = ("show zzz", "submit")
QUESTIONS = ("report", "methods", "equivalences", "gate", "models zoo")  # texts that ask something
NOT_LAID_OUT = ("report", "predict", "gate", "db check", "show --claims", "watch", *FAILS)  # lines as they are


Typed = Callable[[str, str], tuple[int, str, str]]


@pytest.fixture
def typed(ids: Ids, home: Path) -> Typed:
    """Type a line of TYPED on streams of an encoding; the exit code and what both streams were sent."""

    def run(line: str, encoding: str) -> tuple[int, str, str]:
        environment = {HOME_VARIABLE: str(home), DATABASE_VARIABLE: None, BROKER_VARIABLE: None}
        arguments = [*line.split(), *(getattr(ids, name) for name in TYPED[line])]
        ended = CliRunner(charset=encoding).invoke(app, arguments, env=environment)
        return ended.exit_code, ended.stdout_bytes.decode(encoding), ended.stderr_bytes.decode(encoding)

    return run


@pytest.mark.parametrize("line", TYPED)
def test_every_command_prints_in_ascii(typed: Typed, line: str) -> None:
    code, out, err = typed(line, "ascii")
    assert "Error" not in err
    assert code == (1 if line.startswith(FAILS) else 0)
    assert (err if code else out).strip()
    assert line.startswith(QUESTIONS) or "?" not in out + err


@pytest.mark.parametrize("line", TYPED)
def test_sixty_columns_of_a_dumb_terminal_are_enough(typed: Typed, line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("COLUMNS", "60"), ("TERM", "dumb"), ("FORCE_COLOR", "1"), ("NO_COLOR", "1")):
        monkeypatch.setenv(name, value)
    code, out, err = typed(line, "cp1252")
    assert (err if code else out).strip()
    assert "\x1b" not in out + err
    if not line.startswith(NOT_LAID_OUT):
        assert max(map(len, out.splitlines())) <= 60


@pytest.mark.parametrize("columns", [30, 60, 100])
def test_a_table_that_does_not_fit_is_a_list(
    columns: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing of it is cut, and no cell is a column of single letters."""
    for name, value in (("COLUMNS", str(columns)), ("TERM", "dumb"), ("FORCE_COLOR", "1")):
        monkeypatch.setenv(name, value)
    names = [f"column {place}" for place in range(6)]
    Output().table(names, [[f"id{place}-{row}" for place in range(5)] + ["words of a reason"] for row in range(2)])
    out = capsys.readouterr().out
    assert all(len(line) <= columns for line in out.splitlines())
    assert all(f"id{place}-{row}" in out for place in range(5) for row in range(2))
    assert out.count("column 0") == (2 if columns == 30 else 1)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_text_tables_and_errors_in_every_encoding(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    streams = [io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="strict") for _ in range(2)]
    monkeypatch.setattr(sys, "stdout", streams[0])
    monkeypatch.setattr(sys, "stderr", streams[1])
    prepare_streams()
    Output().text("Δ ≤ 1 – 2 × 漢")
    Output().table(("name Δ",), [("≤ é",), (None,)])
    Output().error("no file 'é–漢\udcff'")
    Output().traceback(ValueError("Δ"))
    Output().page("<!DOCTYPE html><p>é – 漢</p>")
    for stream in streams:
        stream.flush()
    out, err = (stream.buffer.getvalue().decode(encoding) for stream in streams)  # type: ignore[attr-defined]
    assert "no file" in err
    assert ("&#28450;" in out) == (encoding != "utf-8")
    assert ("<= " in out) == (encoding not in ("cp437", "utf-8"))


@pytest.mark.parametrize("path", [(), ("train",), ("submit",), ("models", "list")], ids=" ".join)
def test_help_prints_in_ascii(path: tuple[str, ...]) -> None:
    ended = CliRunner(charset="ascii").invoke(app, [*path, "--help"])
    assert ended.exit_code == 0
    assert f"dyck-audit {' '.join(path)}".strip() in ended.stdout_bytes.decode("ascii")


@pytest.mark.parametrize(
    "settings",
    [
        {"PYTHONIOENCODING": "latin-1"},
        {"PYTHONIOENCODING": "ascii:strict"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    ],
)
def test_the_encoding_of_the_interpreter_is_used(home: Path, settings: dict[str, str]) -> None:
    environment = os.environ | {HOME_VARIABLE: str(home), "TERM": "dumb"} | settings
    command = [sys.executable, "-c", "from cli.main import main; main()", "models", "zoo"]
    ended = subprocess.run(command, env=environment, capture_output=True, timeout=60, check=False)
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert BUNDLED.encode() in ended.stdout


def test_a_closed_stdout_is_no_failure(home: Path) -> None:
    command = f"exec {sys.executable} -c 'from cli.main import main; main()' models zoo >&- 2>&-"
    ended = subprocess.run(["sh", "-c", command], env=os.environ | {HOME_VARIABLE: str(home)}, timeout=60, check=False)
    assert ended.returncode == 0


def test_letters_become_the_nearest_that_the_encoding_has() -> None:
    assert written("Δ ≤ 1 – 2 × é → “x” 漢", "ascii") == 'delta <= 1 - 2 x e -> "x" ?'
    assert written("1 – 2 × é", "latin-1") == "1 - 2 × é"
    assert written("Δ ≤ 1 – 2 × é", "utf-8") == "Δ ≤ 1 – 2 × é"
    assert written("\udcff", "utf-8") == "?"
    assert nearest("╔") == "+"
    assert all(text.isascii() and text for text in PLAIN.values())
