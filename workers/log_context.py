"""What a process is computing: the ids that every log line of a cell carries."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

_bound: dict[str, object] = {}
"""Of this process, not of a thread: it computes one cell at a time, and the thread that keeps its lease logs too."""


@contextmanager
def bound(**ids: object) -> Iterator[None]:
    """Add ids to every log line until the end of the block."""
    before = dict(_bound)
    _bound.update(ids)
    try:
        yield
    finally:
        _bound.clear()
        _bound.update(before)


def bind(**ids: object) -> None:
    """Add ids that become known inside a block of :func:`bound`; its end takes them away."""
    _bound.update(ids)


def bound_ids() -> Mapping[str, object]:
    """The ids of now."""
    return dict(_bound)
