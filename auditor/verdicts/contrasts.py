"""A claim under one variant as margins: numbers of which none may exceed Δ, each a mean over sequences.

    value      ±(x′ − x) / scale            none of the two above Δ: the score moved by no more than Δ
    rank       (x′ⱼ − x′_c) / largest       for each other component j, less those that may be ahead
    set        (x′ⱼ − x′_i) / largest       for each outsider j and member i
    predicate  ±(θ − x′)                    the score is on the claimed side of θ
    comparison (x′_b + δ − x′_a) / largest  a is ahead of b by δ
    pattern    distance(x, x′)              of the arrays

Where scores come per sequence, each margin has an influence value per sequence (Hampel 1974): the margin of resampled
sequences is the margin plus the resampled mean of its influence values, exact for rank, set and predicate claims up to
the common scale, and to first order for the ratios of value and pattern claims.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from auditor.records import Claim
from auditor.records.values import number, whole
from auditor.verdicts.distances import SCALE_FLOOR, scale_of
from auditor.verdicts.pairing import Pairing
from auditor.verdicts.quantities import members_of

Array = NDArray[np.float64]
Indices = NDArray[np.intp]

MOST_MARGINS = 64
"""Margins of one claim under one variant that are resampled: those nearest to exceeding Δ decide."""

NEAR = 3.0
"""Standard errors that a margin is given when the nearest are chosen."""


ROUNDING = 1e-12
"""Share of the unit of an effect below which sequences do not differ."""


@dataclass(frozen=True, slots=True)
class Margins:
    """``effects`` [margin]; ``parts`` [sequence, margin] with mean 0, or None where nothing can be resampled."""

    effects: Array
    parts: Array | None
    two_sided: bool = False  # the negative of each margin counts too
    spared: int = 0  # how many margins were left out because the claim allows them to exceed
    unit: float = 1.0  # how far one sequence may move a margin at most, or in the order of that
    rerun: Array | None = None  # standard error by the method's own random draws, [margin]

    @property
    def effect(self) -> float:
        """The largest margin."""
        return float((np.abs(self.effects) if self.two_sided else self.effects).max())


def margins_of(claim: Claim, pairing: Pairing, rerun: Array | None = None) -> Margins:
    """The margins of a claim under the variant of a pairing for which the claim is defined.

    ``rerun`` [component] is the standard deviation of the difference of two runs of the method on one model.
    """
    if claim.kind == "pattern":
        return _pattern(claim, pairing)
    drawn = np.zeros(len(pairing.components)) if rerun is None else rerun
    if claim.kind == "value":
        return _value(claim, pairing, drawn)
    if claim.kind == "predicate":
        return _predicate(claim, pairing, drawn)
    if claim.kind == "set":
        members = np.asarray(members_of(claim, pairing))
        others = np.delete(np.arange(len(pairing.components)), members)
        return order_margins(pairing, np.repeat(members, len(others)), np.tile(others, len(members)), drawn)
    index = pairing.index(claim.component)
    if claim.kind == "comparison":
        other = pairing.index_of(str(claim.parameters["other"]))
        by = number(claim.parameters, "by")
        return order_margins(pairing, np.asarray([index]), np.asarray([other]), drawn, by=by)
    top = whole(claim.parameters, "top", 1)
    others = np.delete(np.arange(len(pairing.components)), index)
    others = others[np.argsort(-pairing.means[1][others], kind="stable")[top - 1 :]]
    return order_margins(pairing, np.full(len(others), index), others, drawn, spared=top - 1)


def _value(claim: Claim, pairing: Pairing, drawn: Array) -> Margins:
    index = pairing.index(claim.component)
    ours, theirs = pairing.means
    scale = float(scale_of(ours)[index])
    change = float(theirs[index] - ours[index]) / scale
    if not pairing.per_sequence:
        return Margins(np.asarray([change]), None, two_sided=True)
    parts = pairing.theirs[:, index] - pairing.ours[:, index] - change * _scale_by_sequence(pairing.ours, index)
    rerun = drawn[[index]] / scale
    return Margins(np.asarray([change]), _centred(parts[:, None] / scale), two_sided=True, rerun=rerun)


def _scale_by_sequence(ours: Array, index: int) -> Array:
    """What the scale of ``scale_of`` is the mean of, [sequence]; where all scores are 0 it is the constant 1."""
    means = ours.mean(axis=0)
    largest = int(np.abs(means).argmax())
    if means[largest] == 0:
        return np.zeros(len(ours))
    is_large = abs(means[index]) >= SCALE_FLOOR * abs(means[largest])
    source, factor = (index, 1.0) if is_large else (largest, SCALE_FLOOR)
    scale: Array = factor * np.sign(means[source]) * ours[:, source]
    return scale


def _predicate(claim: Claim, pairing: Pairing, drawn: Array) -> Margins:
    sign = -1.0 if claim.parameters.get("above", True) else 1.0
    index, threshold = pairing.index(claim.component), number(claim.parameters, "threshold")
    effect = sign * (float(pairing.means[1][index]) - threshold)
    scores = pairing.theirs[:, [index]]
    unit = max(float(np.abs(scores).max()), abs(threshold))
    parts = _centred(sign * scores, unit=unit) if pairing.per_sequence else None
    return Margins(np.asarray([effect]), parts, unit=unit, rerun=drawn[[index]] / math.sqrt(2))


def _pattern(claim: Claim, pairing: Pairing) -> Margins:
    index, variation = pairing.index(claim.component), pairing.variation
    effect = float(variation.mean[index])
    if not pairing.per_sequence:
        return Margins(np.asarray([effect]), None)
    parts = (variation.total[:, index] - effect * variation.rows) / max(float(variation.rows.mean()), 1e-12)
    return Margins(np.asarray([effect]), _centred(parts[:, None]))


def order_margins(
    pairing: Pairing, ahead: Indices, behind: Indices, drawn: Array, *, spared: int = 0, by: float = 0.0
) -> Margins:
    """How far each of ``behind`` is in front of its partner in ``ahead`` plus ``by``, over the largest |score|.

    ``drawn`` as ``rerun`` of :func:`margins_of`.
    """
    means, scores = pairing.means[1], pairing.theirs
    largest = float(np.abs(means).max()) or 1.0
    effects: Array = (means[behind] + by - means[ahead]) / largest
    if not pairing.per_sequence:
        return Margins(effects, None, spared=spared)
    if len(effects) > MOST_MARGINS:
        nearest = _nearest(_centred(scores) / largest, effects, ahead, behind)
        effects, ahead, behind = effects[nearest], ahead[nearest], behind[nearest]
    parts = _centred((scores[:, behind] - scores[:, ahead]) / largest)
    rerun = np.hypot(drawn[behind], drawn[ahead]) / math.sqrt(2) / largest  # of one run, not of a difference
    return Margins(effects, parts, spared=spared, rerun=rerun)


def _nearest(scores: Array, effects: Array, ahead: Indices, behind: Indices) -> Indices:
    """Indices of the margins nearest to exceeding Δ, the largest one among them."""
    covariance = scores.T @ scores / len(scores)
    variance = covariance.diagonal()
    squared = variance[ahead] + variance[behind] - 2 * covariance[ahead, behind]
    bound = effects + NEAR * np.sqrt(np.maximum(squared, 0.0) / len(scores))
    bound[int(effects.argmax())] = np.inf
    return np.sort(np.argsort(-bound, kind="stable")[:MOST_MARGINS])


def _centred(parts: Array, *, unit: float = 1.0) -> Array:
    """Influence values with mean 0, [sequence, margin]; differences that are rounding are none."""
    centred: Array = parts - parts.mean(axis=0)
    centred[np.abs(centred) < ROUNDING * unit] = 0.0
    return centred
