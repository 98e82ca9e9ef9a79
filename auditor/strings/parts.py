"""A user's sequences in three parts that share none: for search, for interpretation, for certificates.

The rule is :data:`auditor.records.SPLIT`. It needs only the file, so that whatever the plan and the seed, what one
audit searched on is never what another certifies on.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from auditor.behaviour.input_batch import InputBatch
from auditor.canonical.model import CanonicalTransformer
from auditor.errors import LanguageError
from auditor.language.task import Task
from auditor.records import BY_WEIGHT, IN_ORDER, SPLIT, StringsFacts, StringsFile
from auditor.seeds import numpy_generator
from auditor.strings.sequences import Sequences, sequences_of

SHARE = 8
"""One sequence of so many is for search, and one for interpretation."""


class Part(StrEnum):
    """What sequences are for. ``WHOLE`` is all of them, for the behaviour of a model that is not changed."""

    SEARCH = "search"
    INTERPRETATION = "interpretation"
    CERTIFICATE = "certificate"
    WHOLE = "behaviour"


@dataclass(frozen=True)
class Given:
    """Inputs of a part, with their classes where the file has some."""

    inputs: InputBatch
    classes: NDArray[np.int64] | None


def take(task: Task, file: StringsFile, part: Part, count: int, seed: int) -> Given:
    """At most ``count`` sequences of a part: the first ones; where some weigh more, draws in proportion to weights.

    Raises:
        LanguageError: the file holds a string that is not of the task.
    """
    sequences = sequences_of(task, file)
    rows = _rows(task, file, part)
    if sequences.weighted:
        weights = sequences.weights[rows]
        generator = numpy_generator(seed, "strings", part)
        rows = rows[generator.choice(len(rows), size=count, p=weights / weights.sum())]
    rows = rows[:count]
    return Given(sequences.inputs(rows), None if sequences.classes is None else sequences.classes[rows])


def facts_of(task: Task, file: StringsFile) -> StringsFacts:
    """What a report says of a file of strings."""
    sequences = sequences_of(task, file)
    sizes = {part: len(_rows(task, file, part)) for part in Part}
    return StringsFacts(
        sha256=file.sha256,
        size=file.size,
        format=file.format,
        strings=sequences.lines,
        distinct=len(sequences),
        search=sizes[Part.SEARCH],
        interpretation=sizes[Part.INTERPRETATION],
        certificate=sizes[Part.CERTIFICATE],
        labelled=sequences.classes is not None,
        weighted=sequences.weighted,
        split=SPLIT,
        taken=BY_WEIGHT if sequences.weighted else IN_ORDER,
    )


def require_fit(model: CanonicalTransformer, file: StringsFile, where: str) -> StringsFacts:
    """What is in the file, after it was checked against a model. ``where`` names the file in messages.

    Raises:
        LanguageError: a string that the model cannot be asked, by its line.
    """
    try:
        sequences = sequences_of(model.task, file)
        sequences.require_room(model.architecture.max_positions)
        if model.architecture.is_classifier:
            sequences.require_classes(model.architecture.outputs)
    except LanguageError as wrong:
        raise LanguageError(f"{where}: {wrong.found}", expected=wrong.expected, action=wrong.action) from None
    return facts_of(model.task, file)


@lru_cache(maxsize=12)
def _rows(task: Task, file: StringsFile, part: Part) -> NDArray[np.int64]:
    """The sequences of a part, in the order of their hashes."""
    order = _order(task, file)
    first = len(order) // SHARE
    bounds = {
        Part.SEARCH: slice(first),
        Part.INTERPRETATION: slice(first, 2 * first),
        Part.CERTIFICATE: slice(2 * first, None),
        Part.WHOLE: slice(None),
    }
    return order[bounds[part]]


@lru_cache(maxsize=4)
def _order(task: Task, file: StringsFile) -> NDArray[np.int64]:
    sequences = sequences_of(task, file)
    hashes = [_hash(sequences, row) for row in range(len(sequences))]
    return np.asarray(sorted(range(len(sequences)), key=hashes.__getitem__), dtype=np.int64)


def _hash(sequences: Sequences, row: int) -> bytes:
    spelled = sequences.task.language.vocabulary.decode(sequences.tokens[row][:-1].tolist())
    return hashlib.sha256(" ".join(spelled).encode()).digest()
