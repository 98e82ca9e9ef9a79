"""All claims of one method under all equivalences: effects, intervals and p-values.

The sequences are put into an order of their own first, and all that is resampled goes through one matrix of resampling
weights: the result depends neither on the order of the sequences, nor on that of the components, nor on the worker.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from auditor.records import Claim, Expected, Finding, Kind, MethodCard, Variant, Verdict
from auditor.records.finding import basis_of
from auditor.verdicts.bootstrap import in_blocks
from auditor.verdicts.ceiling import ceiling_of
from auditor.verdicts.contrasts import Margins, margins_of
from auditor.verdicts.distances import EXACT_TOLERANCE, SMALLEST_EFFECT
from auditor.verdicts.needed import sequences_until
from auditor.verdicts.noise import Rerun
from auditor.verdicts.pairing import Pairing
from auditor.verdicts.quantities import YES_OR_NO, flip_rate, is_false, quantity, rashomon_interval, why_false
from auditor.verdicts.worst_case import LEAST_SEQUENCES, TAIL, WorstCase, least_sequences, worst_case


@dataclass(frozen=True, slots=True)
class Subject:
    """One method on the original and on every certified variant, in the order of the audit."""

    content: str  # what is audited, a part of the ids of findings
    card: MethodCard
    itself: Pairing  # the original beside itself
    pairings: Mapping[str, Pairing]  # by key of the variant
    variants: tuple[Variant, ...]
    again: Pairing | None = None  # the original beside a run with other randomness, of a method that draws at random
    controls: Mapping[str, Pairing | None] = field(default_factory=dict)  # of rewritten inputs: others as long as they


@dataclass(frozen=True, slots=True)
class _Case:
    """One claim under one equivalence. Without margins to resample its invariance is known already."""

    finding: Finding
    margins: tuple[Margins, ...] = ()


@dataclass(frozen=True, slots=True)
class Resampling:
    """How intervals are made. ``tail`` is the error allowed at each end of one."""

    draws: int
    seed: int
    tail: float = TAIL


def judge(subject: Subject, claims: Sequence[Claim], how: Resampling) -> tuple[Finding, ...]:
    """A finding for each claim and equivalence, in that order.

    What rests on a p-value is STABLE or INCONCLUSIVE for now: whether it is UNSTABLE depends on all claims of the
    audit. Scores that cannot be compared raise no error: their finding has the reason.
    """
    order, rerun = own_order(subject), Rerun(subject.again)
    cases = [case for claim in claims for case in _cases(subject, claim, rerun, how.seed)]
    own = {claim.identity: one for claim in claims if (one := _own_margins(subject, claim, rerun)) is not None}
    jobs: list[tuple[tuple[Margins, ...], float]] = [((margins,), 0.0) for margins in own.values()]
    jobs += [(case.margins, case.finding.threshold) for case in cases if case.margins]
    results = _resampled(jobs, order, how)
    clarity = {identity: next(results) for identity in own}
    found = [_moved(case, next(results)) if case.margins else case.finding for case in cases]
    return tuple(
        resolved_in(finding, clarity.get(finding.claim.identity), len(subject.itself.ours)) for finding in found
    )


def _own_margins(subject: Subject, claim: Claim, rerun: Rerun) -> Margins | None:
    """The margins by which a yes-or-no claim holds for the original; None where no sampling is behind it."""
    itself = subject.itself
    if claim.kind not in YES_OR_NO or itself.why_undefined(claim) or why_false(claim, itself):
        return None
    margins = margins_of(claim, itself, rerun.errors(itself))
    return None if margins.parts is None else margins


def _cases(subject: Subject, claim: Claim, rerun: Rerun, seed: int) -> Iterator[_Case]:
    groups: dict[str, list[Variant]] = {}
    for variant in subject.variants:
        if variant.key in subject.pairings and is_asked(subject, claim, variant.key):
            groups.setdefault(variant.equivalence, []).append(variant)
    why_not = subject.itself.why_undefined(claim) or why_false(claim, subject.itself)
    ceiling = None if why_not else ceiling_of(claim, subject.itself, seed=seed)
    reasons = {} if why_not else {key: pairing.why_undefined(claim) for key, pairing in subject.pairings.items()}
    numbers = {key: quantity(claim, subject.pairings[key]) for key, why in reasons.items() if not why}
    for group in groups.values():
        blank = blank_finding(subject, claim, group)
        if why_not:
            yield _Case(replace(blank, reason=f"undefined: {why_not}"))
            continue
        defined = {variant.key: subject.pairings[variant.key] for variant in group if variant.key in numbers}
        undefined = next((reasons[variant.key] for variant in group if reasons[variant.key]), "")
        spread = rashomon_interval(claim, subject.itself, [numbers[key] for key in defined], numbers.values())
        blank = replace(blank, ceiling=ceiling, rashomon=spread, flips=flip_rate(claim, [*defined.values()]))
        blank = replace(blank, holds_at_same_length=_holds_at_same_length(subject, claim, group))
        yield _case(blank, defined, undefined, rerun)


def is_asked(subject: Subject, claim: Claim, key: str) -> bool:
    """Whether a claim is of a kind that this variant should keep: rewritten inputs keep only what a method declares.

    A claim made of others is of their kind; a comparison is a claim about an order, unless it is about a distance.
    """
    if key not in subject.controls:
        return True
    kind = str(claim.parameters.get("kind", {"existence": "predicate", "agreement": "set"}.get(claim.kind, claim.kind)))
    if kind == "comparison":
        kind = "predicate" if claim.parameters["by"] else "rank"
    return kind in subject.card.input_claims


def _holds_at_same_length(subject: Subject, claim: Claim, group: Sequence[Variant]) -> bool | None:
    """Whether a claim is true on other sequences as long as the rewritten ones; None where none were measured."""
    found = [subject.controls.get(variant.key) for variant in group]
    controls = [one for one in found if one is not None]
    if not controls or claim.kind not in YES_OR_NO or any(control.why_undefined(claim) for control in controls):
        return None
    return not any(is_false(claim, control) for control in controls)


def _case(blank: Finding, defined: Mapping[str, Pairing], undefined: str, rerun: Rerun) -> _Case:
    """``undefined`` is the reason why some variants are not among the defined: then the claim is not invariant."""
    if not defined:
        return _Case(replace(blank, reason=f"undefined: {undefined}"))
    margins = {key: margins_of(blank.claim, pairing, rerun.errors(pairing)) for key, pairing in defined.items()}
    is_sampled = blank.kind is not Kind.EXACT and all(one.parts is not None for one in margins.values())
    floor = rerun.floor(blank.claim) if is_sampled else None
    taken = (floor or 0.0) if blank.claim.kind == "pattern" else 0.0
    effects = {key: one.effect - taken for key, one in margins.items()}
    worst = max(effects, key=lambda key: effects[key])
    finding = replace(
        blank,
        effect=effects[worst],
        noise_floor=floor,
        worst_variant=worst,
        mean_effect=float(np.mean([*effects.values()])) if len(effects) > 1 else None,
        reason=f"undefined on a variant: {undefined}" if undefined else "",
    )
    fewest = min(len(pairing.ours) for pairing in defined.values())
    if is_sampled and fewest < LEAST_SEQUENCES:
        reason = f"a verdict needs at least {LEAST_SEQUENCES} sequences, and there are {fewest}"
        return _Case(replace(finding, reason=reason, needed_sequences=least_sequences(blank.threshold)))
    if is_sampled:
        return _Case(finding, tuple(margins.values()))
    is_overturned = effects[worst] > finding.threshold
    return _Case(replace(finding, invariant=False if is_overturned else None if undefined else True))


def _moved(case: _Case, found: WorstCase) -> Finding:
    """The finding after resampling: whether all variants keep the claim. What overturns it is not known yet."""
    finding = case.finding
    floor = (finding.noise_floor or 0.0) if finding.claim.kind == "pattern" else 0.0
    low, high = found.interval
    low = max(low, 0.0) if finding.claim.kind in ("value", "pattern") else low
    mean = found.mean_interval
    return replace(
        finding,
        p=found.p,
        interval=(low - floor, high),
        mean_interval=None if mean is None else (mean[0] - floor, mean[1]),
        invariant=True if high < finding.threshold and not finding.reason else None,
    )


def resolved_in(finding: Finding, clarity: WorstCase | None, sequences: int) -> Finding:
    """The verdict so far. ``clarity``: how clearly the claim holds for the original, None where nothing is sampled.

    A claim that the original does not resolve is not tested, so it has no p-value; an exact change may still overturn
    it, which no sampling decides.
    """
    if finding.effect is None:
        return finding
    resolved = clarity is None or (clarity.interval[1] < 0 and sequences >= LEAST_SEQUENCES)
    finding = replace(finding, resolved=resolved)
    if finding.invariant is False:
        return replace(finding, verdict=Verdict.UNSTABLE)
    if resolved or clarity is None:
        return replace(finding, verdict=Verdict.STABLE if finding.invariant else Verdict.INCONCLUSIVE)
    reason = f"the original's own claim is not resolved by {sequences} sequences"
    needed = sequences_until(clarity.effect, clarity.interval, 0.0, sequences)
    said = f"invariant, but {reason}" if finding.invariant else reason
    return replace(finding, p=None, reason=finding.reason or said, needed_sequences=needed)


def _resampled(
    jobs: Sequence[tuple[tuple[Margins, ...], float]], order: NDArray[np.intp], how: Resampling
) -> Iterator[WorstCase]:
    """The worst case of each set of margins against its threshold."""
    columns = [
        np.concatenate([one.parts for one in margins if one.parts is not None], axis=1)[order] for margins, _ in jobs
    ]
    blocks = in_blocks(columns, draws=how.draws, seed=how.seed)
    for (margins, threshold), (shifts, t) in zip(jobs, blocks, strict=True):
        yield worst_case(margins, shifts, t, threshold, seed=how.seed, tail=how.tail)


def own_order(subject: Subject) -> NDArray[np.intp]:
    """The sequences sorted by the size of their scores, which no order of sequences or components changes."""
    compared = [pairing for pairing in subject.pairings.values() if pairing.per_sequence]
    arrays = [subject.itself.ours, *(p.theirs for p in compared if len(p.theirs) == len(subject.itself.ours))]
    sizes = [np.nansum(np.square(array).reshape(len(array), -1), axis=1) for array in arrays]
    return np.lexsort(sizes[::-1])


def blank_finding(subject: Subject, claim: Claim, group: Sequence[Variant]) -> Finding:
    kind, equivalence = group[0].kind, group[0].equivalence
    expected = subject.card.expected.get(equivalence, Expected.OPEN)
    return Finding(
        id=_finding_id(subject.content, claim, equivalence),
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
        expected=expected,
        worst_variant=None,
        basis=basis_of(kind, expected),
    )


def _finding_id(content: str, claim: Claim, equivalence: str) -> str:
    text = "/".join((content, *claim.identity, equivalence))
    return "f" + hashlib.sha256(text.encode()).hexdigest()[:11]
