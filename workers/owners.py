"""The owner of a cell: a name that is new at every claim and gives the host and the worker's main process.

    HOST/MAIN PROCESS/NUMBER OF ITS START/PROCESS/CLAIM

The number is drawn when a worker starts, so that one that is restarted under the same process id, as in a container,
never takes itself for the one before.
"""

from __future__ import annotations

import os
import socket
import uuid

_worker: list[str] = []
"""The beginning of the names of this process and of those forked from it; set by the worker that they belong to."""


def begin_worker() -> str:
    """Make this process a worker's main process; how the names of all claims of its pool begin."""
    _worker[:] = [f"{owners_of(os.getpid())}{uuid.uuid4().hex[:8]}/"]
    return _worker[0]


def new_owner() -> str:
    """A name for one claim."""
    beginning = _worker[0] if _worker else f"{owners_of(os.getpid())}-/"
    return f"{beginning}{os.getpid()}/{uuid.uuid4().hex[:12]}"


def owners_of(main_process: int) -> str:
    """How the names of all claims of a worker on this host begin, by the id of its main process."""
    return f"{socket.gethostname()}/{main_process}/"
