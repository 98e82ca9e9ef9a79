"""What the server says while it runs: lines and tracebacks on stderr, without passwords and tokens."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final
from urllib.parse import unquote

from auditor.urls import has_token, without_passwords
from cli.output import Output

OURS: Final = ("uvicorn", "cli.dashboard", "workers")


class _Lines(logging.Handler):
    def __init__(self, output: Output) -> None:
        super().__init__()
        self._output = output

    def emit(self, record: logging.LogRecord) -> None:
        """One record, with its traceback where there is one."""
        said = record.getMessage()
        if has_token(unquote(said)):  # an address may hold it with some letters as %64
            said = unquote(said)
        self._output.error(without_passwords(said, self._output.secrets))
        if record.exc_info and record.exc_info[1] is not None:
            self._output.traceback(record.exc_info[1])


@contextmanager
def logged(output: Output) -> Iterator[None]:
    """Show the log of this server's own parts; only warnings and errors unless the output is verbose."""
    handler = _Lines(output)
    loggers = [logging.getLogger(name) for name in OURS]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(logging.INFO if output.verbose else logging.WARNING)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeHandler(handler)
