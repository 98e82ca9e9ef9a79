"""Which of many models compute one function. No torch."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from auditor.fingerprint.sketch import TOLERANCE, distances, read_sketch


def one_function(fingerprints: Iterable[tuple[str, str]]) -> tuple[tuple[str, ...], ...]:
    """Names in classes of one function, from (name, fingerprint) in order; each class begins with its first name.

    A name joins the first class whose first member is the same function, so a class is never wider than the tolerance
    around that member, however many join.
    """
    classes = _Classes()
    members: dict[int, list[str]] = defaultdict(list)
    for name, fingerprint in fingerprints:
        members[classes.place(fingerprint)].append(name)
    return tuple(tuple(names) for names in members.values())


class _Classes:
    """The first fingerprint of each class, ready to be compared with a new one all at once."""

    def __init__(self) -> None:
        self.seen: dict[str, int] = {}
        self.first: dict[str, tuple[list[int], list[NDArray[np.float64]]]] = defaultdict(lambda: ([], []))

    def place(self, fingerprint: str) -> int:
        """The number of the class that the fingerprint belongs to, a new one where there is none."""
        if fingerprint not in self.seen:
            self.seen[fingerprint] = self._nearest(fingerprint)
        return self.seen[fingerprint]

    def _nearest(self, fingerprint: str) -> int:
        new, sketch = len(self.seen), read_sketch(fingerprint)
        if sketch is None:
            return new
        places, vectors = self.first[sketch.interface]
        if vectors:
            near = distances(sketch, np.stack(vectors)) <= TOLERANCE
            if near.any():
                return places[int(near.argmax())]
        places.append(new)
        vectors.append(sketch.vector)
        return new
