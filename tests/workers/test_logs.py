"""A worker's lines: JSON with the ids of the cell, whatever the message is, and no password in either form."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from auditor.settings import Settings
from workers.log_context import bind, bound
from workers.logs import set_up_logs
from workers.options import LogFormat, LogOptions, WorkerOptions
from workers.serving import options_of

PASSWORD = "planted-secret"


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    for handler in set(root.handlers) - set(handlers):
        handler.close()
    root.handlers[:] = handlers
    root.setLevel(level)


def _settings(home: Path) -> Settings:
    return Settings(home, f"postgresql+psycopg://u:{PASSWORD}@h/d", f"redis://:{PASSWORD}@h:1/0")


def test_json_lines(tmp_path: Path) -> None:
    file = tmp_path / "log"
    set_up_logs(_settings(tmp_path), LogOptions(file, LogFormat.JSON), "one")
    log = logging.getLogger("workers.test")
    with bound(audit="a1", cell="measure/original"):
        bind(attempt=2)
        try:
            raise OSError(f"redis://:{PASSWORD}@h:1/0 is away")
        except OSError:
            log.exception('two\nlines and a "quote" and %s', PASSWORD)
    log.info("after")
    log.debug("not shown")
    first, second = map(json.loads, file.read_text().splitlines())
    assert (first["audit"], first["cell"], first["attempt"], first["worker"]) == ("a1", "measure/original", 2, "one")
    assert first["message"] == 'two\nlines and a "quote" and ***'
    assert "Traceback" in first["error"]
    assert "redis://:***@h:1/0 is away" in first["error"]
    assert (second["message"], second["level"]) == ("after", "info")
    assert "cell" not in second
    assert PASSWORD not in file.read_text()


def test_text_lines(tmp_path: Path) -> None:
    file = tmp_path / "log"
    set_up_logs(_settings(tmp_path), LogOptions(file), "one")
    logging.getLogger("workers.test").info("audit a1: behaviour done with %s", PASSWORD)
    (line,) = file.read_text().splitlines()
    assert line.endswith("UTC INFO MainProcess: audit a1: behaviour done with ***")


def test_a_file_that_was_moved_aside_is_opened_again(tmp_path: Path) -> None:
    file = tmp_path / "log"
    set_up_logs(_settings(tmp_path), LogOptions(file), "one")
    log = logging.getLogger("workers.test")
    log.info("first")
    file.rename(tmp_path / "log.1")
    log.info("second")
    assert "second" in file.read_text()
    assert "first" not in file.read_text()


def test_options_survive_the_way_to_a_child_process() -> None:
    given = WorkerOptions(3, "one", LogOptions(Path("/tmp/log"), LogFormat.JSON, True), 1.5, "[::1]:9464")
    for options in (given, WorkerOptions()):
        assert options_of(options.arguments()) == options
