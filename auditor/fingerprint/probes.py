"""The strings on which a function is evaluated: fixed by its vocabulary and by the lengths it accepts.

Half of them are random over every token id, so that behaviour that no training objective covers counts; the others
are prefixes of Dyck words. Two long ones reach late positions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from auditor.canonical.architecture import Architecture, Pooling
from auditor.fingerprint.bits import integers
from auditor.language.vocabulary import Vocabulary

ROWS = 32
"""Random strings, and as many prefixes of Dyck words."""

LENGTH = 24
"""Tokens of each."""

LONG_ROWS = 2
LONG_LENGTH = 128
"""Later positions of a longer table are not evaluated."""

MAX_DEPTH = 5
"""Deepest nesting of the Dyck prefixes, whatever the language's own bound."""

Ids = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Interface:
    """What a function takes and gives: only functions with the same one can be compared."""

    vocabulary_size: int
    outputs: int
    read_out: int | Pooling | None
    max_positions: int | None
    opening: tuple[int, ...]
    closing: tuple[int, ...]
    start: int | None
    pad: int | None

    @classmethod
    def of(cls, architecture: Architecture, vocabulary: Vocabulary) -> Interface:
        """The interface of a model."""
        return cls(
            vocabulary_size=architecture.vocabulary_size,
            outputs=architecture.outputs,
            read_out=architecture.read_out,
            max_positions=architecture.max_positions,
            opening=vocabulary.opening,
            closing=vocabulary.closing,
            start=vocabulary.start,
            pad=vocabulary.pad,
        )

    def length(self, wanted: int) -> int:
        """``wanted`` tokens, or as many as the table holds, but enough to reach the read-out position."""
        at = self.read_out if isinstance(self.read_out, int) else -1
        reached = at + 1 if at >= 0 else -at
        return max(reached, min(wanted, self.max_positions or wanted))


def probe_strings(interface: Interface) -> tuple[Ids, ...]:
    """Batches of token ids [string, position], the same for every model of this interface."""
    short, long = interface.length(LENGTH), interface.length(LONG_LENGTH)
    return (
        _random_strings(interface, "random", ROWS, short),
        _dyck_prefixes(interface, ROWS, short),
        _random_strings(interface, "long", LONG_ROWS, long),
    )


def _random_strings(interface: Interface, name: str, rows: int, length: int) -> Ids:
    """Uniform over all ids; never PAD first, since a query without a visible key has no output."""
    tokens = integers(f"probe/{name}", rows * length, interface.vocabulary_size).reshape(rows, length)
    first = [i for i in range(interface.vocabulary_size) if i != interface.pad]
    tokens[:, 0] = np.array(first)[integers(f"probe/{name}/first", rows, len(first))]
    return tokens


def _dyck_prefixes(interface: Interface, rows: int, length: int) -> Ids:
    """START, then a walk that opens or closes with probability 1/2 wherever both are allowed."""
    moves = integers("probe/dyck/move", rows * length, 2).reshape(rows, length)
    types = integers("probe/dyck/type", rows * length, len(interface.opening)).reshape(rows, length)
    tokens = np.zeros((rows, length), dtype=np.int64)
    for row in range(rows):
        stack: list[int] = []
        for place in range(length):
            if place == 0 and interface.start is not None:
                tokens[row, place] = interface.start
            elif not stack or (moves[row, place] and len(stack) < MAX_DEPTH):
                stack.append(int(types[row, place]))
                tokens[row, place] = interface.opening[stack[-1]]
            else:
                tokens[row, place] = interface.closing[stack.pop()]
    return tokens
