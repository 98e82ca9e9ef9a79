"""The child is thrown away: it cannot outlive its limits, and only bytes come back."""

from __future__ import annotations

import errno
import os
import socket
import time
from collections.abc import Callable

import pytest
import torch

from auditor.checkpoints.intake import sandbox
from auditor.checkpoints.intake.sandbox import run_in_child
from auditor.errors import UnsafeFileError


def _greedy(_data: bytes) -> bytes:
    return bytes(torch.ones(2**33).numel())


def _endless(_data: bytes) -> bytes:
    while True:
        time.sleep(0.01)


def _crash(_data: bytes) -> bytes:
    os.abort()


def _exit(_data: bytes) -> bytes:
    os._exit(0)


def _verbose(data: bytes) -> bytes:
    return data * 10


def _list_descriptors(_data: bytes) -> bytes:
    def is_open(number: int) -> bool:
        try:
            os.fstat(number)
        except OSError:
            return False
        return True

    return str([number for number in range(1_000) if is_open(number)]).encode()


def _call_home(_data: bytes) -> bytes:
    try:
        socket.socket()
    except OSError as refused:
        return str(refused.errno).encode()
    return b"connected"


def _open_a_file(_data: bytes) -> bytes:
    try:
        os.open("/etc/hostname", os.O_RDONLY)
    except OSError as refused:
        return str(refused.errno).encode()
    return b"read"


def test_bytes_come_back_whole() -> None:
    assert run_in_child(_verbose, b"x" * 100_000) == b"x" * 1_000_000


def test_too_much_memory_is_refused() -> None:
    with pytest.raises(UnsafeFileError, match=r"memory|cannot read|SIG"):
        run_in_child(_greedy, b"")


def test_too_much_time_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "WALL_SECONDS", 0.3)
    start = time.monotonic()
    with pytest.raises(UnsafeFileError, match="takes over"):
        run_in_child(_endless, b"")
    assert time.monotonic() - start < 3


def test_a_crash_is_named() -> None:
    with pytest.raises(UnsafeFileError, match="SIGABRT"):
        run_in_child(_crash, b"")


def test_the_child_keeps_no_descriptor_of_its_parent() -> None:
    """Standard input, output and error, and the answer."""
    assert run_in_child(_list_descriptors, b"") == b"[0, 1, 2, 3]"


@pytest.mark.parametrize("work", [_call_home, _open_a_file])
def test_the_child_reaches_neither_network_nor_disk(work: Callable[[bytes], bytes]) -> None:
    """No descriptor is left for a file; a socket is refused before that where calls are filtered (test_isolation)."""
    refused = (errno.EMFILE, errno.EPERM) if work is _call_home else (errno.EMFILE,)
    assert int(run_in_child(work, b"")) in refused


def test_an_answer_that_never_came_is_empty_not_an_error_of_ours() -> None:
    assert run_in_child(_exit, b"") == b""
