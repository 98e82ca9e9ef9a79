"""All claims of one method under all equivalences: effects, intervals and p-values.

The sequences are put into an order of their own first, and all that is resampled goes through one matrix of resampling
weights: the result depends neither on the order of the sequences, nor on that of the components, nor on the worker.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from auditor.records import Claim, Expected, Finding, Kind, MethodCard, Variant, Verdict
from auditor.verdicts.bootstrap import in_blocks
from auditor.verdicts.ceiling import ceiling_of
from auditor.verdicts.contrasts import Margins, margins_of
from auditor.verdicts.distances import EXACT_TOLERANCE, SMALLEST_EFFECT
from auditor.verdicts.needed import sequences_until
from auditor.verdicts.noise import NoiseFloor
from auditor.verdicts.pairing import Pairing
from auditor.verdicts.quantities import YES_OR_NO, flip_rate, quantity, rashomon_interval, why_false
from auditor.verdicts.worst_case import WorstCase, worst_case


@dataclass(frozen=True, slots=True)
class Subject:
    """One method on the original and on every certified variant, in the order of the audit."""

    audit_id: str
    card: MethodCard
    itself: Pairing  # the original beside itself
    pairings: Mapping[str, Pairing]  # by key of the variant
    variants: tuple[Variant, ...]
    again: Pairing | None = None  # the original beside a run with other randomness, of a method that draws at random


@dataclass(frozen=True, slots=True)
class _Case:
    """One claim under one equivalence. Without margins to resample it is judged already."""

    finding: Finding
    margins: tuple[Margins, ...] = ()


def judge(subject: Subject, claims: Sequence[Claim], *, draws: int, seed: int) -> tuple[Finding, ...]:
    """A finding for each claim and equivalence, in that order.

    What rests on a p-value is STABLE or INCONCLUSIVE for now: whether it is UNSTABLE depends on all claims of the
    audit. Scores that cannot be compared raise no error: their finding has the reason.
    """
    order = _own_order(subject)
    noise = NoiseFloor.of(subject.itself, subject.again, order, seed=seed)
    cases = [case for claim in claims for case in _cases(subject, claim, noise, seed)]
    sampled = [case for case in cases if case.margins]
    owners = {case.finding.claim.identity: case.finding.claim for case in sampled if _is_yes_or_no(case)}
    own = {identity: margins_of(claim, subject.itself) for identity, claim in owners.items()}
    jobs: list[tuple[tuple[Margins, ...], float]] = [((margins,), 0.0) for margins in own.values()]
    jobs += [(case.margins, case.finding.threshold) for case in sampled]
    results = _resampled(jobs, order, draws=draws, seed=seed)
    clarity = {identity: next(results) for identity in own}
    return tuple(
        _filled(case, next(results), clarity.get(case.finding.claim.identity)) if case.margins else case.finding
        for case in cases
    )


def _cases(subject: Subject, claim: Claim, noise: NoiseFloor, seed: int) -> Iterator[_Case]:
    groups: dict[str, list[Variant]] = {}
    for variant in subject.variants:
        if variant.key in subject.pairings:
            groups.setdefault(variant.equivalence, []).append(variant)
    why_not = subject.itself.why_undefined(claim) or why_false(claim, subject.itself)
    ceiling = None if why_not else ceiling_of(claim, subject.itself, seed=seed)
    reasons = {} if why_not else {key: pairing.why_undefined(claim) for key, pairing in subject.pairings.items()}
    numbers = {key: quantity(claim, subject.pairings[key]) for key, why in reasons.items() if not why}
    for group in groups.values():
        blank = _blank(subject, claim, group)
        if why_not:
            yield _Case(replace(blank, reason=f"undefined: {why_not}"))
            continue
        defined = {variant.key: subject.pairings[variant.key] for variant in group if variant.key in numbers}
        undefined = next((reasons[variant.key] for variant in group if reasons[variant.key]), "")
        spread = rashomon_interval(claim, subject.itself, [numbers[key] for key in defined], numbers.values())
        blank = replace(blank, ceiling=ceiling, rashomon=spread, flips=flip_rate(claim, [*defined.values()]))
        yield _case(blank, defined, undefined, noise.under(claim))


def _case(blank: Finding, defined: Mapping[str, Pairing], undefined: str, floor: float | None) -> _Case:
    """``undefined`` is the reason why some variants are not among the defined; without them a claim is not stable."""
    if not defined:
        return _Case(replace(blank, reason=f"undefined: {undefined}"))
    margins = {key: margins_of(blank.claim, pairing) for key, pairing in defined.items()}
    is_sampled = blank.kind is not Kind.EXACT and all(one.parts is not None for one in margins.values())
    if is_sampled and any(len(pairing.ours) < 2 for pairing in defined.values()):
        return _Case(replace(blank, reason="undefined: one sequence cannot be resampled"))
    floor = floor if is_sampled else None
    effects = {key: one.effect - (floor or 0.0) for key, one in margins.items()}
    worst = max(effects, key=lambda key: effects[key])
    finding = replace(
        blank,
        effect=effects[worst],
        noise_floor=floor,
        worst_variant=worst,
        mean_effect=float(np.mean([*effects.values()])) if len(effects) > 1 else None,
        reason=f"undefined on a variant: {undefined}" if undefined else "",
    )
    if is_sampled:
        return _Case(finding, tuple(margins.values()))
    holds = Verdict.INCONCLUSIVE if undefined else Verdict.STABLE
    return _Case(replace(finding, verdict=Verdict.UNSTABLE if effects[worst] > finding.threshold else holds))


def _filled(case: _Case, found: WorstCase, clarity: WorstCase | None) -> Finding:
    """The finding after resampling; ``clarity``: how clearly the claim holds for the original."""
    finding, floor = case.finding, case.finding.noise_floor or 0.0
    low, high = found.interval
    low = max(low, 0.0) if finding.claim.kind in ("value", "pattern") else low
    mean = found.mean_interval
    finding = replace(
        finding, interval=(low - floor, high), mean_interval=None if mean is None else (mean[0] - floor, mean[1])
    )
    sequences = max(len(one.parts) for one in case.margins if one.parts is not None)
    if clarity is not None and clarity.interval[1] >= 0:
        reason = f"the original's own claim is not resolved by {sequences} sequences"
        needed = sequences_until(clarity.effect, clarity.interval, 0.0, sequences)
        return replace(finding, reason=reason, needed_sequences=needed)
    holds = high < finding.threshold and not finding.reason
    return replace(finding, p=found.p, verdict=Verdict.STABLE if holds else Verdict.INCONCLUSIVE)


def _resampled(
    jobs: Sequence[tuple[tuple[Margins, ...], float]], order: NDArray[np.intp], *, draws: int, seed: int
) -> Iterator[WorstCase]:
    """The worst case of each set of margins against its threshold."""
    columns = [
        np.concatenate([one.parts for one in margins if one.parts is not None], axis=1)[order] for margins, _ in jobs
    ]
    for (margins, threshold), (shifts, t) in zip(jobs, in_blocks(columns, draws=draws, seed=seed), strict=True):
        yield worst_case(margins, shifts, t, threshold, seed=seed)


def _own_order(subject: Subject) -> NDArray[np.intp]:
    """The sequences sorted by the size of their scores, which no order of sequences or components changes."""
    compared = [pairing for pairing in subject.pairings.values() if pairing.per_sequence]
    arrays = [subject.itself.ours, *(p.theirs for p in compared if len(p.theirs) == len(subject.itself.ours))]
    sizes = [np.nansum(np.square(array).reshape(len(array), -1), axis=1) for array in arrays]
    return np.lexsort(sizes[::-1])


def _is_yes_or_no(case: _Case) -> bool:
    return case.finding.claim.kind in YES_OR_NO


def _blank(subject: Subject, claim: Claim, group: Sequence[Variant]) -> Finding:
    kind, equivalence = group[0].kind, group[0].equivalence
    return Finding(
        id=_finding_id(subject.audit_id, claim, equivalence),
        claim=claim,
        equivalence=equivalence,
        kind=kind,
        variants=tuple(variant.key for variant in group),
        effect=None,
        interval=None,
        noise_floor=None,
        threshold=EXACT_TOLERANCE if kind is Kind.EXACT else SMALLEST_EFFECT[claim.kind],
        p=None,
        q=None,
        verdict=Verdict.INCONCLUSIVE,
        expected=subject.card.expected.get(equivalence, Expected.OPEN),
        worst_variant=None,
    )


def _finding_id(audit_id: str, claim: Claim, equivalence: str) -> str:
    text = "/".join((audit_id, *claim.identity, equivalence))
    return "f" + hashlib.sha256(text.encode()).hexdigest()[:11]
