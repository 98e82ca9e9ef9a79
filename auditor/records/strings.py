"""The sequences that a user gave in place of those drawn from the task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from auditor.records.record import NOT_WRITTEN, Record
from auditor.records.values import Json

SPLIT = (
    "distinct sequences in the order of the SHA-256 of their tokens joined by blanks: "
    "the first eighth for search, the second for interpretation, the rest for certificates"
)
"""Which sequences go where; no two parts share one, and every plan splits a file in the same way."""

IN_ORDER = "the first of each part, each once"
BY_WEIGHT = "drawn with replacement, with chances in proportion to weights; a line without one weighs 1"


@dataclass(frozen=True, slots=True)
class StringsFile(Record):
    """A file of strings, known by its bytes: what an audit of them is found again by."""

    sha256: str
    size: int  # bytes
    format: str  # how the bytes are read
    data: bytes = field(default=b"", repr=False, compare=False, metadata=NOT_WRITTEN)

    @classmethod
    def _before_reading(cls, data: Mapping[str, Json]) -> Mapping[str, Json]:
        """Without the bytes: the caller attaches them from where they are stored."""
        return {name: value for name, value in data.items() if name != "data"}


@dataclass(frozen=True, slots=True)
class StringsFacts(Record):
    """Facts in a report about the strings that its audit used."""

    sha256: str  # of the file
    size: int  # of the file, in bytes
    format: str
    strings: int  # in the file
    distinct: int  # of which the model reads different tokens
    search: int  # distinct ones in each part
    interpretation: int
    certificate: int
    labelled: bool  # whether each has a class
    weighted: bool  # whether some count more than others, by a weight or because they are repeated
    split: str  # which go where
    taken: str  # which of a part are used
