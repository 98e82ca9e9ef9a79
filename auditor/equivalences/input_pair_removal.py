"""Balanced strings taken out of the inputs: every decision around them must stay."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from auditor.canonical.model import CanonicalTransformer
from auditor.language.pumping import is_balanced
from auditor.records import Json
from auditor.twins.rewriting import Proposal, Propose, Rewriting, Row

MOST_PAIRS = 3
"""Pairs taken out at once: the longest balanced string that is removed."""


class PairRemoval(Rewriting):
    """The same model reads each sequence without one matched pair and what it encloses, at most 3 pairs.

    The inverse of pumping. A sequence without such a pair, or too short without it, or in which a true answer would
    change (a complete string with more room left may open more), stays as it is.
    """

    version = 2
    smallest_plan = "standard"
    summary = "the same model on inputs with a matched pair and what it encloses taken out"
    needs = "inputs with a closed pair"
    promise = "decisions outside the removed string stay within the margins of its certificate"
    source = "the pumping argument of Wen et al. 2023, arXiv 2312.01429, section 4.1, read backwards"

    def proposals(self, model: CanonicalTransformer) -> Propose:  # noqa: ARG002 - the same for every model
        """One for each place that may be drawn."""
        return _remove

    def facts(self, model: CanonicalTransformer) -> Mapping[str, Json]:  # noqa: ARG002 - the same for every model
        """The most pairs."""
        return {"most_pairs": MOST_PAIRS}


def _remove(row: Row, generator: np.random.Generator) -> Proposal | None:
    """Take out the tokens after ``before`` up to ``close``, where the stack after both is the same.

    A pair closes at a token after which the stack is one lower; it opened at the last unmatched opener before.
    """
    closes = np.flatnonzero(np.diff(row.depth) < 0) + 1
    opens = row.opener[closes - 1]
    spans = closes + 1 - opens
    # something must follow the pair to be judged, and enough must stay
    fits = (spans <= 2 * MOST_PAIRS) & (closes < len(row.tokens) - 1) & (len(row.tokens) - spans >= row.shortest)
    if not fits.any():
        return None
    chosen = int(generator.choice(np.flatnonzero(fits)))
    pair = slice(opens[chosen], closes[chosen] + 1)
    if not is_balanced(row.language, row.tokens[pair]):
        return None  # the fault of a spoilt word, which would be a word without it
    stays = np.ones(len(row.tokens), dtype=bool)
    stays[pair] = False
    return Proposal(row.tokens[stays], np.flatnonzero(stays))
