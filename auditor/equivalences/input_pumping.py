"""Balanced strings inserted into the inputs: every decision around them must stay."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from auditor.canonical.model import CanonicalTransformer
from auditor.language.pumping import balanced_string
from auditor.records import Json
from auditor.twins.rewriting import Proposal, Propose, Rewriting, Row

MOST_PAIRS = 3
"""Pairs inserted at once: enough to move what follows, few enough to stay within the training lengths."""


class Pumping(Rewriting):
    """The same model reads each sequence with a balanced string of 1 to 3 pairs put in at a random place.

    The place is before some output that is judged, where the stack leaves room below the depth bound. A sequence that
    would leave the training lengths, or in which a true answer would change (near the end of a complete string less
    may be opened), stays as it is.
    """

    version = 1
    smallest_plan = "standard"
    summary = "the same model on inputs with a balanced string inserted at a random place"
    needs = "a depth bound of at least 1; room within the positions"
    promise = "decisions outside the inserted string stay within the margins of its certificate"
    source = "the pumping argument of Wen et al. 2023, arXiv 2312.01429, section 4.1"

    def proposals(self, model: CanonicalTransformer) -> Propose:  # noqa: ARG002 - the same for every model
        """One for each place that may be drawn."""
        return _insert

    def facts(self, model: CanonicalTransformer) -> Mapping[str, Json]:  # noqa: ARG002 - the same for every model
        """The most pairs."""
        return {"most_pairs": MOST_PAIRS}


def _insert(row: Row, generator: np.random.Generator) -> Proposal | None:
    room = row.language.depth - row.depth
    places = np.flatnonzero(room[:-1] > 0)  # after these tokens; behind the last one nothing is judged
    most = min(MOST_PAIRS, (row.longest - len(row.tokens)) // 2)
    if most < 1 or not places.size:
        return None
    place = int(generator.choice(places))
    string = balanced_string(row.language, int(generator.integers(1, most + 1)), int(room[place]), generator)
    cut, old = place + 1, np.arange(len(row.tokens))
    tokens = np.concatenate([row.tokens[:cut], string, row.tokens[cut:]])
    return Proposal(tokens, np.concatenate([old[:cut], np.full_like(string, -1), old[cut:]]))
