"""Balanced strings, for an equivalence on inputs. Numpy only.

Inserting a balanced string at any point leaves the stack after every later position unchanged, as long as the depth
bound holds. So a model of the language must not change its prediction there (the pumping argument of Wen et al. 2023,
section 4.1).
"""

from __future__ import annotations

import numpy as np

from auditor.errors import LanguageError
from auditor.language.grammar import Dyck, Ids


def balanced_string(
    language: Dyck, pairs: int, room: int, generator: np.random.Generator, *, open_probability: float = 0.5
) -> Ids:
    """A random balanced string of ``pairs`` pairs that nests at most ``room`` deep, int64 [position].

    A random walk that opens with ``open_probability`` wherever it may do both; each opening bracket has a random type.

    Raises:
        LanguageError: fewer than one pair, or no room for any.
    """
    if pairs < 1 or room < 1:
        raise LanguageError(f"{pairs} pairs in a depth of {room}", expected="at least 1 and 1")
    vocabulary = language.vocabulary
    stack: list[int] = []
    tokens: list[int] = []
    for left in range(2 * pairs, 0, -1):
        must_close, must_open = len(stack) in (left, room), not stack
        if must_open or (not must_close and generator.random() < open_probability):
            stack.append(int(generator.integers(language.types)))
            tokens.append(vocabulary.opening[stack[-1]])
        else:
            tokens.append(vocabulary.closing[stack.pop()])
    return np.asarray(tokens, dtype=np.int64)


def is_balanced(language: Dyck, tokens: Ids) -> bool:
    """Whether every bracket is closed by its own kind."""
    closes = dict(zip(language.vocabulary.closing, language.vocabulary.opening, strict=True))
    stack: list[int] = []
    for token in tokens.tolist():
        if token not in closes:
            stack.append(token)
        elif not stack or stack.pop() != closes[token]:
            return False
    return not stack
