"""What people would assert from an interpretation: the claims that are made for every method."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from auditor.records import Claim, Component, Interpretation, Json, MethodCard
from auditor.records.axes import HEAD, SECOND_AXES, TO_HEAD, WITH_HEAD
from auditor.records.interpretation import SOME
from auditor.records.slices import at_slice
from auditor.verdicts.distances import EXACT_TOLERANCE, rank_shortfall

AUTOMATIC_KINDS = ("rank", "set", "predicate", "existence", "pattern")
"""Kinds of claims that are made unless a plan asks for others: what people publish. A score to its digits is not."""

KINDS_ASKED = (*AUTOMATIC_KINDS, "value")
"""Kinds of claims that a plan may ask for."""

ROUNDING = 1e-13
"""Scores that are all smaller are rounding, in any unit: which of them is the largest is no claim about the model."""

MOST_VALUES = 8
"""Components whose score is claimed, those that score most; two hundred neurons are too many to report."""

MOST_PREDICATES = 8
"""Components of which one predicate is claimed, those that score most."""

MOST_MEMBERS = 8
"""Largest set of components that is claimed: longer lists are not informative."""

MOST_READERS = 8
"""Heads of which it is claimed what they read most, or what stands in for them most: those with the clearest lead."""

MOST_PATTERNS = 32
"""Components whose pattern is claimed, the first in order."""


def claims_of(card: MethodCard, found: Interpretation, kinds: Collection[str] = AUTOMATIC_KINDS) -> tuple[Claim, ...]:
    """Claims about the original of these kinds: patterns, the top, the leading set, predicates, values.

    An undefined component gets no claim; with one there is no claim about the top or the leading set. No value is
    claimed where a symmetry of the function sets the scale of the scores, and no head is called the top one where each
    layer has only one: that would be a claim about layers.
    """
    defined = [index for index in range(len(found.components)) if index not in found.undefined]
    claims: list[Claim] = []
    if "pattern" in card.claims and "pattern" in kinds:
        claims += [_pattern(card, found.components[index]) for index in defined[:MOST_PATTERNS]]
    scores = mean_scores(found)
    if scores.ndim > 1:
        return (*claims, *_edges(card, found)) if "rank" in card.claims and "rank" in kinds else tuple(claims)
    if "rank" in card.claims and _is_ranked(found, scores):
        claims += [*_top(card, found, scores)] if "rank" in kinds else []
        claims += [*_leading_set(card, found, scores)] if "set" in kinds else []
    finite = [index for index in defined if math.isfinite(scores[index])]
    for name, threshold in card.predicates.items() if "predicate" in kinds else ():
        holding = [index for index in finite if scores[index] >= threshold]
        claims += [
            _predicate(card, found.components[index], name, threshold)
            for index in _highest(scores, holding, MOST_PREDICATES)
        ]
    if "existence" in kinds:
        claims += _existences(card, found, scores, finite)
    if "value" in card.claims and "value" in kinds and not card.scale_is_free:
        claims += [
            _value(card, found.components[index], float(scores[index]))
            for index in _highest(np.abs(scores), defined, MOST_VALUES)
        ]
    return tuple(claims)


def mean_scores(found: Interpretation) -> NDArray[np.float64]:
    """Scores per component, averaged over sequences where there are any. [component, …]."""
    return found.values.mean(axis=0) if found.per_sequence else found.values


def _pattern(card: MethodCard, component: Component) -> Claim:
    what = "attends as drawn" if card.distance == "total_variation" else f"is as drawn by {card.name}"
    return Claim(card.name, "pattern", component, f"{component.label} {what}")


def _is_ranked(found: Interpretation, scores: NDArray[np.float64]) -> bool:
    if len(found.components) < 2 or found.undefined or not np.isfinite(scores).all():
        return False
    if float(np.abs(scores).max()) <= ROUNDING:
        return False
    layers = [component.layer for component in found.components]
    return found.component_axis != HEAD or len({*layers}) < len(layers)


def _top(card: MethodCard, found: Interpretation, scores: NDArray[np.float64]) -> Iterator[Claim]:
    """The claim that one component leads; none in a tie."""
    top = int(np.argmax(scores))
    if float(rank_shortfall(scores, top)) <= -EXACT_TOLERANCE:
        component = found.components[top]
        text = f"{component.label} is the top {found.component_axis} by {card.name}"
        yield Claim(card.name, "rank", component, text, {"top": 1})


def _leading_set(card: MethodCard, found: Interpretation, scores: NDArray[np.float64]) -> Iterator[Claim]:
    """The claim that a few components lead all others, cut where the gap between neighbours is largest.

    None where the gap is after the first, which is the claim about the top.
    """
    order = np.argsort(-scores, kind="stable")
    gaps = -np.diff(scores[order])[:MOST_MEMBERS]
    size = int(np.argmax(gaps)) + 1
    if size > 1 and gaps[size - 1] > EXACT_TOLERANCE * float(np.abs(scores).max()):
        members = [found.components[index].label for index in sorted(order[:size])]
        text = f"the {size} most important {found.component_axis}s by {card.name} are {', '.join(members)}"
        yield Claim(card.name, "set", found.components[int(order[0])], text, {"members": members})


def _predicate(card: MethodCard, component: Component, name: str, threshold: float) -> Claim:
    text = f"{component.label} is {name}: {card.name} at least {threshold:g}"
    parameters: dict[str, Json] = {"predicate": name, "threshold": threshold, "above": True}
    return Claim(card.name, "predicate", component, text, parameters)


def _existences(
    card: MethodCard, found: Interpretation, scores: NDArray[np.float64], finite: list[int]
) -> Iterator[Claim]:
    """That some component has a predicate: what may survive where the named one does not."""
    if found.component_axis not in SOMEONE or len(found.components) < 2 or found.undefined:
        return
    someone = Component(0, part=SOMEONE[found.component_axis])
    for name, threshold in card.predicates.items():
        if any(scores[index] >= threshold for index in finite):
            one = _predicate(card, someone, name, threshold)
            yield replace(one, kind="existence")


def _edges(card: MethodCard, found: Interpretation) -> list[Claim]:
    """Which head leads among the edges into each head, or among the pairs with it: where the lead is clearest."""
    axis = next((axis for axis in found.axes if axis in SECOND_AXES), None)
    leads: list[tuple[float, Claim]] = []
    for second in found.components if axis is not None else ():
        here = at_slice(found, (str(axis), second.label))
        scores = mean_scores(here)
        if len(scores) < 2 or here.undefined or not np.isfinite(scores).all():
            continue
        top = int(np.argmax(scores))
        shortfall = float(rank_shortfall(scores, top))
        if shortfall <= -EXACT_TOLERANCE and scores[top] > 0:
            first = here.components[top]
            text = READS[str(axis)].format(first=first.label, second=second.label, method=card.name)
            leads.append((shortfall, Claim(card.name, "rank", first, text, {"top": 1, str(axis): second.label})))
    return [claim for _, claim in sorted(leads, key=lambda lead: lead[0])[:MOST_READERS]]


READS = {
    TO_HEAD: "{second} reads most from {first} by {method}",
    WITH_HEAD: "{first} stands in for {second} most by {method}",
}
"""How a claim about an edge or a pair is worded."""

SOMEONE = {axis: label for label, axis in SOME.items()}
"""What a claim that something exists is about, by the axis of the scores."""


def _value(card: MethodCard, component: Component, score: float) -> Claim:
    if not math.isfinite(score):
        return Claim(card.name, "value", component, f"{component.label} has no finite score by {card.name}")
    text = f"{component.label} scores {score:.3g} {card.unit} by {card.name}"
    return Claim(card.name, "value", component, text, {"score": score})


def _highest(scores: NDArray[np.float64], among: list[int], count: int) -> list[int]:
    """The ``count`` components that score most, in component order; what is not finite comes first."""
    by_score = sorted(among, key=lambda i: (-float(scores[i]) if math.isfinite(scores[i]) else -math.inf, i))
    return sorted(by_score[:count])
