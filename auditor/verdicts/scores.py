"""Interpretations as the report prints them: means and intervals per component, in the original's names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from auditor.records import ORIGINAL, Agreement, Interpretation, MethodCard, ScoreTable, Variant
from auditor.verdicts.alignment import Scores, align
from auditor.verdicts.bootstrap import INTERVAL, resampled_means
from auditor.verdicts.claims import mean_scores


def score_table(
    cards: Mapping[str, MethodCard],
    variants: Sequence[Variant],
    interpretations: Mapping[tuple[str, str], Scores],
    *,
    draws: int,
    seed: int,
) -> tuple[ScoreTable, ...]:
    """One entry per method and subject, the original first. Matrix-valued scores (patterns) have null values.

    A variant whose scores are the original's repeats them; ``equal_to_original`` records how that was compared.
    """
    entries = []
    relabellings = {variant.key: variant.relabelling for variant in variants}
    for name, card in cards.items():
        base = interpretations.get((ORIGINAL, name))
        if not isinstance(base, Interpretation):
            continue
        original = _entry(ORIGINAL, card, base, draws=draws, seed=seed)
        entries.append(original)
        for key, relabelling in relabellings.items():
            found = interpretations.get((key, name))
            if isinstance(found, Agreement):
                entries.append(replace(original, variant=key, equal_to_original=found))
            elif found is not None:
                shown = align(found, relabelling, base.components)
                entries.append(_entry(key, card, shown, draws=draws, seed=seed))
    return tuple(entries)


def _entry(key: str, card: MethodCard, found: Interpretation, *, draws: int, seed: int) -> ScoreTable:
    scores = mean_scores(found)
    scalar = scores.ndim == 1
    intervals: list[tuple[float, float] | None] = [None] * len(found.components)
    if scalar and found.per_sequence and len(found.values) > 1:
        finite = np.asarray(np.isfinite(found.values).all(axis=0))
        means = resampled_means(np.where(finite, found.values, 0.0), draws=draws, seed=seed)
        ends = np.quantile(means, INTERVAL, axis=0)
        intervals = [(float(low), float(high)) if ok else None for (low, high), ok in zip(ends.T, finite, strict=True)]
    return ScoreTable(
        variant=key,
        method=card.name,
        family=card.family,
        unit=card.unit,
        sequences=len(found.values) if found.per_sequence else None,
        components=found.components,
        values=tuple(
            float(scores[i]) if scalar and i not in found.undefined and np.isfinite(scores[i]) else None
            for i in range(len(found.components))
        ),
        intervals=tuple(intervals),
        undefined={str(index): reason for index, reason in found.undefined.items()},
        numerical_error=found.numerical_error,
    )
