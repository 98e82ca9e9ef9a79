"""What no line of the source may do: unpickle, run text, or speak to a database past SQLAlchemy."""

from __future__ import annotations

import ast
import pickle  # noqa: TID251 - to show what the source refuses
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from workers.app import create_app

ROOT = Path(__file__).parents[1]
FILES = [file for name in ("auditor", "cli", "workers", "migrations") for file in sorted((ROOT / name).rglob("*.py"))]

UNPICKLERS = {"pickle", "cPickle", "_pickle", "cloudpickle", "dill", "marshal", "shelve", "joblib", "copyreg"}
DRIVERS: dict[str, set[str]] = {
    "sqlite3": {"auditor/store/engine.py"},
    "psycopg": set(),
    "asyncpg": set(),
    "aiosqlite": set(),
}
"""Modules that speak to a database, and the only files that name them: the engine tells sqlite3's errors apart."""

SAFE_LOAD = "auditor/checkpoints/intake/"
TEXT_RUNNERS = {"eval", "exec", "compile", "os.system", "os.popen"}


@dataclass(frozen=True)
class Source:
    """One file: the modules that it imports, its calls, and the names that it takes from SQLAlchemy."""

    name: str
    imported: frozenset[str]
    calls: tuple[tuple[str, ast.Call], ...]
    from_sqlalchemy: frozenset[str]


@cache
def _sources() -> tuple[Source, ...]:
    return tuple(_read(file) for file in FILES)


def _read(file: Path) -> Source:
    imported, taken, calls = set(), set(), []
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add((node.module or "").partition(".")[0])
            taken |= {alias.name for alias in node.names} if node.module == "sqlalchemy" else set()
        elif isinstance(node, ast.Call):
            calls.append((ast.unparse(node.func), node))
    return Source(file.relative_to(ROOT).as_posix(), frozenset(imported), tuple(calls), frozenset(taken))


def _is_fixed(node: ast.expr) -> bool:
    """A literal, or an f-string of literals and module constants."""
    if isinstance(node, ast.JoinedStr):
        return all(_is_fixed(part.value) if isinstance(part, ast.FormattedValue) else True for part in node.values)
    if isinstance(node, ast.IfExp):
        return _is_fixed(node.body) and _is_fixed(node.orelse)
    return isinstance(node, ast.Constant) or (isinstance(node, ast.Name) and node.id.isupper())


def test_nothing_unpickles() -> None:
    assert [source.name for source in _sources() if source.imported & UNPICKLERS] == []
    for source in _sources():
        for called, node in source.calls:
            given = {word.arg: ast.unparse(word.value) for word in node.keywords}
            if called == "torch.load":
                assert (given.get("weights_only"), source.name.startswith(SAFE_LOAD)) == ("True", True), source.name
            if called in ("numpy.load", "np.load"):
                assert given.get("allow_pickle") == "False", source.name


def test_no_text_is_run() -> None:
    for source in _sources():
        assert not [called for called, _ in source.calls if called in TEXT_RUNNERS], source.name
        assert not [node for _, node in source.calls if any(word.arg == "shell" for word in node.keywords)], source.name


def test_databases_are_spoken_to_through_sqlalchemy() -> None:
    for driver, allowed in DRIVERS.items():
        assert {source.name for source in _sources() if driver in source.imported} == allowed


def test_no_statement_is_put_together_from_values() -> None:
    seen = 0
    for source in _sources():
        for called, node in source.calls:
            if (called == "text" and "text" in source.from_sqlalchemy) or called.endswith(".exec_driver_sql"):
                seen += 1
                assert _is_fixed(node.args[0]), f"{source.name}:{node.lineno}"
    assert seen > 3


@pytest.mark.parametrize("side", ["task_serializer", "result_serializer", "event_serializer"])
def test_messages_are_written_and_read_as_json_only(side: str) -> None:
    conf = create_app("redis://nowhere:1/0").conf
    assert conf[side] == "json"
    assert (conf.accept_content, conf.result_accept_content) in ((["json"], None), (["json"], ["json"]))


def test_the_hostile_message_of_the_acceptance_tests_would_run(tmp_path: Path) -> None:
    """A test that sends a pickle shows something only if the pickle does something."""
    line = f"open({str(tmp_path / 'executed')!r}, 'w').close()"
    pickle.loads(b"cbuiltins\nexec\n(V" + line.encode() + b"\ntR.")  # noqa: S301 - our own, a line above
    assert (tmp_path / "executed").exists()
