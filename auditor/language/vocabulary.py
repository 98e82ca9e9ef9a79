"""Token ids and spellings of a bracket vocabulary. No torch, no numpy: imported by the command line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from auditor.errors import ConfigurationError, LanguageError


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
        special = [i for i in (self.start, self.end, self.pad, self.mask) if i is not None]
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
                expected="different ids for START, END, PAD, MASK and each bracket",
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
        index = {spelling: i for i, spelling in enumerate(self.spellings)}
        names = {"START": self.start, "END": self.end, "PAD": self.pad, "MASK": self.mask}
        index = {**{name: i for name, i in names.items() if i is not None}, **index}
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
            expected=f"brackets {' '.join(brackets)}",
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
        """Inverse of :meth:`to_json`."""
        return cls(
            spellings=tuple(data["spellings"]),
            opening=tuple(data["opening"]),
            closing=tuple(data["closing"]),
            start=data.get("start"),
            end=data.get("end"),
            pad=data.get("pad"),
            mask=data.get("mask"),
        )


def standard_vocabulary(types: int) -> Vocabulary:
    """PAD 0, MASK 1, START 2, END 3, then k opening brackets, then k closing ones (Hewitt et al. 2020; Wen et al.
    2023).

    Types are spelled ``(a a)``, ``(b b)``, …
    """
    if not 1 <= types <= 26:
        raise LanguageError(f"{types} bracket types", expected="1 to 26")
    letters = [chr(ord("a") + t) for t in range(types)]
    spellings = ("PAD", "MASK", "START", "END", *(f"({c}" for c in letters), *(f"{c})" for c in letters))
    return Vocabulary(
        spellings=spellings,
        opening=tuple(range(4, 4 + types)),
        closing=tuple(range(4 + types, 4 + 2 * types)),
        pad=0,
        mask=1,
        start=2,
        end=3,
    )
