"""Dyck(k, D): states, membership and the reference distribution. Numpy only.

A state is the stack of unmatched opening brackets. Token arrays are int64 [batch, position]; START, END and PAD leave
the stack alone. Sources: Hewitt et al. 2020 (arXiv 2010.07515); Wen et al. 2023 (arXiv 2312.01429), section 2.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from auditor.errors import LanguageError
from auditor.language.vocabulary import Vocabulary, standard_vocabulary

Ids = NDArray[np.int64]
Probabilities = NDArray[np.float64]

MAX_DEPTH = 1_000
"""Far above any bound in use; keeps a wrong description from exhausting the memory."""


@dataclass(frozen=True, slots=True)
class Dyck:
    """Balanced strings over k bracket types with nesting depth at most D."""

    vocabulary: Vocabulary
    depth: int

    def __post_init__(self) -> None:
        if not 1 <= self.depth <= MAX_DEPTH:
            raise LanguageError(f"depth bound {self.depth}", expected=f"at least 1 and at most {MAX_DEPTH:,}")

    @property
    def types(self) -> int:
        """k, the number of bracket types."""
        return self.vocabulary.types

    @classmethod
    def standard(cls, types: int, depth: int) -> Dyck:
        """Dyck(k, D) over the standard vocabulary."""
        return cls(standard_vocabulary(types), depth)


@dataclass(frozen=True, slots=True)
class TokenRoles:
    """What each token id does, as arrays over the vocabulary."""

    change: Ids  # +1 opening, −1 closing, 0 others
    type: Ids  # bracket type, −1 for others


@lru_cache(maxsize=64)
def token_roles(vocabulary: Vocabulary) -> TokenRoles:
    """Look-up tables from token id to stack effect and bracket type."""
    change = np.zeros(len(vocabulary), dtype=np.int64)
    kind = np.full(len(vocabulary), -1, dtype=np.int64)
    change[list(vocabulary.opening)] = 1
    change[list(vocabulary.closing)] = -1
    kind[list(vocabulary.opening)] = np.arange(vocabulary.types)
    kind[list(vocabulary.closing)] = np.arange(vocabulary.types)
    return TokenRoles(change=change, type=kind)


@dataclass(frozen=True, slots=True)
class States:
    """The stack after reading each position, arrays [batch, position].

    ``legal`` is False from the first token on that the grammar forbids; the other fields mean nothing there.
    """

    depth: Ids  # stack height after the token
    top: Ids  # type of the last unmatched opener, −1 if the stack is empty
    opener: Ids  # position of the last unmatched opener, −1 if the stack is empty
    match: Ids  # for a closing bracket: position of the bracket it closes; −1 elsewhere
    legal: NDArray[np.bool_]


def states(language: Dyck, tokens: Ids) -> States:
    """Stack states of every prefix, vectorised over the batch: O(position) steps of O(batch) work.

    Strings deeper than the bound are followed (so that deeper evaluation works) and marked illegal.
    """
    roles = token_roles(language.vocabulary)
    batch, length = tokens.shape
    change, kind = roles.change[tokens], roles.type[tokens]
    rows = np.arange(batch)
    stack_type = np.full((batch, length + 2), -1, dtype=np.int64)  # column 0: the empty stack
    stack_position = np.full((batch, length + 2), -1, dtype=np.int64)
    height = np.zeros(batch, dtype=np.int64)
    legal = np.ones(batch, dtype=bool)
    depth, top, opener = (np.empty((batch, length), dtype=np.int64) for _ in range(3))
    match = np.full((batch, length), -1, dtype=np.int64)
    allowed = np.empty((batch, length), dtype=bool)
    for t in range(length):
        opens, closes = change[:, t] > 0, change[:, t] < 0
        legal &= ~closes | ((height > 0) & (stack_type[rows, height] == kind[:, t]))
        match[:, t] = np.where(closes, stack_position[rows, height], -1)
        height = np.maximum(height + change[:, t], 0)
        legal &= height <= language.depth
        pushed = rows[opens]
        stack_type[pushed, height[pushed]] = kind[pushed, t]
        stack_position[pushed, height[pushed]] = t
        depth[:, t], top[:, t], opener[:, t] = height, stack_type[rows, height], stack_position[rows, height]
        allowed[:, t] = legal
    return States(depth=depth, top=top, opener=opener, match=match, legal=allowed)


def is_member(language: Dyck, tokens: list[int]) -> bool:
    """Whether a string (with or without START and END) is a complete word of the language.

    A plain loop: for one string it is many times faster than the arrays of :func:`states`.
    """
    vocabulary = language.vocabulary
    body = tokens[1:] if tokens and tokens[0] == vocabulary.start else tokens
    if body and body[-1] == vocabulary.end:
        body = body[:-1]
    opener_of = dict(zip(vocabulary.closing, vocabulary.opening, strict=True))
    stack: list[int] = []
    for token in body:
        if token in vocabulary.opening:
            stack.append(token)
        elif token not in opener_of or not stack or stack.pop() != opener_of[token]:
            return False
        if len(stack) > language.depth:
            return False
    return not stack


def reference_distribution(language: Dyck, found: States, *, open_probability: float = 0.5) -> Probabilities:
    """True next-token probabilities of the unbounded generator, [batch, position, vocabulary].

    Empty stack: END with 1 − q, each opening bracket with q/k. Inside: the matching closing bracket with 1 − q, each
    opening bracket with q/k. At the depth bound: the matching closing bracket with 1. Without an END token an empty
    stack must open.
    """
    empty, full = found.depth == 0, found.depth >= language.depth
    q = open_probability
    ends = np.where(empty, 0.0 if language.vocabulary.end is None else 1.0 - q, 0.0)
    opens = np.where(full, 0.0, np.where(empty, 1.0 - ends, q))
    return distribution(language, found, opens=opens, ends=ends)


def distribution(language: Dyck, found: States, *, opens: Probabilities, ends: Probabilities) -> Probabilities:
    """Next-token probabilities from those of opening (shared by the types) and ending; the rest closes the top bracket.

    ``opens`` and ``ends`` are [batch, position]; the result is [batch, position, vocabulary].
    """
    vocabulary = language.vocabulary
    probabilities = np.zeros((*found.depth.shape, len(vocabulary)), dtype=np.float64)
    if vocabulary.end is not None:
        probabilities[..., vocabulary.end] = ends
    probabilities[..., list(vocabulary.opening)] = (opens / language.types)[..., None]
    closes = np.where((found.depth > 0) & (found.top >= 0), 1.0 - opens - ends, 0.0)
    closing = np.asarray(vocabulary.closing)[np.maximum(found.top, 0)]
    np.put_along_axis(probabilities, closing[..., None], closes[..., None], axis=-1)
    return probabilities


def legal_tokens(language: Dyck, found: States) -> NDArray[np.bool_]:
    """Which tokens the grammar allows next, [batch, position, vocabulary]. END stands for "may end"."""
    return reference_distribution(language, found) > 0
