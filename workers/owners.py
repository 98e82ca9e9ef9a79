"""The owner of a cell: a name that is new at every claim and gives the host and the process."""

from __future__ import annotations

import os
import socket
import uuid


def new_owner() -> str:
    """A name for one claim: host, session of processes, process and a random part."""
    return f"{owners_of(os.getsid(0))}{os.getpid()}/{uuid.uuid4().hex[:12]}"


def owners_of(session_id: int) -> str:
    """How the names of all claims of one session of processes on this host begin."""
    return f"{socket.gethostname()}/{session_id}/"
