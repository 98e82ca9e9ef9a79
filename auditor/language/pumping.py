"""Balanced strings, for an equivalence on inputs. Numpy only.

Inserting a balanced string at any point leaves the stack after every later position unchanged, as long as the depth
bound holds. So a model of the language must not change its prediction there (the pumping argument of Wen et al. 2023,
section 4.1).
"""

from __future__ import annotations

import numpy as np

from auditor.errors import LanguageError
from auditor.language.grammar import Dyck, Ids


def balanced_string(language: Dyck, pairs: int, room: int, generator: np.random.Generator) -> Ids:
    """A random balanced string of ``pairs`` pairs that nests at most ``room`` deep, int64 [position].

    A random walk that opens with 1/2 wherever it may do both; each opening bracket has a random type.

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
        if must_open or (not must_close and generator.random() < 0.5):
            stack.append(int(generator.integers(language.types)))
            tokens.append(vocabulary.opening[stack[-1]])
        else:
            tokens.append(vocabulary.closing[stack.pop()])
    return np.asarray(tokens, dtype=np.int64)
