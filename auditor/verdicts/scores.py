"""Interpretations as the report prints them: means and intervals per component, in the original's names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from auditor.records import ORIGINAL, Agreement, Interpretation, Json, MethodCard, Variant
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
) -> tuple[Mapping[str, Json], ...]:
    """One entry per method and subject, the original first. Matrix-valued scores (patterns) have null values.

    A variant whose scores are the original's repeats them; ``equal_to_original`` says how that was compared.
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
                same = {"sequences": found.sequences, "largest_difference": found.largest_difference}
                entries.append({**original, "variant": key, "equal_to_original": same})
            elif found is not None:
                shown = align(found, relabelling, base.components)
                entries.append(_entry(key, card, shown, draws=draws, seed=seed))
    return tuple(entries)


def _entry(key: str, card: MethodCard, found: Interpretation, *, draws: int, seed: int) -> Mapping[str, Json]:
    scores = mean_scores(found)
    scalar = scores.ndim == 1
    intervals: list[list[float] | None] = [None] * len(found.components)
    if scalar and found.per_sequence and len(found.values) > 1:
        finite = np.asarray(np.isfinite(found.values).all(axis=0))
        means = resampled_means(np.where(finite, found.values, 0.0), draws=draws, seed=seed)
        ends = np.quantile(means, INTERVAL, axis=0)
        intervals = [[float(low), float(high)] if ok else None for (low, high), ok in zip(ends.T, finite, strict=True)]
    return {
        "variant": key,
        "method": card.name,
        "family": card.family,
        "unit": card.unit,
        "sequences": len(found.values) if found.per_sequence else None,
        "components": [{**component.to_json(), "label": component.label} for component in found.components],
        "values": [
            float(scores[i]) if scalar and i not in found.undefined and np.isfinite(scores[i]) else None
            for i in range(len(found.components))
        ],
        "intervals": intervals,
        "undefined": {str(index): reason for index, reason in found.undefined.items()},
    }
