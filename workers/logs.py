"""The log lines of a worker, Celery's and tracebacks included, as text or JSON, without passwords.

One JSON object per line: ``time`` (UTC, ISO 8601), ``level``, ``logger``, ``message``, ``worker``, ``process``, and of
a cell that is computed ``audit``, ``cell`` and ``attempt``; ``error`` holds a traceback.
"""

from __future__ import annotations

import json
import logging
import sys
import time
import warnings
from datetime import UTC, datetime
from logging.handlers import WatchedFileHandler
from pathlib import Path
from typing import Any

from celery.platforms import SecurityWarning
from celery.signals import setup_logging

from auditor.errors import AuditorError
from auditor.settings import Settings
from auditor.urls import secrets_of, without_passwords
from workers.log_context import bound_ids
from workers.options import LogFormat, LogOptions

OWN = ("auditor", "workers", "cli")
ON_CONNECTION_LOSS = ("celery.worker.consumer", "py.warnings", "kombu")
"""What these say on a lost broker, with tracebacks and once more at each attempt, the sweeper says in one line."""


class JsonLines(logging.Formatter):
    """One JSON object per line."""

    def __init__(self, worker: str) -> None:
        super().__init__()
        self.worker = worker

    def format(self, record: logging.LogRecord) -> str:
        """The object of a record, whatever its message holds."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "worker": self.worker,
            "process": record.process,
            **bound_ids(),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


class TextLines(logging.Formatter):
    """Time in UTC, level, process and message."""

    def __init__(self) -> None:
        self.converter = time.gmtime
        super().__init__("%(asctime)s UTC %(levelname)s %(processName)s: %(message)s", "%Y-%m-%d %H:%M:%S")


class WithoutPasswords(logging.Formatter):
    """Another formatter's lines, in which no password is left."""

    def __init__(self, inner: logging.Formatter, secrets: tuple[str, ...]) -> None:
        super().__init__()
        self.inner, self.secrets = inner, secrets

    def format(self, record: logging.LogRecord) -> str:
        """The line, with its traceback where there is one."""
        return without_passwords(self.inner.format(record), self.secrets)


def hide_passwords(logger: logging.Logger, secrets: tuple[str, ...]) -> None:
    """Make every handler that the logger has now hide them."""
    for handler in logger.handlers:
        if not isinstance(handler.formatter, WithoutPasswords):
            handler.setFormatter(WithoutPasswords(handler.formatter or logging.Formatter(), secrets))


def set_up_logs(settings: Settings, options: LogOptions, worker: str) -> None:
    """Send every line of this process, and of those forked from it, where the options say; Celery sets up nothing.

    Raises:
        AuditorError: the file cannot be written.
    """
    setup_logging.connect(_leave_logging_alone, weak=False)
    warnings.simplefilter("ignore", SecurityWarning)  # of a worker run by root: its messages are JSON, never pickles
    handler = _handler(options.file)
    handler.setFormatter(JsonLines(worker) if options.format == LogFormat.JSON else TextLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    hide_passwords(root, secrets_of(settings.database_url) + secrets_of(settings.broker_url or ""))
    root.setLevel(logging.INFO if options.verbose else logging.WARNING)
    for name in OWN:
        logging.getLogger(name).setLevel(logging.INFO)
    for name in () if options.verbose else ON_CONNECTION_LOSS:
        logging.getLogger(name).setLevel(logging.CRITICAL)


def _leave_logging_alone(**_: Any) -> None:
    """A receiver of this signal keeps Celery from setting up its own handlers."""


def _handler(file: Path | None) -> logging.Handler:
    if file is None:
        return logging.StreamHandler(sys.stderr)
    try:
        return WatchedFileHandler(file, encoding="utf-8")  # opened again after logrotate has moved it
    except OSError as error:
        raise AuditorError(
            f"the log {file} cannot be written: {error.strerror}",
            expected="a file in a folder that exists",
            action="choose another --log-file",
        ) from error
