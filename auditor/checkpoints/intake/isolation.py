"""Takes the network and new programs away from this process, for good: what a child that reads pickles does first.

Two barriers, either of which is enough, because many systems allow only one: a network namespace of its own, in which
there is no interface that is up (in containers usually forbidden), and a filter of system calls (seccomp; Linux on
x86-64 and ARM64). In a user namespace root has also lost the right to lift its limits.
Sources: unshare(2), seccomp(2), and linux/filter.h for the instructions.
"""

from __future__ import annotations

import ctypes
import errno
import platform
import struct
import sys
from dataclasses import dataclass
from typing import Final

NAMESPACE: Final = "a network namespace of its own"
FILTER: Final = "a filter of system calls"

_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 38, 22, 2
_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06  # BPF: ld [k]; jeq; jge; ret
_NUMBER_AT, _ARCHITECTURE_AT = 0, 4  # offsets in struct seccomp_data
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000 | errno.EPERM
_X32_CALLS = 0x40000000  # a second set of numbers on x86-64


@dataclass(frozen=True, slots=True)
class _Calls:
    """The kernel's number of an architecture, and of the calls that are refused there."""

    architecture: int
    socket: int
    socketpair: int
    connect: int
    execve: int
    execveat: int
    ptrace: int
    kill: int
    io_uring_setup: int = 425

    @property
    def refused(self) -> tuple[int, ...]:
        """No socket, no program, no hand on another process."""
        network = (self.socket, self.socketpair, self.connect, self.io_uring_setup)
        return (*network, self.execve, self.execveat, self.ptrace, self.kill)


_KNOWN = {
    "x86_64": _Calls(0xC000003E, 41, 53, 42, 59, 322, 101, 62),
    "aarch64": _Calls(0xC00000B7, 198, 199, 203, 221, 281, 117, 129),
}
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def isolate() -> tuple[str, ...]:
    """Put up what the system allows; the names of the barriers that stand. None of them can be taken down again."""
    stand = ((NAMESPACE, _leave_network), (FILTER, _filter_calls))
    return tuple(name for name, put_up in stand if put_up())


def _leave_network() -> bool:
    """Needs a process of one thread."""
    return _libc is not None and _libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET) == 0


def _filter_calls() -> bool:
    calls = _KNOWN.get(platform.machine())
    if _libc is None or calls is None or struct.calcsize("P") != 8:
        return False
    program = _program(calls)
    code = ctypes.create_string_buffer(program, len(program))
    head = struct.pack("HP", len(program) // 8, ctypes.addressof(code))
    if _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        return False
    return bool(_libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, head, 0, 0) == 0)


def _program(calls: _Calls) -> bytes:
    """Refuse a foreign set of call numbers and the calls that are listed; allow the others."""
    refused = calls.refused
    rest = len(refused)
    lines = [
        (_LOAD, 0, 0, _ARCHITECTURE_AT),
        (_EQUAL, 0, rest + 3, calls.architecture),
        (_LOAD, 0, 0, _NUMBER_AT),
        (_AT_LEAST, rest + 1, 0, _X32_CALLS),
        *((_EQUAL, rest - place, 0, number) for place, number in enumerate(refused)),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _REFUSE),
    ]
    return b"".join(struct.pack("HBBI", *line) for line in lines)
