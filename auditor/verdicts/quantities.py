"""The number that a claim is about, on one model: what its Rashomon interval runs over."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from auditor.records import Claim, FlipRate, RashomonInterval
from auditor.records.values import number, texts, whole
from auditor.verdicts.distances import EXACT_TOLERANCE, SMALLEST_EFFECT, relative_change
from auditor.verdicts.pairing import Pairing

Array = NDArray[np.float64]

YES_OR_NO = ("rank", "set", "predicate", "comparison")
"""Kinds of claims that are true or false on a model; the others are more or less so."""


def name_of_quantity(claim: Claim, distance: str) -> str:
    """What :func:`quantity` is, in a word."""
    names = {"value": "score", "predicate": "score", "existence": "score", "rank": "rank", "set": "jaccard_distance"}
    names["comparison"] = "difference"
    return names.get(claim.kind, distance)


def quantity(claim: Claim, pairing: Pairing) -> float:
    """The claim's number on the variant of a pairing.

    The mean score of value and predicate claims · of existence claims that of the component which is nearest to the
    predicate, or has it most clearly · the lead of comparisons · the position of rank claims, 1 at the top · of set
    claims the Jaccard distance between the members and as many that lead · of pattern claims the distance from the
    original.
    """
    if claim.kind == "pattern":
        return float(pairing.variation.mean[pairing.index(claim.component)])
    scores = pairing.means[1]
    if claim.kind == "rank":
        return float(_position(scores, pairing.index(claim.component)))
    if claim.kind == "set":
        members = members_of(claim, pairing)
        leading = np.argsort(-scores, kind="stable")[: len(members)].tolist()
        return 1.0 - len({*members} & {*leading}) / len({*members} | {*leading})
    if claim.kind == "comparison":
        return _lead(claim, pairing)
    if claim.kind == "existence":
        return float(scores.max() if claim.parameters.get("above", True) else scores.min())
    return float(scores[pairing.index(claim.component)])


def is_false(claim: Claim, pairing: Pairing) -> bool:
    """Whether a claim of the yes-or-no kind is false on the variant of a pairing, beyond rounding.

    For the original itself ask about ``pairing.itself``.
    """
    scores = pairing.means[1]
    rounding = EXACT_TOLERANCE * float(np.abs(scores).max())
    if claim.kind == "rank":
        return _position(scores, pairing.index(claim.component)) > whole(claim.parameters, "top", 1)
    if claim.kind == "set":
        members = members_of(claim, pairing)
        return bool(np.delete(scores, members).max() - scores[members].min() > rounding)
    if claim.kind == "comparison":
        return _lead(claim, pairing) < number(claim.parameters, "by") - rounding
    score, threshold = float(scores[pairing.index(claim.component)]), number(claim.parameters, "threshold")
    if claim.parameters.get("above", True):
        return score < threshold - rounding
    return score >= threshold + rounding


def why_false(claim: Claim, itself: Pairing) -> str:
    """Why a claim does not hold for the original; empty where it does, or where a score that is compared is undefined.

    ``itself`` pairs the original with itself. A value claim may be as far off as its smallest effect.
    """
    if itself.why_undefined(claim):
        return ""
    if claim.kind in YES_OR_NO:
        said = f"{name_of_quantity(claim, itself.distance).replace('_', ' ')} {quantity(claim, itself):.3g}"
        return f"the claim is false for the original: {said}" if is_false(claim, itself) else ""
    if claim.kind != "value" or "score" not in claim.parameters:
        return ""
    index = itself.index(claim.component)
    claimed = itself.means[0].copy()
    claimed[index] = number(claim.parameters, "score")
    is_far = relative_change(itself.means[0], claimed)[index] > SMALLEST_EFFECT["value"]
    return f"the original scores {itself.means[0][index]:.3g}" if is_far else ""


def members_of(claim: Claim, pairing: Pairing) -> list[int]:
    """The indices of the members of a set claim among the components compared."""
    labels = [component.label for component in pairing.components]
    return sorted(labels.index(label) for label in {*texts(claim.parameters, "members")})


def rashomon_interval(
    claim: Claim, itself: Pairing, own: Iterable[float], overall: Collection[float]
) -> RashomonInterval | None:
    """From the claim's numbers on the variants of one equivalence and of all; None where no variant has one.

    ``itself`` is the original beside itself.
    """
    if not overall:
        return None
    original = quantity(claim, itself)
    name = name_of_quantity(claim, itself.distance)
    return RashomonInterval(name, original, _ends(original, own), _ends(original, overall), len(overall))


def flip_rate(claim: Claim, pairings: Sequence[Pairing]) -> FlipRate | None:
    """On how many of the variants the claim is false, with the Wilson (1927) interval; None for other kinds."""
    if claim.kind not in YES_OR_NO or not pairings:
        return None
    return flip_rate_of([is_false(claim, pairing) for pairing in pairings])


def flip_rate_of(flips: Sequence[bool]) -> FlipRate:
    """The rate among one or more variants."""
    from scipy import stats  # takes half a second to load, and only the last stage of an audit needs it

    low, high = stats.binomtest(sum(flips), len(flips)).proportion_ci(method="wilson")
    return FlipRate(sum(flips), len(flips), (float(low), float(high)))


def _lead(claim: Claim, pairing: Pairing) -> float:
    """How far the component of a comparison is ahead of the other."""
    scores = pairing.means[1]
    return float(scores[pairing.index(claim.component)] - scores[pairing.index_of(str(claim.parameters["other"]))])


def _position(scores: Array, index: int) -> int:
    """1 for the top; components that are equal but for rounding share a position."""
    ahead = scores - scores[index] > EXACT_TOLERANCE * float(np.abs(scores).max())
    return 1 + int(ahead.sum())


def _ends(original: float, others: Iterable[float]) -> tuple[float, float]:
    numbers = [original, *others]
    return min(numbers), max(numbers)
