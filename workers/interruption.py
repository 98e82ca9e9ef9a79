"""An exception raised in the main thread on a signal: stops a computation that does not check for cancellation itself.

The signal's handler stays for the life of the process and raises only while it is armed, so that a signal which comes
too late does nothing. A call into a library is not cut short.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Collection
from types import CodeType, FrameType

_SIGNAL = signal.SIGUSR2  # SIGUSR1 is the one by which Celery raises its soft time limit

_armed: type[Exception] | None = None
_never_in: frozenset[CodeType] = frozenset()


def arm(kind: type[Exception], *, never_in: Collection[CodeType]) -> bool:
    """Let :func:`interrupt` raise an exception of this kind, made without arguments; whether it can here.

    It is never raised in the functions ``never_in``: those that arm and that end what was armed. Only the main thread
    can be interrupted.
    """
    global _armed, _never_in
    if threading.current_thread() is not threading.main_thread():
        return False
    signal.signal(_SIGNAL, _raise)
    _armed, _never_in = kind, frozenset((*never_in, arm.__code__, disarm.__code__))
    return True


def disarm() -> None:
    """Raise nothing from now on."""
    global _armed  # noqa: PLW0603
    _armed = None


def interrupt() -> None:
    """Raise what is armed in the main thread as soon as it runs Python again."""
    main = threading.main_thread().ident
    if _armed is not None and main is not None:
        signal.pthread_kill(main, _SIGNAL)


def _raise(_number: int, frame: FrameType | None) -> None:
    if _armed is not None and (frame is None or frame.f_code not in _never_in):
        raise _armed
