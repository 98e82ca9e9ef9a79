"""The language by slow and obvious means: all strings, one stack, one probability at a time."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from auditor.language.grammar import Dyck


def is_balanced(language: Dyck, body: tuple[int, ...]) -> bool:
    """Push and pop."""
    stack: list[int] = []
    vocabulary = language.vocabulary
    for token in body:
        if token in vocabulary.opening:
            stack.append(vocabulary.opening.index(token))
        elif token not in vocabulary.closing or not stack or stack.pop() != vocabulary.closing.index(token):
            return False
        if len(stack) > language.depth:
            return False
    return not stack


def all_strings(language: Dyck, length: int) -> Iterator[tuple[int, ...]]:
    """Every string of brackets of this length, balanced or not."""
    return product((*language.vocabulary.opening, *language.vocabulary.closing), repeat=length)


def generator_moves(
    language: Dyck, stack: tuple[int, ...], length: int, *, q: float, least: int
) -> Iterator[tuple[int | None, float]]:
    """(token, probability) of the generator's next move; None ends. END below the least length is drawn again."""
    vocabulary, k = language.vocabulary, language.types
    if not stack and length < least:
        yield from ((token, 1.0 / k) for token in vocabulary.opening)
    elif not stack:
        yield None, 1.0 - q
        yield from ((token, q / k) for token in vocabulary.opening)
    elif len(stack) == language.depth:
        yield vocabulary.closing[stack[-1]], 1.0
    else:
        yield vocabulary.closing[stack[-1]], 1.0 - q
        yield from ((token, q / k) for token in vocabulary.opening)


def word_probabilities(language: Dyck, *, q: float, least: int, most: int) -> dict[tuple[int, ...], float]:
    """P(word) of complete strings with least ≤ length ≤ most, by walking every path of the generator."""
    found: dict[tuple[int, ...], float] = {}

    def walk(body: tuple[int, ...], stack: tuple[int, ...], probability: float) -> None:
        if len(body) > most:
            return
        for token, share in generator_moves(language, stack, len(body), q=q, least=max(least, 2)):
            if token is None:
                found[body] = found.get(body, 0.0) + probability * share
            elif token in language.vocabulary.opening:
                kind = language.vocabulary.opening.index(token)
                walk((*body, token), (*stack, kind), probability * share)
            else:
                walk((*body, token), stack[:-1], probability * share)

    walk((), (), 1.0)
    total = sum(found.values())
    return {word: probability / total for word, probability in found.items()}
