"""Random edits of a string that keep it in the language, its length in bounds and what it leaves open. Numpy only.

The string may be a word or a prefix, with or without START; END is not part of it.
"""

from __future__ import annotations

import numpy as np

from auditor.language.grammar import Dyck, Ids, token_roles
from auditor.language.pumping import balanced_string

LONGEST_INSERT = 4
"""Pairs that one edit puts in at most."""


def edited(language: Dyck, tokens: Ids, lengths: tuple[int, int], generator: np.random.Generator) -> Ids:
    """Another string [position] with as many open brackets at its end, ``lengths`` (least, most) tokens long.

    One of four edits: a bracket and its match get another type; a balanced part is replaced by a random one of the same
    length; a balanced part is taken out; one is put in. Where the chosen edit does not fit, the string stays as it is.
    """
    low, high = lengths
    choice = int(generator.integers(4))
    if choice == 0:
        return _retyped(language, tokens, generator)
    if choice == 1:
        start, stop = _balanced_part(language, tokens, generator)
        return _replaced(language, tokens, start, stop, (stop - start) // 2, generator)
    if choice == 2:
        start, stop = _balanced_part(language, tokens, generator)
        return tokens if len(tokens) - (stop - start) < low else np.delete(tokens, np.arange(start, stop))
    start = int(generator.integers(_first(language, tokens), len(tokens) + 1))
    pairs = int(generator.integers(1, LONGEST_INSERT + 1))
    return tokens if len(tokens) + 2 * pairs > high else _replaced(language, tokens, start, start, pairs, generator)


def _replaced(language: Dyck, tokens: Ids, start: int, stop: int, pairs: int, generator: np.random.Generator) -> Ids:
    """``pairs`` random pairs in place of a balanced part; the string itself where the depth bound leaves no room."""
    room = language.depth - int(token_roles(language.vocabulary).change[tokens[:start]].sum())
    if pairs < 1 or room < 1:
        return tokens
    return np.concatenate([tokens[:start], balanced_string(language, pairs, room, generator), tokens[stop:]])


def _retyped(language: Dyck, tokens: Ids, generator: np.random.Generator) -> Ids:
    roles = token_roles(language.vocabulary)
    opening = np.flatnonzero(roles.change[tokens] > 0)
    if language.types == 1 or not opening.size:
        return tokens
    start = int(generator.choice(opening))
    kinds = [kind for kind in range(language.types) if kind != roles.type[tokens[start]]]
    kind, changed = int(generator.choice(kinds)), tokens.copy()
    changed[start] = language.vocabulary.opening[kind]
    stop = _match(language, tokens, start)
    if stop is not None:
        changed[stop] = language.vocabulary.closing[kind]
    return changed


def _balanced_part(language: Dyck, tokens: Ids, generator: np.random.Generator) -> tuple[int, int]:
    """(start, stop) of a random run of matched pairs beside each other; empty where nothing is matched."""
    opening = np.flatnonzero(token_roles(language.vocabulary).change[tokens] > 0)
    matched = [(int(at), end) for at in opening if (end := _match(language, tokens, int(at))) is not None]
    if not matched:
        return 0, 0
    start, end = matched[int(generator.integers(len(matched)))]
    while end + 1 < len(tokens) and generator.random() < 0.5:
        following = next((last for first, last in matched if first == end + 1), None)
        if following is None:
            break
        end = following
    return start, end + 1


def _match(language: Dyck, tokens: Ids, start: int) -> int | None:
    """Where the bracket opened at ``start`` closes; None where it stays open."""
    height = np.cumsum(token_roles(language.vocabulary).change[tokens[start:]])
    closed = np.flatnonzero(height == 0)
    return start + int(closed[0]) if closed.size else None


def _first(language: Dyck, tokens: Ids) -> int:
    return int(tokens.size > 0 and tokens[0] == language.vocabulary.start)
