"""The attention that a report draws: which string, which heads, and the open bracket of every query."""

from __future__ import annotations

import numpy as np

from auditor.records import ORIGINAL, Kind
from auditor.report.heatmap import picture
from auditor.verdicts.illustration import SHOWN_TOKENS, Sentence, illustrate
from tests.auditor.report.samples import make_finding
from tests.auditor.verdicts.samples import TWIN, heads, patterns, variant

SHORT = Sentence(("START", "(a", "a)"), (None, 1, None))
FITTING = Sentence(("START", "(a", "(b", "b)"), (None, 1, 2, 1))
LONG = Sentence(("(a",) * (SHOWN_TOKENS + 1), tuple(range(SHOWN_TOKENS + 1)))


def test_the_longest_string_that_fits_is_drawn_with_the_open_bracket_of_every_query() -> None:
    """Three strings, one of them too long; the twin looks at START only, the original at the open bracket."""
    length = SHOWN_TOKENS + 1
    original, twin = np.zeros((3, 2, length, length)), np.zeros((3, 2, length, length))
    twin[..., 0] = 1.0
    for row, sentence in enumerate((SHORT, FITTING, LONG)):
        for query, opener in enumerate(sentence.openers):
            original[row, :, query, opener or 0] = 1.0
    found = make_finding(
        method="pattern",
        claim_kind="pattern",
        component=heads(2)[1],
        kind=Kind.BEHAVIOURAL,
        equivalence=TWIN,
        worst_variant=f"{TWIN}/0",
        effect=0.9,
    )
    scores = {(ORIGINAL, "pattern"): patterns(original), (f"{TWIN}/0", "pattern"): patterns(twin)}
    (drawn,) = illustrate([found], [variant()], scores, [SHORT, FITTING, LONG])
    assert drawn.tokens == FITTING.tokens
    assert drawn.openers == FITTING.openers
    assert drawn.component == heads(2)[1]
    assert "1 is on the open bracket in the original, 0 in the twin" in picture(drawn).said
