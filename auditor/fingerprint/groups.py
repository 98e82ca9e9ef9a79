"""Which of many models compute one function. No torch."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from auditor.fingerprint.sketch import TOLERANCE, distances, read_sketch

SHELF = 2 * TOLERANCE
"""Width of a shelf in ln ‖sketch‖."""


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
    """The first fingerprint of each class, where those of about the same norm are found at once.

    ‖a − b‖ ≤ t max(‖a‖, ‖b‖) implies |ln ‖a‖ − ln ‖b‖| ≤ −ln(1 − t), less than the width of a shelf: what is one
    function stands on the same shelf or on one beside it.
    """

    def __init__(self) -> None:
        self.seen: dict[str, int] = {}
        self.shelves: dict[tuple[str, int | None], list[tuple[int, NDArray[np.float64]]]] = defaultdict(list)

    def place(self, fingerprint: str) -> int:
        """The number of the class that the fingerprint belongs to, a new one where there is none."""
        if fingerprint not in self.seen:
            self.seen[fingerprint] = self._nearest(fingerprint)
        return self.seen[fingerprint]

    def _nearest(self, fingerprint: str) -> int:
        new, sketch = len(self.seen), read_sketch(fingerprint)
        if sketch is None:
            return new
        vector = sketch.vector
        norm = float(np.linalg.norm(vector))
        shelf = math.floor(math.log(norm) / SHELF) if norm > 0 else None
        beside = [shelf] if shelf is None else [shelf - 1, shelf, shelf + 1]
        near = [entry for one in beside for entry in self.shelves.get((sketch.interface, one), ())]
        if near:
            apart = distances(sketch, np.stack([vector for _, vector in near]))
            same = [place for (place, _), distance in zip(near, apart, strict=True) if distance <= TOLERANCE]
            if same:
                return min(same)
        self.shelves[sketch.interface, shelf].append((new, vector))
        return new
