"""A child process that has torch, and does for the server what needs it: one thing at a time, within a time limit.

The server itself stays small and answers while a checkpoint is read. What a hostile file can do to the process that
reads it (see ``auditor.checkpoints.intake.sandbox``) does not reach the server; when the process ends, the next one is
started. It ends with the server, because its pipe does.
"""

from __future__ import annotations

import logging
import multiprocessing
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any, Final, ParamSpec, Protocol, TypeVar

from auditor.errors import AuditorError
from cli.dashboard.refusal import Refusal

Given = ParamSpec("Given")
Answer = TypeVar("Answer")

LIMIT_SECONDS: Final = 300.0
"""Storing the largest models that were seen takes seconds."""

WAITING: Final = 8
"""Requests that may wait for their turn."""

_log = logging.getLogger(__name__)


class ModelProcess(Protocol):
    """Calls functions of a module where torch is."""

    def run(self, work: Callable[Given, Answer], *given: Given.args, **named: Given.kwargs) -> Answer:
        """The answer of the function, or the AuditorError that it raised."""

    def close(self) -> None:
        """End what runs."""


class ChildProcess:
    """A process of its own."""

    def __init__(self, *, limit_seconds: float = LIMIT_SECONDS) -> None:
        self._limit = limit_seconds
        self._turn = threading.Lock()
        self._waiting = threading.Semaphore(WAITING)
        self._child: tuple[SpawnProcess, Connection] | None = None

    def start(self) -> None:
        """Start it before the first request, because importing torch takes seconds."""
        with self._turn:
            self._child = self._child or _started()

    def run(self, work: Callable[Given, Answer], *given: Given.args, **named: Given.kwargs) -> Answer:
        """As the protocol says.

        Raises:
            AuditorError: as the function, or the process ended or took too long.
            Refusal: too many requests wait already.
        """
        if not self._waiting.acquire(blocking=False):
            raise Refusal(
                503, "too many requests wait for a model", do="try again later", headers={"Retry-After": "30"}
            )
        try:
            with self._turn:
                is_answer, found = self._ask((work, given, named))
        finally:
            self._waiting.release()
        if not is_answer:
            raise found
        answer: Answer = found
        return answer

    def close(self) -> None:
        """End the process at once."""
        child, self._child = self._child, None
        if child is not None:
            process, pipe = child
            process.kill()
            process.join()
            pipe.close()

    def _ask(self, task: tuple[Any, ...]) -> tuple[bool, Any]:
        _, pipe = self._child = self._child or _started()
        try:
            pipe.send(task)
            if not pipe.poll(self._limit):
                raise TimeoutError
            answer: tuple[bool, Any] = pipe.recv()
        except TimeoutError:
            self.close()
            raise AuditorError(
                f"over {self._limit:.0f} s of work on a model", action="use a smaller model, or the command line"
            ) from None
        except (EOFError, OSError):
            self.close()
            raise AuditorError(
                "the process that reads models ended", expected="a model that fits in memory", action="try again"
            ) from None
        return answer


class SameProcess:
    """The calling process, for tests."""

    def run(self, work: Callable[Given, Answer], *given: Given.args, **named: Given.kwargs) -> Answer:
        """As the protocol says."""
        return work(*given, **named)

    def close(self) -> None:
        """Nothing runs."""


def _started() -> tuple[SpawnProcess, Connection]:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs,), name="models", daemon=True)
    process.start()
    theirs.close()
    return process, ours


def _serve(pipe: Connection) -> None:
    """The child: answer until the pipe ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server, which then ends the pipe
    import torch

    torch.set_num_threads(1)
    with suppress(EOFError, OSError):
        while True:
            work, given, named = pipe.recv()
            pipe.send(_outcome(work, given, named))


def _outcome(work: Callable[..., Any], given: Any, named: Any) -> tuple[bool, Any]:
    try:
        return True, work(*given, **named)
    except AuditorError as error:
        return False, error
    except MemoryError:
        return False, AuditorError("out of memory", expected="a model that fits", action="choose a smaller one")
    except Exception as defect:  # noqa: BLE001 - the door of this process
        _log.exception("%s failed", work.__name__)
        return False, RuntimeError(f"{type(defect).__name__} in {work.__name__}: {defect}")
