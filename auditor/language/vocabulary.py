"""Token ids and spellings of a bracket vocabulary. No torch, no numpy: imported by the command line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any

from auditor.errors import ConfigurationError, LanguageError
from auditor.files.documents import Table

MAX_TYPES = 1_000
"""Above any number of bracket types in use."""

MOST_NAMED = 16
"""Brackets that a message lists; of more it names the first and the last."""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Which id means what. ``opening[t]`` and ``closing[t]`` are the two brackets of type t.

    Ids that are None do not exist in this vocabulary. ``spellings[id]`` is the text of a token.

    Raises:
        ConfigurationError: ids collide, lie outside the vocabulary, or a bracket has no partner.
    """

    spellings: tuple[str, ...]
    opening: tuple[int, ...]
    closing: tuple[int, ...]
    start: int | None = None
    end: int | None = None
    pad: int | None = None
    mask: int | None = None

    def __post_init__(self) -> None:
        if not self.opening or len(self.opening) != len(self.closing):
            raise ConfigurationError(
                f"{len(self.opening)} opening and {len(self.closing)} closing brackets",
                expected="one closing bracket for each opening one, at least one pair",
                action="name them in the vocabulary of the configuration",
            )
        marks = {self.start, self.end}  # one token may stand at both ends, as GPT-2's does
        special = [i for i in (*marks, self.pad, self.mask) if i is not None]
        used = [*special, *self.opening, *self.closing]
        outside = [i for i in used if not 0 <= i < len(self.spellings)]
        if outside:
            raise ConfigurationError(
                f"token id {outside[0]} in a vocabulary of {len(self.spellings)}",
                expected="ids below the vocabulary size",
                action="correct the ids in the configuration",
            )
        if len(set(used)) != len(used):
            raise ConfigurationError(
                "two meanings for one token id",
                expected="different ids for START or END, PAD, MASK and each bracket",
                action="correct the ids in the configuration",
            )
        if len(set(self.spellings)) != len(self.spellings):
            raise ConfigurationError("two tokens with one spelling", expected="distinct spellings")

    def __len__(self) -> int:
        return len(self.spellings)

    @property
    def types(self) -> int:
        """k, the number of bracket types."""
        return len(self.opening)

    def encode(self, text: str) -> list[int]:
        """Ids of a string: tokens with or without blanks between them.

        START, END, PAD and MASK may be written so, whatever their spelling, unless another token is spelled so.

        Raises:
            LanguageError: a token that is not in the vocabulary, or a piece without blanks with two readings.
        """
        index = _readings(self)
        ids: list[int] = []
        for piece in text.split():
            ids += [index[piece]] if piece in index else self._segmented(piece, index, len(ids))
        return ids

    def _segmented(self, piece: str, index: Mapping[str, int], position: int) -> list[int]:
        """The one way to cut a piece into spellings, by the number of ways to cut each of its beginnings."""
        ways, last = [1, *[0] * len(piece)], [0] * (len(piece) + 1)
        longest = max(map(len, index))
        for stop in range(1, len(piece) + 1):
            for start in range(max(0, stop - longest), stop):
                if ways[start] and piece[start:stop] in index:
                    ways[stop] = min(2, ways[stop] + ways[start])  # more than two make no difference
                    last[stop] = start
        reached = max(stop for stop in range(len(piece) + 1) if ways[stop])
        ids, stop = [], reached
        while stop:
            ids.append(index[piece[last[stop] : stop]])
            stop = last[stop]
        if ways[-1] == 1:
            return ids[::-1]
        brackets = [self.spellings[i] for i in (*self.opening, *self.closing)]
        what, where = ("a piece that reads two ways", 0) if ways[-1] else ("unknown token", reached)
        raise LanguageError(
            f"{what} {piece[where:][:20]!r} at position {position + (len(ids) if where else 0)}",
            expected=f"brackets {' '.join(brackets)}" if len(brackets) <= MOST_NAMED else _ends_of(brackets),
            action="separate tokens with blanks",
        )

    def decode(self, ids: list[int]) -> list[str]:
        """Spellings of ids."""
        return [self.spellings[i] for i in ids]

    def to_json(self) -> dict[str, Any]:
        """JSON form of every field."""
        return {
            "spellings": list(self.spellings),
            "opening": list(self.opening),
            "closing": list(self.closing),
            "start": self.start,
            "end": self.end,
            "pad": self.pad,
            "mask": self.mask,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Vocabulary:
        """Inverse of :meth:`to_json`.

        Raises:
            ConfigurationError: a missing, unknown or wrongly typed field, by name.
        """
        table = Table(data, ConfigurationError, where="vocabulary: ")
        table.no_others(field.name for field in fields(cls))
        special = {
            name: None if not table.has(name) or table.entry(name) is None else table.whole(name, at_least=0)
            for name in ("start", "end", "pad", "mask")
        }
        return cls(table.texts("spellings"), table.wholes("opening"), table.wholes("closing"), **special)


def standard_vocabulary(types: int) -> Vocabulary:
    """PAD 0, MASK 1, START 2, END 3, then k opening brackets, then k closing ones (Hewitt et al. 2020; Wen et al.
    2023).

    Types are spelled ``(a a)``, ``(b b)``, … as by :func:`type_name`.
    """
    if not 1 <= types <= MAX_TYPES:
        raise LanguageError(f"{types} bracket types", expected=f"1 to {MAX_TYPES:,}")
    names = [type_name(kind) for kind in range(types)]
    spellings = ("PAD", "MASK", "START", "END", *(f"({name}" for name in names), *(f"{name})" for name in names))
    return Vocabulary(
        spellings=spellings,
        opening=tuple(range(4, 4 + types)),
        closing=tuple(range(4 + types, 4 + 2 * types)),
        pad=0,
        mask=1,
        start=2,
        end=3,
    )


def type_name(kind: int) -> str:
    """a … z, then aa, bb … zz, then aaa …: what Hewitt et al. 2020 and Yao et al. 2021 call the bracket types."""
    return chr(ord("a") + kind % 26) * (kind // 26 + 1)


def type_of_name(name: str) -> int | None:
    """Inverse of :func:`type_name`; None for any other text."""
    if not name or set(name) != {name[0]} or not "a" <= name[0] <= "z":
        return None
    return ord(name[0]) - ord("a") + 26 * (len(name) - 1)


def _ends_of(brackets: list[str]) -> str:
    return f"one of {len(brackets)} brackets, {brackets[0]} … {brackets[-1]}"


@lru_cache(maxsize=64)
def _readings(vocabulary: Vocabulary) -> dict[str, int]:
    """Every text that stands for one token: the spellings, and the names of the special tokens that no spelling is."""
    names = {"START": vocabulary.start, "END": vocabulary.end, "PAD": vocabulary.pad, "MASK": vocabulary.mask}
    spelled = {spelling: i for i, spelling in enumerate(vocabulary.spellings)}
    return {**{name: i for name, i in names.items() if i is not None}, **spelled}
