"""The clock of one machine, which a test sets while programs run on it. Linux with a C compiler."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

SOURCE = Path(__file__).with_suffix(".c")


class MachineClock:
    """What the programs of a test read as the time of day."""

    def __init__(self, folder: Path) -> None:
        self._file, self._library = folder / "ahead", folder / "clock.so"
        self._file.write_bytes(bytes(8))
        command = ["cc", "-O1", "-shared", "-fPIC", "-o", str(self._library), str(SOURCE), "-ldl"]
        subprocess.run(command, check=True)

    @property
    def environment(self) -> dict[str, str]:
        """With it in its environment, a program and all that it starts read this clock."""
        return {"LD_PRELOAD": str(self._library), "DYCK_AUDIT_TEST_CLOCK": str(self._file)}

    def jump(self, seconds: int) -> None:
        """Set the clock to so many seconds before or after the true time."""
        with self._file.open("r+b") as file:  # the same file, which is mapped into the programs
            file.write(seconds.to_bytes(8, sys.byteorder, signed=True))


@contextmanager
def machine_clock() -> Iterator[MachineClock]:
    """A clock that is right at first; the test is skipped where there can be none."""
    if not sys.platform.startswith("linux") or shutil.which("cc") is None:
        pytest.skip("the clock of a program is moved by a library for Linux, which a C compiler makes: install gcc")
    folder = Path(tempfile.mkdtemp(prefix="dyck-audit-clock-"))
    folder.chmod(0o755)  # PostgreSQL runs as another user
    try:
        yield MachineClock(folder)
    finally:
        shutil.rmtree(folder)
