"""The installed command, as a user types it, in a process of its own."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from auditor.settings import BROKER_VARIABLE, Settings
from tests.acceptance.worker_process import environment_of
from tests.planted import heard

COMMAND = str(Path(sys.executable).parent / "dyck-audit")
MOST_SECONDS = 280

TINY_PLAN = """
base = "quick"
sequences = 16
certificate_sequences = 60
behaviour_sequences = 40
longer_sequences = 4
bootstrap_draws = 2000
"""
"""Without its methods and equivalences."""

SMALL_PLAN = """
base = "quick"
sequences = 24
certificate_sequences = 200
behaviour_sequences = 100
longer_sequences = 8
twin_steps = 20
bootstrap_draws = 1999
"""


def environment(settings: Settings) -> dict[str, str]:
    """What the command reads its settings from."""
    values = dict(environment_of(settings))
    if settings.broker_url is None:
        values.pop(BROKER_VARIABLE, None)
    return values


def run(settings: Settings, *arguments: str, expect: int = 0) -> subprocess.CompletedProcess[str]:
    """A command that should end with this exit code."""
    ended = subprocess.run(
        [COMMAND, *arguments],
        env=environment(settings),
        capture_output=True,
        text=True,
        timeout=MOST_SECONDS,
        check=False,
    )
    heard.note(f"dyck-audit {' '.join(arguments)}", ended.stdout, ended.stderr)
    assert ended.returncode == expect, f"{arguments}: exit {ended.returncode}\n{ended.stdout}\n{ended.stderr}"
    return ended


def document(settings: Settings, *arguments: str) -> Any:
    """What a command prints with --json."""
    return json.loads(run(settings, *arguments, "--json").stdout)


class Started(subprocess.Popen[str]):
    """A command that goes on; what it says until its end is heard."""

    def communicate(self, *arguments: Any, **options: Any) -> tuple[str, str]:
        """Wait for its end; what it said."""
        said = super().communicate(*arguments, **options)
        heard.note(str(self.args), *said)
        return said


def start(settings: Settings, *arguments: str) -> Started:
    """A command that goes on, and that Ctrl-C reaches also when the tests run in the background."""
    return Started(
        [COMMAND, *arguments],
        env=environment(settings),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=_hear_interrupts,
    )


def _hear_interrupts() -> None:
    """A shell's background jobs ignore SIGINT, and so would every process they start."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
