"""A child that reads pickles has no network, starts no program and touches no other process: each barrier by itself."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from auditor.checkpoints.intake import isolation, sandbox
from auditor.checkpoints.intake.isolation import FILTER, NAMESPACE
from auditor.checkpoints.intake.sandbox import barriers, run_in_child

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the barriers are Linux's")


@pytest.fixture
def listener() -> Iterator[tuple[str, int]]:
    """A server on this machine, which a child should not reach."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()


def _without(monkeypatch: pytest.MonkeyPatch, barrier: str) -> None:
    """Leave one barrier away; skip where the other one is not allowed here."""
    other = FILTER if barrier == NAMESPACE else NAMESPACE
    if other not in barriers():
        pytest.skip(f"this system does not allow {other}")
    monkeypatch.setattr(isolation, "_leave_network" if barrier == NAMESPACE else "_filter_calls", lambda: False)
    assert barriers() == (other,)


def _tried(attempt: Callable[[], object]) -> str:
    """What a child that has made room for descriptors gets when it tries."""

    def work(_: bytes) -> bytes:
        os.close(0)
        os.close(1)
        try:
            attempt()
        except OSError as error:
            return type(error).__name__.encode() + str(error.errno).encode()
        return b"done"

    return run_in_child(work, b"").decode()


def test_a_hostile_child_makes_room_for_a_socket_and_a_barrier_stops_it(
    listener: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limit of descriptors alone would not: the child closes its standard input."""
    if not barriers():
        pytest.skip("this system allows neither barrier")
    assert _tried(lambda: socket.create_connection(listener, timeout=2)) != "done"
    monkeypatch.setattr(isolation, "_leave_network", lambda: False)
    monkeypatch.setattr(isolation, "_filter_calls", lambda: False)
    assert barriers() == ()
    assert _tried(lambda: socket.create_connection(listener, timeout=2)) == "done"


def test_the_filter_alone(listener: tuple[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    _without(monkeypatch, NAMESPACE)
    parent = os.getpid()
    assert _tried(lambda: socket.create_connection(listener, timeout=2)) == "PermissionError1"
    assert _tried(lambda: os.execv("/bin/true", ["true"])) == "PermissionError1"
    assert _tried(lambda: os.kill(parent, signal.SIGKILL)) == "PermissionError1"
    assert _tried(lambda: subprocess.run(["/bin/true"], check=False)) != "done"


def test_the_namespace_alone(listener: tuple[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    _without(monkeypatch, FILTER)
    assert _tried(lambda: socket.create_connection(listener, timeout=2)).startswith("OSError")  # no route


def test_this_process_keeps_its_network(listener: tuple[str, int]) -> None:
    barriers()
    socket.create_connection(listener, timeout=5).close()
    assert not sandbox._standing
