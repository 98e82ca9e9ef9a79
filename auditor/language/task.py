"""What a model was trained to do: its language, its lengths, and which outputs its objective covers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from auditor.errors import ConfigurationError
from auditor.files.documents import Table
from auditor.language.corruption import every_second_corrupted
from auditor.language.grammar import Dyck, Probabilities, States, distribution
from auditor.language.sampling import Sample, sample
from auditor.language.vocabulary import Vocabulary

Objective = Literal["next_token", "closing_bracket", "classifier"]
"""next_token: every position. closing_bracket: which bracket closes, where one is open. classifier: one read-out."""

MAX_LENGTH = 10_000
"""Brackets in the longest training string: far above any in use, and every table by length still fits in memory."""

OBJECTIVES: tuple[Objective, ...] = ("next_token", "closing_bracket", "classifier")


@dataclass(frozen=True, slots=True)
class Task:
    """The language a model is audited on, and the distribution it was trained on."""

    language: Dyck
    objective: Objective = "next_token"
    min_length: int = 2
    max_length: int = 28
    prefixes: bool = False
    open_probability: float = 0.5
    reads_end: bool = False  # whether a classifier is shown END behind the string

    def __post_init__(self) -> None:
        if self.objective not in OBJECTIVES:
            raise ConfigurationError(f"objective {self.objective!r}", expected=" or ".join(OBJECTIVES))
        if not 1 <= self.min_length <= self.max_length:
            raise ConfigurationError(
                f"training lengths {self.min_length} to {self.max_length}", expected="1 ≤ minimum ≤ maximum"
            )
        if self.max_length > MAX_LENGTH:
            raise ConfigurationError(f"training lengths up to {self.max_length:,}", expected=f"at most {MAX_LENGTH:,}")
        if not 0.0 < self.open_probability < 1.0:
            raise ConfigurationError(f"open_probability = {self.open_probability}", expected="a number between 0 and 1")
        if self.reads_end and (self.objective != "classifier" or self.language.vocabulary.end is None or self.prefixes):
            raise ConfigurationError(
                "reads_end without an END to read", expected="a classifier of complete strings, and an END token"
            )

    @property
    def longest_input(self) -> int:
        """Tokens of the longest input in distribution."""
        is_last_label = self.objective != "classifier" and (self.prefixes or self.language.vocabulary.end is None)
        return self.max_length + (self.language.vocabulary.start is not None) + self.reads_end - is_last_label

    def draw(self, count: int, generator: np.random.Generator, *, lengths: tuple[int, int] | None = None) -> Sample:
        """Sequences in distribution, or of other ``lengths`` (minimum, maximum) under the same grammar.

        Classifiers of complete strings get alternately words of the language and corrupted ones.
        """
        low, high = lengths or (self.min_length, self.max_length)
        given = sample(
            self.language,
            count=count,
            generator=generator,
            min_length=low,
            max_length=high,
            prefixes=self.prefixes,
            open_probability=self.open_probability,
        )
        if self.objective == "classifier" and not self.prefixes:
            given = every_second_corrupted(self.language, given, generator)
        ends = self.language.vocabulary.end is not None and not self.prefixes
        is_read_whole = self.reads_end or (self.objective == "classifier" and not ends)
        return given.with_label() if is_read_whole else given

    def scored(self, given: Sample, found: States) -> NDArray[np.bool_]:
        """[batch, input position] True where the training objective constrains the output.

        ``found`` holds the states of the inputs. Padding is never scored.
        """
        if self.objective == "closing_bracket":
            return given.input_mask & (found.depth > 0)
        return given.input_mask

    def reference(self, found: States) -> Probabilities:
        """Next-token probabilities of the sequences as they are drawn, [batch, position, vocabulary].

        Complete strings are conditioned on ending between the minimum and the maximum length, so near the maximum the
        generator closes more than it opens; prefixes never end. Exact, by recursion over (length, depth). Without an
        END token what follows an empty stack, where anything does, opens.
        """
        position = np.arange(found.depth.shape[1])[None, :]
        length = position + (1 if self.language.vocabulary.start is None else 0)
        opens, ends = _move_probabilities(
            self.language.depth, self.min_length, self.max_length, self.open_probability, self.prefixes
        )
        at = (np.minimum(length, self.max_length), np.minimum(found.depth, self.language.depth))
        if self.language.vocabulary.end is not None:
            return distribution(self.language, found, opens=opens[at], ends=ends[at])
        must_open = np.where(found.depth == 0, 1.0, opens[at])
        return distribution(self.language, found, opens=must_open, ends=np.zeros_like(must_open))

    def to_json(self) -> dict[str, Any]:
        """JSON form; ``reads_end`` only where it is true."""
        return {
            "brackets": self.language.types,
            "depth": self.language.depth,
            "vocabulary": self.language.vocabulary.to_json(),
            "objective": self.objective,
            "min_length": self.min_length,
            "max_length": self.max_length,
            "prefixes": self.prefixes,
            "open_probability": self.open_probability,
            **({"reads_end": True} if self.reads_end else {}),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Task:
        """Inverse of :meth:`to_json`.

        Raises:
            ConfigurationError: a missing, unknown or contradictory field, or one of the wrong type, by name.
        """
        table = Table(data, ConfigurationError, where="task: ")
        table.no_others(_FIELDS)
        task = cls(
            language=Dyck(Vocabulary.from_json(table.table("vocabulary")), table.whole("depth")),
            objective=table.choice("objective", OBJECTIVES),
            min_length=table.whole("min_length"),
            max_length=table.whole("max_length"),
            prefixes=table.truth("prefixes"),
            open_probability=table.share("open_probability"),
            reads_end=table.truth("reads_end") if table.has("reads_end") else False,
        )
        types = table.whole("brackets") if table.has("brackets") else task.language.types
        if types != task.language.types:
            raise ConfigurationError(
                f"{types} bracket types, but the vocabulary has {task.language.types}", expected="the same number"
            )
        return task


_FIELDS = (
    "brackets",
    "depth",
    "vocabulary",
    "objective",
    "min_length",
    "max_length",
    "prefixes",
    "open_probability",
    "reads_end",
)


@lru_cache(maxsize=64)
def _move_probabilities(
    depth: int, min_length: int, max_length: int, q: float, prefixes: bool
) -> tuple[Probabilities, Probabilities]:
    """P(open) and P(end) by [length so far, depth] for the generator as it is sampled.

    With s(n, d) the chance that a walk at length n and depth d still ends in time, a move is kept with the ratio of s
    after and before it (rejection of whole strings), and an empty stack below the minimum length must open (rejection
    of END).
    """
    opens, ends = (np.zeros((max_length + 1, depth + 1)) for _ in range(2))
    opens[:, 1:depth], opens[:, 0] = q, 1.0
    if prefixes:
        return opens, ends
    may_end = np.arange(max_length + 1) >= max(min_length, 2)
    opens[may_end, 0] = q
    ends[may_end, 0] = 1.0 - q
    closes = 1.0 - opens - ends
    survives = np.zeros((max_length + 2, depth + 2))
    kept = np.zeros_like(opens)
    for n in range(max_length, -1, -1):
        after_open, after_close = survives[n + 1, 1 : depth + 2], np.roll(survives[n + 1, : depth + 1], 1)
        total = opens[n] * after_open + closes[n] * after_close + ends[n]
        survives[n, : depth + 1] = total
        reachable = total > 0
        kept[n] = np.where(reachable, opens[n] * after_open / np.where(reachable, total, 1.0), opens[n])
        ends[n] = np.where(reachable, ends[n] / np.where(reachable, total, 1.0), ends[n])
    return kept, ends
