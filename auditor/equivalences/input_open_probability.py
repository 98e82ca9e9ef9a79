"""The same language under another distribution: what is closed already was drawn with another open probability."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import numpy as np

from auditor.canonical.model import CanonicalTransformer
from auditor.language.pumping import balanced_string, is_balanced
from auditor.records import Json
from auditor.twins.rewriting import Proposal, Propose, Rewriting, Row

LOW, HIGH = 0.2, 0.8
"""Open probabilities: the one of them that is farther from the task's."""

FEWEST_PAIRS = 2
"""A balanced string of one pair has no other shape."""


class OpenProbability(Rewriting):
    """The same model reads each sequence with every balanced string before a random place drawn again.

    Each keeps its number of pairs, and so its length: the stack after it, and the room that is left, are as before. Its
    brackets open with another probability than the task's, so that nesting is deep where it was shallow, or shallow
    where it was deep. Brackets that are still open at the place stay, and so does all that follows it. A sequence with
    no such string of two pairs or more stays as it is.
    """

    version = 1
    smallest_plan = "full"
    summary = "the same model on inputs whose closed brackets were drawn with another open probability"
    needs = "inputs with two closed pairs side by side or nested, and a depth bound of at least 2"
    promise = "decisions outside the strings drawn again stay within the margins of its certificate"
    source = "the pumping argument of Wen et al. 2023, arXiv 2312.01429, section 4.1; their generator, with another q"

    def not_applicable(self, model: CanonicalTransformer) -> str | None:
        """A depth bound of 1 leaves every balanced string one shape."""
        if model.task.language.depth < 2:
            return "at depth bound 1 balanced strings have one shape only"
        return super().not_applicable(model)

    def facts(self, model: CanonicalTransformer) -> Mapping[str, Json]:
        """The open probability of what is drawn again."""
        return {"open_probability": other_probability(model)}

    def proposals(self, model: CanonicalTransformer) -> Propose:
        """Every balanced string before a random place drawn again."""
        probability = other_probability(model)

        def propose(row: Row, generator: np.random.Generator) -> Proposal | None:
            return _drawn_again(row, probability, generator)

        return propose


def other_probability(model: CanonicalTransformer) -> float:
    """The open probability of the strings that are drawn again."""
    return HIGH if model.task.open_probability <= 0.5 else LOW


def _drawn_again(row: Row, probability: float, generator: np.random.Generator) -> Proposal | None:
    """Before a random place, the runs between brackets that are still open there.

    A run is balanced: the stack after its last token is that before its first, and never lower within.
    """
    ends = len(row.tokens) - int(row.tokens[-1] == row.language.vocabulary.end)
    if ends < 2 * FEWEST_PAIRS + 1:
        return None
    place = int(generator.integers(2 * FEWEST_PAIRS - 1, ends))
    tokens, origin = row.tokens.copy(), np.arange(len(row.tokens))
    has_start = row.tokens[0] == row.language.vocabulary.start
    still_open = _open_at(row, place)
    edges = [-1 + has_start, *still_open, place + 1]
    changed = False
    for before, after in pairwise(edges):
        pairs = (after - before - 1) // 2
        if not is_balanced(row.language, tokens[before + 1 : after]):
            return None  # a spoilt word, whose fault may be here
        room = row.language.depth - (row.depth[before] if before >= 0 else 0)
        if pairs >= FEWEST_PAIRS and room >= 1:
            run = slice(before + 1, after)
            tokens[run] = balanced_string(row.language, pairs, int(room), generator, open_probability=probability)
            origin[run] = -1
            changed = True
    return Proposal(tokens, origin) if changed and not np.array_equal(tokens, row.tokens) else None


def _open_at(row: Row, place: int) -> list[int]:
    """Positions of the brackets that are open after the token at ``place``, the first opened first."""
    lowest = np.minimum.accumulate(row.depth[: place + 1][::-1])[::-1]
    opens = np.diff(np.concatenate([[0], row.depth[: place + 1]])) > 0
    return np.flatnonzero(opens & (row.depth[: place + 1] <= lowest)).tolist()
