"""How one worker is run: its name, its processes, its log, and how long it may take to end."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final

GRACE_SECONDS: Final = 8.0
"""Under the 10 s after which Docker kills a container that it was asked to stop."""

SOFT_LIMIT_SECONDS: Final = 2 * 3600.0
"""Time that a cell may take. The longest cell seen, a twin of the full plan, takes minutes."""


KILL_SECONDS: Final = 4.0
"""After this long the processes that compute have ended, or the worker ends without waiting for them."""


class LogFormat(StrEnum):
    """How a line of the log is written."""

    TEXT = "text"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class LogOptions:
    """Where a worker's lines go: into ``file``, else to stderr. ``verbose`` adds Celery's own."""

    file: Path | None = None
    format: LogFormat = LogFormat.TEXT
    verbose: bool = False


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """Options of one worker, beside its settings."""

    concurrency: int = 2
    hostname: str | None = None  # None: the machine's name and the process id
    logs: LogOptions = field(default_factory=LogOptions)
    grace_seconds: float = GRACE_SECONDS
    metrics: str | None = None  # the address that they are served at; None: nowhere
    time_limit: float = SOFT_LIMIT_SECONDS  # seconds that a cell may take
    memory_limit: int | None = None  # MiB that a process may hold; None: what the machine has

    def arguments(self) -> list[str]:
        """The same options for ``python -m workers.serving``."""
        given = {
            "--concurrency": self.concurrency,
            "--hostname": self.hostname,
            "--log-file": self.logs.file,
            "--log-format": self.logs.format,
            "--grace": self.grace_seconds,
            "--metrics": self.metrics,
            "--time-limit": self.time_limit,
            "--memory-limit": self.memory_limit,
        }
        words = [word for name, value in given.items() if value is not None for word in (name, str(value))]
        return [*words, "--verbose"] if self.logs.verbose else words
