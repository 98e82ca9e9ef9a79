"""Child processes that end with this process, however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from celery.platforms import set_pdeathsig


def start(
    command: list[str], *, environment: Mapping[str, str] | None = None, output: int = subprocess.DEVNULL
) -> subprocess.Popen[bytes]:
    """A process in a session of its own, so that Ctrl-C reaches only us.

    On Linux the kernel kills it when the thread that started it ends, also when we are killed ourselves.

    Raises:
        OSError: the program cannot be run.
    """
    return subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        start_new_session=True,
        preexec_fn=lambda: set_pdeathsig("SIGKILL"),  # noqa: PLW1509 - one call into libc, loaded before the fork
    )


def kill(process: subprocess.Popen[bytes]) -> None:
    """End a process and all of its session at once."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def last_line(log: Path, start_at: int = 0) -> str:
    """The last thing that a process wrote to its log after a position."""
    try:
        with log.open("rb") as source:
            source.seek(start_at)
            lines = source.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return "it left no log"
    return next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")
