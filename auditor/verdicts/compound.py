"""Claims over several components or methods: some component, by every method, the same leading set.

Each is a whole made of parts (``auditor.verdicts.bounds``). Under an equivalence it must hold on every variant; whether
it does on one is a question of its parts there:

    existence    some component c: by every method, the predicate of c
    conjunction  by every method: the claim
    agreement    some set S of the wanted size: by every method, S leads
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from auditor.records import Claim, Expected, Finding, Kind, Variant
from auditor.records.finding import basis_of
from auditor.records.interpretation import ALL, SOME
from auditor.records.values import whole
from auditor.verdicts.bounds import Bound, Tails, every, exactly, of_columns, of_margins, some
from auditor.verdicts.contrasts import Margins, margins_of, order_margins
from auditor.verdicts.distances import EXACT_TOLERANCE
from auditor.verdicts.judgement import Resampling, Subject, blank_finding, is_asked, own_order, resolved_in
from auditor.verdicts.noise import Rerun
from auditor.verdicts.pairing import Pairing
from auditor.verdicts.quantities import flip_rate_of, is_false, name_of_quantity, quantity, why_false
from auditor.verdicts.worst_case import LEAST_SEQUENCES, WorstCase

COMPOUND = ("existence", "conjunction", "agreement")
"""Kinds of claims that are made of parts."""

MOST_SETS = 5_000
"""Sets that may lead, up to which the methods' agreement is judged."""

View = Mapping[str, Pairing]
"""One model as every method of a claim sees it."""


def judge_compound(claim: Claim, subjects: Mapping[str, Subject], how: Resampling) -> tuple[Finding, ...]:
    """A finding for each equivalence that all the methods were measured under.

    ``subjects`` by method. What rests on a p-value is STABLE or INCONCLUSIVE for now, as in ``judgement.judge``. Theory
    predicts what it predicts for all of the methods alike.
    """
    first = subjects[claim.method]
    groups: dict[str, list[Variant]] = {}
    for variant in first.variants:
        asked = (variant.key in one.pairings and is_asked(one, claim, variant.key) for one in subjects.values())
        if all(asked):
            groups.setdefault(variant.equivalence, []).append(variant)
    judged = _Judged(claim, subjects, {name: own_order(one) for name, one in subjects.items()}, how)
    findings = []
    for name, group in groups.items():
        predictions = {one.card.expected.get(name, Expected.OPEN) for one in subjects.values()}
        expected = predictions.pop() if len(predictions) == 1 else Expected.OPEN
        basis = basis_of(group[0].kind, expected)
        findings.append(replace(judged.finding(group), expected=expected, basis=basis))
    return tuple(findings)


def why_not_in(claim: Claim, view: View) -> str:
    """Why the claim is undefined on a model, beside itself or a variant; empty where it is defined."""
    for pairing in view.values():
        if claim.kind != "conjunction" and pairing.base.component_axis != (wanted := _axis_of(claim)):
            return f"{pairing.base.method} scores {pairing.base.component_axis}s, and the claim is about {wanted}s"
    reasons = (view[part.method].why_undefined(part) for part in _atoms(claim, view))
    return next((reason for reason in reasons if reason), "") or _too_many(claim, view)


def why_not_true(claim: Claim, itself: View) -> str:
    """Why a claim of any kind does not hold for the original, each method beside itself; empty where it does.

    Empty, too, where it is undefined.
    """
    if claim.kind not in COMPOUND:
        return why_false(claim, itself[claim.method])
    if why_not_in(claim, itself) or not is_compound_false(claim, itself):
        return ""
    return f"the claim is false for the original: it falls short by {shortfall(claim, itself):.3g}"


def number_in(claim: Claim, view: View) -> tuple[str, float]:
    """The number that a claim of any kind is about on a model, and what it is: of several methods, the shortfall."""
    if claim.kind in COMPOUND and len(claim.methods) > 1:
        return "shortfall", shortfall(claim, view)
    pairing = view[claim.method]
    return name_of_quantity(claim, pairing.distance), quantity(claim, pairing)


def shortfall(claim: Claim, view: View) -> float:
    """How far a compound claim that is defined is from being true on a model; at most 0 where it is."""
    if claim.kind == "agreement":
        return _agreement(view, whole(claim.parameters, "top"), _exactly).effect
    return min(max(margins_of(part, view[part.method]).effect for part in group) for group in _grouped(claim, view))


def is_compound_false(claim: Claim, view: View) -> bool:
    """Whether a compound claim that is defined is false on a model, beyond rounding."""
    if claim.kind == "agreement":
        return shortfall(claim, view) > EXACT_TOLERANCE
    parts = _grouped(claim, view)
    return all(any(is_false(part, view[part.method]) for part in group) for group in parts)


Bounds = Callable[[str, Margins, Tails], list[Bound]]
"""(method, margins, tails) → a bound for each margin."""


def _exactly(_method: str, margins: Margins, _tails: Tails) -> list[Bound]:
    return [exactly(effect) for effect in margins.effects.tolist()]


@dataclass(frozen=True)
class _Judged:
    claim: Claim
    subjects: Mapping[str, Subject]
    orders: Mapping[str, NDArray[np.intp]]  # of the sequences of each method
    how: Resampling

    def finding(self, group: Sequence[Variant]) -> Finding:
        claim = self.claim
        blank = blank_finding(self.subjects[claim.method], claim, group)
        itself = {name: one.itself for name, one in self.subjects.items()}
        views = [{name: one.pairings[variant.key] for name, one in self.subjects.items()} for variant in group]
        why_not = why_not_in(claim, itself) or next((why for view in views if (why := why_not_in(claim, view))), "")
        why_not = why_not or why_not_true(claim, itself)
        if why_not:
            return replace(blank, reason=f"undefined: {why_not}")
        is_exact = blank.kind is Kind.EXACT
        tails = Tails(self.how.tail, self.how.tail)
        bounds = [self._bound(view, tails.of_every(len(views)), is_exact=is_exact) for view in views]
        worst = max(range(len(bounds)), key=lambda index: bounds[index].effect)
        found, clarity = every(bounds), self._bound(itself, tails, is_exact=False)
        finding = replace(
            blank,
            effect=found.effect,
            worst_variant=group[worst].key,
            mean_effect=float(np.mean([one.effect for one in bounds])) if len(bounds) > 1 else None,
            flips=flip_rate_of([is_compound_false(claim, view) for view in views]),
            holds_at_same_length=self._holds_at_same_length(group),
        )
        sampled = [pairing for view in (itself, *views) for pairing in view.values() if pairing.per_sequence]
        if not sampled:
            return resolved_in(replace(finding, invariant=found.effect <= finding.threshold), None, 0)
        fewest = min(len(pairing.theirs) for pairing in sampled)
        if not is_exact and fewest < LEAST_SEQUENCES:
            reason = f"a verdict needs at least {LEAST_SEQUENCES} sequences, and there are {fewest}"
            return replace(finding, reason=reason, needed_sequences=LEAST_SEQUENCES)
        if not all(math.isfinite(end) for end in (found.low, found.high)):
            reason = f"{self.how.draws:,} bootstrap draws do not resolve the tails of so many parts"
            return replace(finding, reason=reason)
        if is_exact:
            finding = replace(finding, invariant=found.effect <= finding.threshold)
        else:
            finding = replace(
                finding,
                p=max(found.p, 1 / (self.how.draws + 1)),
                interval=(found.low, found.high),
                invariant=True if found.high < finding.threshold else None,
            )
        return resolved_in(finding, WorstCase(clarity.effect, (clarity.low, clarity.high), clarity.p, None), fewest)

    def _holds_at_same_length(self, group: Sequence[Variant]) -> bool | None:
        """Whether the claim is true on other sequences as long as the rewritten ones; None where none were measured."""
        controls = [{name: one.controls.get(variant.key) for name, one in self.subjects.items()} for variant in group]
        views = [{name: one for name, one in view.items() if one is not None} for view in controls]
        if any(len(view) < len(self.subjects) or why_not_in(self.claim, view) for view in views):
            return None
        return not any(is_compound_false(self.claim, view) for view in views)

    def _bound(self, view: View, tails: Tails, *, is_exact: bool) -> Bound:
        def sampled(method: str, margins: Margins, tails: Tails) -> list[Bound]:
            return of_columns(margins, self.orders[method], self.how, tails)

        if self.claim.kind == "agreement":
            return _agreement(view, whole(self.claim.parameters, "top"), _exactly if is_exact else sampled, tails)
        groups = _grouped(self.claim, view)
        inner = tails.of_some(len(groups))
        return some(
            every(self._part(part, view, inner.of_every(len(group)), is_exact=is_exact) for part in group)
            for group in groups
        )

    def _part(self, part: Claim, view: View, tails: Tails, *, is_exact: bool) -> Bound:
        pairing, again = view[part.method], Rerun(self.subjects[part.method].again)
        margins = margins_of(part, pairing, again.errors(pairing))
        margins = replace(margins, parts=None) if is_exact else margins
        return of_margins(margins, self.orders[part.method], self.how, tails)


def _grouped(claim: Claim, view: View) -> list[list[Claim]]:
    """The claim as: in some of these groups every claim holds."""
    if claim.kind == "conjunction":
        return [[claim.by(method) for method in view]]
    components = view[claim.method].base.components
    return [[replace(claim.by(method), component=one) for method in view] for one in components]


def _atoms(claim: Claim, view: View) -> list[Claim]:
    """Claims that are defined where all that the claim needs is."""
    if claim.kind != "agreement":
        return [part for group in _grouped(claim, view) for part in group]
    first = view[claim.method].base.components[0]
    return [Claim(method, "rank", first, "", {"top": whole(claim.parameters, "top")}) for method in view]


def _axis_of(claim: Claim) -> str:
    return {**SOME, **ALL}[claim.component.label]


def _too_many(claim: Claim, view: View) -> str:
    if claim.kind != "agreement":
        return ""
    count, top = len(view[claim.method].components), whole(claim.parameters, "top")
    sets = math.comb(count, top)
    return f"{sets:,} sets of {top} among {count} are too many to compare" if sets > MOST_SETS else ""


def _agreement(view: View, top: int, bounds: Bounds, tails: Tails = Tails()) -> Bound:  # noqa: B008 - frozen
    """How far the methods are from agreeing on the ``top``: over all sets, the least of the largest margins.

    To call them agreed one set is picked: if they do not agree, it is not the leading set of one method, which then
    has one of top · (n − top) pairs in the wrong order. So the upper ends are corrected for these pairs of each method.
    """
    count = len(next(iter(view.values())).components)
    pairs = [(i, j) for i in range(count) for j in range(count) if i != j]
    ahead, behind = (np.asarray(side, dtype=np.intp) for side in zip(*pairs, strict=True))
    crossing = top * (count - top)
    inner = tails.of_some(len(view) * crossing).of_every(len(view) * crossing)
    tables = []
    for method, pairing in view.items():
        drawn = np.zeros(count)
        found = bounds(method, order_margins(pairing, ahead, behind, drawn), inner)
        table = np.zeros((4, count, count))
        for (i, j), one in zip(pairs, found, strict=True):
            table[:, i, j] = one.effect, one.low, one.high, one.p
        tables.append(table)
    sets = [*itertools.combinations(range(count), top)]
    return some(every(_leads(table, members) for table in tables) for members in sets)


def _leads(table: NDArray[np.float64], members: tuple[int, ...]) -> Bound:
    """The bound of "these lead" from those of all pairs, [effect · low · high · p, member, other]."""
    others = [index for index in range(table.shape[1]) if index not in members]
    crossing = table[:, list(members)][:, :, others].reshape(4, -1)
    effect, low, high = crossing[:3].max(axis=1).tolist()
    return Bound(effect, low, high, min(1.0, crossing.shape[1] * float(crossing[3].min())))
