"""Conditions on where a model is looked at: ``depth >= 3``, ``position 10-20``, several joined by ``and``.

A position of the input meets a condition by the depth of the stack behind its token, or by its number, START being 0. A
method under a condition is the same method whose outputs are scored, and whose attention rows are read, only there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from auditor.behaviour.input_batch import InputBatch
from auditor.errors import LanguageError

FORMS = "depth >= 3, depth < 3, depth 2-4 or position 10-20, joined by and"

_TERM = re.compile(
    r"(?P<what>depth|position)\s*(?:(?P<sign>>=|≥|<|=)\s*(?P<number>\d{1,6})|(?P<low>\d{1,6})\s*-\s*(?P<high>\d{1,6}))"
)


@dataclass(frozen=True, slots=True)
class Term:
    """``what`` is at least ``low`` and at most ``high``; None: any."""

    what: str  # depth or position
    low: int | None
    high: int | None

    def __str__(self) -> str:
        if self.high is None:
            return f"{self.what} >= {self.low}"
        if self.low is None:
            return f"{self.what} < {self.high + 1}"
        return f"{self.what} = {self.low}" if self.low == self.high else f"{self.what} {self.low}-{self.high}"

    def met(self, inputs: InputBatch) -> Tensor:
        """[sequence, position]."""
        numbers = torch.arange(inputs.tokens.shape[1]).expand_as(inputs.tokens)
        found = inputs.depth if self.what == "depth" else numbers
        above = torch.ones_like(inputs.not_padding) if self.low is None else found >= self.low
        return above if self.high is None else above & (found <= self.high)


@dataclass(frozen=True, slots=True)
class Condition:
    """All of its terms."""

    terms: tuple[Term, ...]

    def __str__(self) -> str:
        return " and ".join(str(term) for term in self.terms)

    def met(self, inputs: InputBatch) -> Tensor:
        """Positions, no padding, that meet it, [sequence, position]."""
        found = inputs.not_padding
        for term in self.terms:
            found = found & term.met(inputs)
        return found

    def limited(self, inputs: InputBatch) -> InputBatch:
        """The sequences with a scored output that meets it, scored and read only where it is met.

        Raises:
            LanguageError: there is none.
        """
        met = self.met(inputs)
        found = replace(inputs, scored=inputs.scored & met, read_at=met)
        chosen = found.scored.any(1)
        if not bool(chosen.any()):
            raise LanguageError(
                f"no scored output of {len(inputs)} sequences at {self}", expected="a condition that some output meets"
            )
        return found.rows(chosen)


def condition_of(text: str) -> Condition:
    """The condition that a text states.

    Raises:
        LanguageError: a term of no known form, or one that nothing can meet.
    """
    terms = []
    for said in re.split(r"\s+and\s+", text.strip()):
        found = _TERM.fullmatch(said)
        if found is None:
            raise LanguageError(f"condition {said[:60]!r}", expected=FORMS)
        terms.append(_term(found))
        low, high = terms[-1].low, terms[-1].high
        if high is not None and (high < 0 or (low is not None and low > high)):
            raise LanguageError(f"condition {said[:60]!r}: nothing meets it", expected=FORMS)
    return Condition(tuple(terms))


def _term(found: re.Match[str]) -> Term:
    what, sign = found["what"], found["sign"]
    if sign is None:
        return Term(what, int(found["low"]), int(found["high"]))
    number = int(found["number"])
    if sign == "<":
        return Term(what, None, number - 1)
    return Term(what, number, number if sign == "=" else None)
