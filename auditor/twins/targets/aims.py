"""What it takes to overturn a claim by one method, as numbers that training can raise.

A number is the effect of ``auditor.verdicts.contrasts`` in the unit of the claim's distance, made differentiable:

    rank       (k-th best of the others − the component) / largest         positive: it is not among the top k
    set        (best outsider − worst member) / largest                    positive: an outsider leads
    comparison (the other + δ − the component) / largest                   positive: it is not ahead by δ
    predicate  ±(θ − score) / max(|θ|, |score of the original|)            positive: on the other side of θ
    existence  the same for each component                                 all positive: none has the predicate
    agreement  the same as of a set, for each set of k                     all positive: no set leads
    value      |score − score of the original| / its scale                 above 0.10: the score moved
    pattern    distance from the original's                                above 0.10: it looks otherwise

Where there are several numbers, a claim falls when the least of them is positive: each is one way in which it could
still hold. Scores are means over the sequences of a batch.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from auditor.errors import PlanError
from auditor.records import Claim, Component, Interpretation
from auditor.records.slices import at_slice, slice_of
from auditor.records.values import number, texts, whole

MOST_RIVALS = 8
"""Other components that a twin may put ahead: those that score most to begin with."""

MOST_SETS = 5_000
"""Sets of components that may lead, up to which methods can be driven apart."""

WANTED: Mapping[str, float] = {
    "rank": 0.25,
    "set": 0.25,
    "agreement": 0.25,
    "comparison": 0.25,
    "predicate": 0.3,
    "existence": 0.3,
    "value": 0.5,
    "pattern": 0.6,
}
"""The effect that is aimed at where a method is to be moved far."""

FALLS_ABOVE: Mapping[str, float] = {"value": 0.1, "pattern": 0.1}
"""The effect above which a claim is overturned; 0 for other kinds (``auditor.verdicts.distances``)."""

SCALE_FLOOR = 0.5
"""Share of the largest score that a value's change is measured against at least (``auditor.verdicts.distances``)."""

SMALL = 1e-12

Effect = Callable[[Tensor, Tensor], Tensor]
"""(scores, scores of the original), both [sequence, component, …] → a number or [way to hold]."""


@dataclass(frozen=True)
class Aim:
    """Overturn one claim by one method. ``components``: whose scores ``effect`` expects, in this order.

    Only pattern claims read the scores of the original, on the same sequences.
    """

    claim: Claim
    components: tuple[Component, ...]
    wanted: float
    effect: Effect

    @property
    def compares_arrays(self) -> bool:
        """Whether the effect needs the original's scores on the same sequences, and starts from a distance of 0."""
        return self.claim.kind == "pattern"


def aim_at(claim: Claim, base: Interpretation, distance: str, *, upwards: bool) -> Aim:
    """The aim for a claim, from the original's scores ``base`` by its method with the ``distance`` of its arrays.

    ``upwards``: whether a value is to rise rather than fall.

    Raises:
        PlanError: a claim of a kind that is not attacked, or about what the method does not score.
    """
    makers: Mapping[str, Callable[[Claim, Interpretation], Aim]] = {
        "rank": _rank,
        "set": _set,
        "comparison": _comparison,
        "predicate": _predicate,
        "existence": _existence,
        "agreement": _agreement,
        "value": lambda one, scores: _value(one, scores, upwards=upwards),
        "pattern": lambda one, scores: _pattern(one, scores, distance),
    }
    if claim.kind not in makers:
        raise PlanError(f"a claim of kind {claim.kind!r} is not attacked", expected=", ".join(makers))
    wanted = slice_of(claim)
    aim = makers[claim.kind](claim, at_slice(base, wanted))
    return aim if wanted is None else _within(aim, [one.label for one in base.components].index(wanted[1]))


def columns_of(base: Interpretation, components: tuple[Component, ...]) -> Tensor:
    """Scores of some components, [sequence, component, …], from an interpretation.

    Raises:
        PlanError: one of them has no score.
    """
    axis = base.axes.index(base.component_axis)
    values = torch.from_numpy(base.values if base.per_sequence else base.values[None])
    ordered = values.movedim(axis + (not base.per_sequence), 1)
    return ordered[:, [_index(base, one.label) for one in components]]


def _rank(claim: Claim, base: Interpretation) -> Aim:
    top = whole(claim.parameters, "top", 1)
    others = [one for one in _leading(base) if one != claim.component]
    if not 0 < top <= len(others):
        raise PlanError(f"top {top} of {len(others) + 1} components makes no order")
    rivals = others[: top - 1 + MOST_RIVALS]

    def effect(ours: Tensor, _theirs: Tensor) -> Tensor:
        means = ours.mean(0)
        ahead = means[1:].sort(descending=True).values[top - 1]
        return (ahead - means[0]) / _largest(means)

    return Aim(claim, (_component(base, claim.component.label), *rivals), WANTED["rank"], effect)


def _set(claim: Claim, base: Interpretation) -> Aim:
    members = [_component(base, label) for label in dict.fromkeys(texts(claim.parameters, "members"))]
    outsiders = [one for one in _leading(base) if one not in members][:MOST_RIVALS]
    if not outsiders:
        raise PlanError(f"{len(members)} of {len(members)} components make no order")

    def effect(ours: Tensor, _theirs: Tensor) -> Tensor:
        means = ours.mean(0)
        return (means[len(members) :].max() - means[: len(members)].min()) / _largest(means)

    return Aim(claim, (*members, *outsiders), WANTED["set"], effect)


def _agreement(claim: Claim, base: Interpretation) -> Aim:
    """Of every set: how far it is from leading."""
    _leading(base)  # or refuse what has no order
    count, top = len(base.components), whole(claim.parameters, "top")
    if not 0 < top < count:
        raise PlanError(f"top {top} of {count} components makes no order")
    if math.comb(count, top) > MOST_SETS:
        raise PlanError(f"{math.comb(count, top):,} sets of {top} among {count} are too many to drive apart")
    sets = [*itertools.combinations(range(count), top)]
    inside = torch.tensor(sets)
    outside = torch.tensor([[one for one in range(count) if one not in members] for members in sets])

    def effect(ours: Tensor, _theirs: Tensor) -> Tensor:
        means = ours.mean(0)
        return (means[outside].amax(1) - means[inside].amin(1)) / _largest(means)

    return Aim(claim, base.components, WANTED["agreement"], effect)


def _comparison(claim: Claim, base: Interpretation) -> Aim:
    pair = tuple(_component(base, label) for label in (claim.component.label, str(claim.parameters["other"])))
    by = number(claim.parameters, "by")

    def effect(ours: Tensor, _theirs: Tensor) -> Tensor:
        means = ours.mean(0)
        return (means[1] + by - means[0]) / _largest(means)

    return Aim(claim, pair, WANTED["comparison"], effect)


def _predicate(claim: Claim, base: Interpretation) -> Aim:
    return _past_threshold(claim, base, (_component(base, claim.component.label),))


def _existence(claim: Claim, base: Interpretation) -> Aim:
    _leading(base)  # or refuse what has no numbers
    return _past_threshold(claim, base, base.components)


def _past_threshold(claim: Claim, base: Interpretation, components: tuple[Component, ...]) -> Aim:
    """The mean of each component on the other side of the threshold."""
    threshold, sign = number(claim.parameters, "threshold"), 1.0 if claim.parameters.get("above", True) else -1.0
    size = max(abs(threshold), *(abs(_mean(base, one)) for one in components), SMALL)

    def effect(ours: Tensor, _theirs: Tensor) -> Tensor:
        return sign * (threshold - ours.mean(0)) / size

    return Aim(claim, components, WANTED[claim.kind], effect)


def _within(aim: Aim, second: int) -> Aim:
    """The same aim for scores [sequence, component, second head], at one second head."""

    def effect(ours: Tensor, theirs: Tensor) -> Tensor:
        return aim.effect(ours[:, :, second], theirs[:, :, second])

    return replace(aim, effect=effect)


def _value(claim: Claim, base: Interpretation, *, upwards: bool) -> Aim:
    component = _component(base, claim.component.label)
    score, sign = _mean(base, component), 1.0 if upwards else -1.0
    scored = [one for index, one in enumerate(base.components) if index not in base.undefined]
    size = max(abs(score), SCALE_FLOOR * max(abs(_mean(base, one)) for one in scored), SMALL)

    def effect(ours: Tensor, _theirs: Tensor) -> Tensor:
        return sign * (ours.mean() - score) / size

    return Aim(claim, (component,), WANTED["value"], effect)


def _pattern(claim: Claim, base: Interpretation, distance: str) -> Aim:
    measure = {"total_variation": _row_variation, "cosine": _cosine}.get(distance, _frobenius)
    return Aim(claim, (_component(base, claim.component.label),), WANTED["pattern"], measure)


def _row_variation(ours: Tensor, theirs: Tensor) -> Tensor:
    """Mean total variation of the rows that have a choice; rows of padding are 0 in both."""
    real = (theirs.sum(-1) > 0.5).to(ours)  # [sequence, 1, query]
    real[..., 0] = 0
    return (0.5 * (ours - theirs).abs().sum(-1) * real).sum() / real.sum().clamp_min(1)


def _cosine(ours: Tensor, theirs: Tensor) -> Tensor:
    """1 − cosine of all scores of a sequence, mean over the sequences."""
    a, b = ours.flatten(1), theirs.flatten(1)
    return 1 - torch.nn.functional.cosine_similarity(a, b, dim=1, eps=SMALL).mean()


def _frobenius(ours: Tensor, theirs: Tensor) -> Tensor:
    """‖A − A′‖ / ‖A‖ of each sequence, mean over the sequences."""
    change = ((ours - theirs).flatten(1).square().sum(1) + SMALL).sqrt()
    share: Tensor = change / theirs.flatten(1).norm(dim=1).clamp_min(SMALL)
    return share.mean()


def _largest(means: Tensor) -> Tensor:
    """The largest size, without its slope: the order is to change and not the scale."""
    return means.detach().abs().max().clamp_min(SMALL)


def _leading(base: Interpretation) -> list[Component]:
    """All components by mean score, the highest first."""
    if base.undefined:
        raise PlanError(f"{base.method} has no order: {next(iter(base.undefined.values()))}")
    means = columns_of(base, base.components).mean(0)
    if means.dim() > 1:
        raise PlanError(f"the scores of {base.method} are not single numbers", expected="a claim about a pattern")
    return [base.components[index] for index in means.argsort(descending=True, stable=True)]


def _mean(base: Interpretation, component: Component) -> float:
    return float(columns_of(base, (component,)).mean())


def _component(base: Interpretation, label: str) -> Component:
    return base.components[_index(base, label)]


def _index(base: Interpretation, label: str) -> int:
    labels = [one.label for one in base.components]
    if label not in labels:
        few = ", ".join(labels[:MOST_RIVALS]) + (" …" if len(labels) > MOST_RIVALS else "")
        raise PlanError(f"{base.method} has no score for {label[:40]!r}", expected=f"one of {few}")
    index = labels.index(label)
    if index in base.undefined:
        raise PlanError(f"{base.method} has no score for {label}: {base.undefined[index]}")
    return index
