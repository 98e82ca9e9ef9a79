"""Choose the attention matrices to show: the original beside the twin that moves them most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from auditor.records import ORIGINAL, Finding, Illustration, Interpretation, Kind, Variant
from auditor.records.axes import HEAD, KEY, QUERY, SEQUENCE
from auditor.verdicts.alignment import Scores, in_names_of
from auditor.verdicts.distances import pattern_variation

SHOWN_TOKENS = 24
"""A matrix larger than this is not read."""

ATTENTION = (SEQUENCE, HEAD, QUERY, KEY)
"""Axes of scores that are attention matrices."""

MOST_HEADS = 8
"""Pictures per report; keeps it small."""


class Sentence(NamedTuple):
    """One input: its tokens, spelled, and per token the place of the last bracket that is open after it."""

    tokens: Sequence[str]
    openers: Sequence[int | None]


def illustrate(
    findings: Sequence[Finding],
    variants: Sequence[Variant],
    interpretations: Mapping[tuple[str, str], Scores],
    sentences: Sequence[Sentence],
) -> tuple[Illustration, ...]:
    """One picture per head whose pattern a behavioural variant moves, largest effect first.

    ``sentences`` are the inputs in the order of the interpretations' sequences. Shown is the longest that fits.
    """
    by_key = {variant.key: variant for variant in variants}
    moved = [
        f
        for f in findings
        if f.claim.kind == "pattern"
        and f.kind is Kind.BEHAVIOURAL
        and f.effect is not None
        and isinstance(base := interpretations[ORIGINAL, f.claim.method], Interpretation)
        and base.axes == ATTENTION
    ]
    pictures = []
    for finding in sorted(moved, key=lambda f: -(f.effect or 0.0))[:MOST_HEADS]:
        base = interpretations[ORIGINAL, finding.claim.method]
        key = finding.worst_variant or ""
        if not isinstance(base, Interpretation):
            continue
        other = in_names_of(base, interpretations[key, finding.claim.method], by_key[key].relabelling)
        fitting = [i for i in range(len(base.values)) if len(sentences[i].tokens) <= SHOWN_TOKENS] or [0]
        row = max(fitting, key=lambda i: len(sentences[i].tokens))
        shown = min(len(sentences[row].tokens), SHOWN_TOKENS)
        head = base.components.index(finding.claim.component)
        pair = [found.values[row, head, :shown, :shown].round(4).tolist() for found in (base, other)]
        variation = pattern_variation(base.values[row : row + 1], other.values[row : row + 1]).mean[head]
        pictures.append(
            Illustration(
                variant=key,
                component=finding.claim.component,
                tokens=tuple(sentences[row].tokens[:shown]),
                original=tuple(tuple(line) for line in pair[0]),
                twin=tuple(tuple(line) for line in pair[1]),
                total_variation=round(float(variation), 4),
                openers=tuple(sentences[row].openers[:shown]),
            )
        )
    return tuple(pictures)
