"""What people would assert from an interpretation: value, rank and pattern claims, made for every method."""

from __future__ import annotations

import math

import numpy as np

from auditor.records import Claim, Component, Interpretation, MethodCard
from auditor.stability.distances import EXACT_TOLERANCE, rank_shortfall


def claims_of(card: MethodCard, found: Interpretation) -> tuple[Claim, ...]:
    """Claims about the original, in component order; undefined components get none."""
    claims: list[Claim] = []
    if "pattern" in card.claims:
        claims += [
            Claim(card.name, "pattern", component, f"{component.label} attends as drawn")
            for index, component in enumerate(found.components)
            if index not in found.undefined
        ]
    if "rank" in card.claims and (top := _top_claim(card, found)) is not None:
        claims.append(top)
    if "value" in card.claims:
        scores = mean_scores(found)
        claims += [
            _value_claim(card, component, float(scores[index]))
            for index, component in enumerate(found.components)
            if index not in found.undefined
        ]
    return tuple(claims)


def _value_claim(card: MethodCard, component: Component, score: float) -> Claim:
    if not math.isfinite(score):
        return Claim(card.name, "value", component, f"{component.label} has no finite score by {card.name}")
    text = f"{component.label} scores {score:.3g} {card.unit} by {card.name}"
    return Claim(card.name, "value", component, text, {"score": score})


def _top_claim(card: MethodCard, found: Interpretation) -> Claim | None:
    """The claim that one component leads; none with fewer than two, without a finite score for each, or in a tie."""
    scores = mean_scores(found)
    if len(found.components) < 2 or found.undefined or not np.isfinite(scores).all():
        return None
    top = int(np.argmax(scores))
    if float(rank_shortfall(scores, top)) > -EXACT_TOLERANCE:
        return None
    component = found.components[top]
    text = f"{component.label} is the top {found.component_axis} by {card.name}"
    return Claim(card.name, "rank", component, text, {"top": 1})


def mean_scores(found: Interpretation) -> np.ndarray:
    """Scores per component, averaged over sequences where there are any. [component, …]."""
    return found.values.mean(axis=0) if found.per_sequence else found.values
