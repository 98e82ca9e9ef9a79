"""Runs one function of foreign bytes in a child process that is thrown away, under limits of memory, time and output.

The child is forked from the process that has torch imported (about 30 ms; a fresh interpreter takes seconds), uses
one thread, keeps no descriptor but the one it answers through, and never returns. It has no network and starts no
program (``isolation``). What it answers is bytes: nothing that the child made is unpickled.
Known limits: a system without ``os.fork`` cannot read pickles at all; where the system allows neither barrier of
``isolation``, as macOS, only the limit of descriptors stands before the network. ``dyck-audit doctor`` says so.
"""

from __future__ import annotations

import os
import resource
import signal
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import torch

from auditor.checkpoints.intake.isolation import isolate
from auditor.errors import AuditorError, UnsafeFileError

MEMORY_BYTES = 3 * 2**29
"""Address space on top of what the parent already has: a checkpoint at its limit, twice, and room to work."""

CPU_SECONDS = 10
WALL_SECONDS = 10.0
MAX_ANSWER_BYTES = 640 * 2**20
ANSWER = 3
"""The child's one descriptor besides standard input, output and error."""

_REFUSED = 3  # exit status: the answer is a refusal in text
_UNREADABLE = 4  # exit status: the answer is the text of an error of a library
_POLL_SECONDS = 0.002
_standing: list[str] = []  # barriers around this process; filled in a child


def run_in_child(work: Callable[[bytes], bytes], data: bytes) -> bytes:
    """``work(data)``, computed by a child process.

    Raises:
        UnsafeFileError: the work refused the data, failed, or went over a limit.
    """
    if not hasattr(os, "fork"):
        raise UnsafeFileError(
            "a pickled checkpoint on a system without os.fork", expected="safetensors", action="convert it on Linux"
        )
    with tempfile.TemporaryFile() as answer:
        status = _wait(_fork(work, data, answer.fileno()))
        size = os.fstat(answer.fileno()).st_size
        if os.WIFSIGNALED(status):
            raise _over_limit(os.WTERMSIG(status))
        answer.seek(0)
        code = os.waitstatus_to_exitcode(status)
        if code == 0:
            return answer.read(min(size, MAX_ANSWER_BYTES))
        words = answer.read(min(size, 400)).decode("utf-8", "replace")
    if code == _REFUSED:
        raise UnsafeFileError(
            words, expected="dense tensors by name, flat or in one entry", action="save module.state_dict()"
        )
    raise UnsafeFileError(
        f"a checkpoint that torch cannot read: {words or 'no answer'}",
        expected="the output of torch.save(module.state_dict())",
        action="copy or save it again, or save it as safetensors",
    )


def barriers() -> tuple[str, ...]:
    """Which barriers of ``isolation`` stand between a child and the network on this system.

    Raises:
        UnsafeFileError: no child can be run here.
    """
    return tuple(filter(None, run_in_child(lambda _: "\n".join(_standing).encode(), b"").decode().split("\n")))


def _fork(work: Callable[[bytes], bytes], data: bytes, answer: int) -> int:
    with warnings.catch_warnings():
        # Python 3.12 warns that a fork keeps only the calling thread: the child needs no other, and has a wall limit.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        _child(work, data, answer)
    return child


def _child(work: Callable[[bytes], bytes], data: bytes, answer: int) -> None:
    code = _UNREADABLE
    try:
        _restrict(answer)
        answer = ANSWER
        try:
            result = work(data)
            code = 0
        except UnsafeFileError as refused:
            result, code = refused.found.encode(), _REFUSED
        except BaseException as wrong:  # noqa: BLE001 - whatever a hostile file can raise becomes one line
            result = _first_sentence(wrong).encode()
        view = memoryview(result)
        while view:
            view = view[os.write(answer, view) :]
    except BaseException:  # noqa: BLE001 - the child must not run one line of its parent's code
        code = _UNREADABLE
    finally:
        os._exit(code)


def _first_sentence(wrong: BaseException) -> str:
    """Only the first: torch goes on to advise an unsafe load."""
    words = ascii(str(wrong))[1:-1].split(". ")[0].split("\\n")[0]
    return f"{type(wrong).__name__}: {words[:120]}"


def _restrict(answer: int) -> None:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM, signal.SIGXCPU, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    signal.alarm(int(WALL_SECONDS) + 1)
    silence = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(silence, standard)
    if answer != ANSWER:
        os.dup2(answer, ANSWER)
    os.closerange(ANSWER + 1, os.sysconf("SC_OPEN_MAX"))
    warnings.simplefilter("ignore")  # not shown to the user there, and the parent may turn them into errors
    torch.set_num_threads(1)
    _standing[:] = isolate()
    own = _address_space()
    if own is not None:
        _limit(resource.RLIMIT_AS, own + MEMORY_BYTES)
    _limit(resource.RLIMIT_CPU, CPU_SECONDS)
    _limit(resource.RLIMIT_FSIZE, MAX_ANSWER_BYTES)
    _limit(resource.RLIMIT_NOFILE, ANSWER + 1)
    _limit(resource.RLIMIT_CORE, 0)


def _limit(what: int, value: int) -> None:
    _, hard = resource.getrlimit(what)
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(what, (value, value))


def _address_space() -> int | None:
    """Bytes of address space this process has, None where the system does not report it."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    except OSError:
        return None
    return pages * resource.getpagesize()


def _wait(child: int) -> int:
    deadline = time.monotonic() + WALL_SECONDS
    finished, status = 0, 0
    try:
        while not finished:
            finished, status = os.waitpid(child, os.WNOHANG)
            if finished:
                break
            if time.monotonic() > deadline:
                raise UnsafeFileError(f"a checkpoint that takes over {WALL_SECONDS:.0f} s to read")
            time.sleep(_POLL_SECONDS)
    finally:
        if not finished:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
    return status


def _over_limit(number: int) -> AuditorError:
    return UnsafeFileError(
        f"reading the checkpoint was stopped by {signal.Signals(number).name}",
        expected=f"at most {CPU_SECONDS} s of CPU and {MEMORY_BYTES // 2**20:,} MB of memory",
        action="save module.state_dict() as safetensors",
    )
