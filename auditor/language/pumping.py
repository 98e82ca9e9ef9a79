"""Balanced insertion: an equivalence on inputs. Numpy only.

Inserting a balanced string at any point leaves the stack after every later position unchanged, as long as the depth
bound holds. So a model of the language must not change its prediction there (the pumping argument of Wen et al. 2023,
section 4.1).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from auditor.errors import LanguageError
from auditor.language.grammar import Dyck, Ids, states
from auditor.language.sampling import Sample


@dataclass(frozen=True, slots=True)
class Pumped:
    """A sample with one balanced string inserted into each sequence.

    ``origin`` int64 [batch, position]: for each new position, the old position it stands for, −1 for inserted and
    padding ones.
    """

    sample: Sample
    origin: Ids


def pump(language: Dyck, given: Sample, *, pairs: int, generator: np.random.Generator) -> Pumped:
    """Insert ``pairs`` random matched pairs side by side after a random position of each sequence.

    Pairs are inserted where the stack is below the depth bound, after START and before END.

    Raises:
        LanguageError: fewer than one pair.
    """
    if pairs < 1:
        raise LanguageError(f"{pairs} pairs to insert", expected="at least 1")
    vocabulary = language.vocabulary
    found = states(language, given.tokens)
    count, length = given.tokens.shape
    positions = np.arange(length)[None, :]
    last = given.lengths - 1 - (given.tokens[np.arange(count), given.lengths - 1] == vocabulary.end)
    room = (found.depth < language.depth) & (positions <= last[:, None])
    weight = generator.random(room.shape) * room
    cut = weight.argmax(axis=1) + 1  # new tokens stand before the old position ``cut``
    if not room.any(axis=1).all():
        raise LanguageError("a sequence without room for a pair", expected="a position below the depth bound")
    kinds = generator.integers(0, language.types, size=(count, pairs))
    inserted = np.empty((count, 2 * pairs), dtype=np.int64)
    inserted[:, 0::2] = np.asarray(vocabulary.opening)[kinds]
    inserted[:, 1::2] = np.asarray(vocabulary.closing)[kinds]
    new_positions = np.arange(length + 2 * pairs)[None, :]
    after = new_positions - 2 * pairs
    is_new = (new_positions >= cut[:, None]) & (new_positions < cut[:, None] + 2 * pairs)
    source = np.where(new_positions < cut[:, None], new_positions, after).clip(0, length - 1)
    tokens = np.take_along_axis(given.tokens, source, axis=1)
    tokens[is_new] = inserted.reshape(-1)
    lengths = given.lengths + 2 * pairs
    origin = np.where(is_new | (new_positions >= lengths[:, None]), -1, source)
    return Pumped(Sample(tokens, lengths), origin)


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
