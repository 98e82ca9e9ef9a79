"""The log lines of a worker, Celery's and tracebacks included, without passwords."""

from __future__ import annotations

import logging
from typing import Any

from celery.signals import after_setup_logger, after_setup_task_logger

from auditor.settings import Settings
from auditor.urls import secrets_of, without_passwords


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


def hide_passwords_in_worker(settings: Settings) -> None:
    """The same for the handlers that Celery makes, in the main process and in those that compute."""
    secrets = secrets_of(settings.database_url) + secrets_of(settings.broker_url or "")

    def hide(logger: logging.Logger, **_: Any) -> None:
        hide_passwords(logger, secrets)

    for signal in (after_setup_logger, after_setup_task_logger):
        signal.connect(hide, weak=False)
