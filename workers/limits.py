"""What one cell may take: time, by Celery's two limits, and memory, by the kernel's limit on a process.

    soft time limit    the cell gets an exception, fails with it, and the process goes on
    hard time limit    the process is killed, where one long call into a library has kept the exception out
    memory limit       an allocation beyond it fails; the cell fails with that, and the process goes on

The memory limit is RLIMIT_DATA: heap and private mappings of the process, its libraries' some hundred megabytes among
them. It works on Linux only.
"""

from __future__ import annotations

import resource
import sys
from typing import Any, Final

from celery import Celery

from auditor.errors import AuditorError, ConfigurationError
from workers.app import HARD_EXTRA_SECONDS, VISIBILITY_EXTRA_SECONDS

LEAST_MEBIBYTES: Final = 512
"""Below this, a process cannot even import its libraries."""

_MEBIBYTE: Final = 2**20
_ALLOCATORS: Final = ("can't allocate memory", "not enough memory")  # of PyTorch


def limit_time(app: Celery, seconds: float) -> None:
    """Set the soft limit of every cell, and with it the hard one and the time until a message is delivered again."""
    hard = seconds + HARD_EXTRA_SECONDS
    app.conf.task_soft_time_limit, app.conf.task_time_limit = seconds, hard
    app.conf.broker_transport_options = {
        **app.conf.broker_transport_options,
        "visibility_timeout": hard + VISIBILITY_EXTRA_SECONDS,
    }


def limit_memory(mebibytes: int) -> None:
    """Limit this process and those forked from it.

    Raises:
        ConfigurationError: the system has no such limit, or this one is too small.
    """
    if not sys.platform.startswith("linux"):
        raise ConfigurationError(f"a memory limit on {sys.platform}", expected="Linux", action="leave it out")
    if mebibytes < LEAST_MEBIBYTES:
        raise ConfigurationError(f"a memory limit of {mebibytes} MiB", expected=f"at least {LEAST_MEBIBYTES}")
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (mebibytes * _MEBIBYTE, most))


def explained(error: Exception) -> Exception:
    """An error of an allocation under a memory limit as one that says so; any other as it is."""
    limit, _ = resource.getrlimit(resource.RLIMIT_DATA)
    if limit == resource.RLIM_INFINITY or not _is_allocation(error):
        return error
    found = AuditorError(
        f"more memory than the limit of {limit // _MEBIBYTE} MiB for one process",
        action="use a smaller plan, or start workers with a larger --memory-limit",
    )
    found.__cause__ = error
    return found


def _is_allocation(error: Any) -> bool:
    if isinstance(error, MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _ALLOCATORS)
