"""From two interpretations to a verdict.

Exact variants change nothing but the weights: the change of a score is deterministic, so it is compared with a
numeric tolerance and there is no p-value. Behavioural variants are equal on a distribution: the effect is the
disagreement minus the noise floor, with a paired bootstrap interval over sequences. UNSTABLE: the interval lies above
Δ and q < α. STABLE: it lies below Δ. Otherwise INCONCLUSIVE, with the number of sequences that would decide. One
variant suffices to overturn a claim (p is Bonferroni-corrected for the number tried); all must agree to call it stable.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from auditor.records import Claim, Expected, Finding, Interpretation, Kind, MethodCard, Variant, VariantState, Verdict
from auditor.stability.alignment import align
from auditor.stability.bootstrap import Estimate, estimate, resampled_means, split_half_noise
from auditor.stability.claims import claims_of, mean_scores
from auditor.stability.distances import (
    EXACT_TOLERANCE,
    SMALLEST_EFFECT,
    pattern_distance,
    rank_shortfall,
    relative_change,
    scale_of,
)
from auditor.stability.multiplicity import q_values

HALVES = 50
"""Random splits behind a noise floor."""

MOST_SEQUENCES = 10_000_000
"""Beyond this, "more sequences" is no advice."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How verdicts are reached."""

    draws: int
    alpha: float
    seed: int


@dataclass(frozen=True, slots=True)
class _Effect:
    """One claim under one variant."""

    variant: str
    estimate: Estimate
    noise: float | None
    sampled: bool  # False: deterministic, no interval


def findings_of(
    audit_id: str,
    cards: Mapping[str, MethodCard],
    variants: Sequence[Variant],
    interpretations: Mapping[tuple[str, str], Interpretation],
    *,
    original: str,
    settings: Settings,
) -> tuple[Finding, ...]:
    """Every claim of every method under every equivalence with a certified variant, in a fixed order."""
    certified = [variant for variant in variants if variant.state is VariantState.CERTIFIED]
    findings: list[Finding] = []
    for card in cards.values():
        base = interpretations.get((original, card.name))
        if base is None:
            continue
        aligned = {
            variant.key: align(interpretations[variant.key, card.name], variant.relabelling, base.components)
            for variant in certified
            if (variant.key, card.name) in interpretations
        }
        for claim in claims_of(card, base):
            for name in dict.fromkeys(variant.equivalence for variant in certified):
                group = [v for v in certified if v.equivalence == name and v.key in aligned]
                if group:
                    findings.append(_finding(audit_id, card, claim, base, group, aligned, settings))
    sequences = {name: len(found.values) for (key, name), found in interpretations.items() if key == original}
    return tuple(
        replace(finding, needed_sequences=needed_sequences(finding, sequences[finding.claim.method]))
        for finding in _with_multiplicity(findings, settings.alpha)
    )


def _finding(
    audit_id: str,
    card: MethodCard,
    claim: Claim,
    base: Interpretation,
    group: Sequence[Variant],
    aligned: Mapping[str, Interpretation],
    settings: Settings,
) -> Finding:
    kind, equivalence = group[0].kind, group[0].equivalence
    threshold = EXACT_TOLERANCE if kind is Kind.EXACT else SMALLEST_EFFECT[claim.kind]
    blank = Finding(
        id=_finding_id(audit_id, claim, equivalence),
        claim=claim,
        equivalence=equivalence,
        kind=kind,
        variants=tuple(variant.key for variant in group),
        effect=None,
        interval=None,
        noise_floor=None,
        threshold=threshold,
        p=None,
        q=None,
        verdict=Verdict.INCONCLUSIVE,
        expected=card.expected.get(equivalence, Expected.OPEN),
        worst_variant=None,
    )
    reason = _undefined(base, aligned, group, claim)
    if reason:
        return replace(blank, reason=f"undefined: {reason}")
    effects = [_effect(claim, card.distance, *_comparable(base, aligned[v.key]), v, threshold, settings) for v in group]
    worst = max(effects, key=lambda effect: effect.estimate.value)
    filled = replace(blank, effect=worst.estimate.value, noise_floor=worst.noise, worst_variant=worst.variant)
    if not worst.sampled:
        overturned = worst.estimate.value > threshold
        return replace(filled, verdict=Verdict.UNSTABLE if overturned else Verdict.STABLE)
    if claim.kind == "rank" and not _resolved(base, base.components.index(claim.component), settings):
        reason = f"the original's own ranking is not resolved by {len(base.values)} sequences"
        return replace(filled, interval=worst.estimate.interval, reason=reason)
    corrected = min(1.0, worst.estimate.p * len(group))
    highest = max(effect.estimate.interval[1] for effect in effects)
    verdict = Verdict.STABLE if highest < threshold else Verdict.INCONCLUSIVE
    return replace(filled, interval=worst.estimate.interval, p=corrected, verdict=verdict)


def _comparable(base: Interpretation, other: Interpretation) -> tuple[Interpretation, Interpretation]:
    """Both without the components that are undefined in either: what has no score enters no statistic."""
    absent = {*base.undefined, *other.undefined}
    return _without(base, absent), _without(other, absent)


def _without(found: Interpretation, absent: set[int]) -> Interpretation:
    if not absent:
        return found
    values = np.delete(found.values, sorted(absent), axis=found.axes.index(found.component_axis))
    kept = tuple(component for index, component in enumerate(found.components) if index not in absent)
    return replace(found, components=kept, values=values, undefined={})


def _effect(
    claim: Claim,
    distance: str,
    base: Interpretation,
    other: Interpretation,
    variant: Variant,
    threshold: float,
    settings: Settings,
) -> _Effect:
    index = base.components.index(claim.component)
    sampled = variant.kind is not Kind.EXACT and base.per_sequence
    if claim.kind == "pattern":
        ours, theirs = (_by_sequence(found) for found in (base, other))
        variation = pattern_distance(distance, ours, theirs)
        value, noise, draws = float(variation.mean[index]), 0.0, None
        if sampled:
            both = np.stack([variation.total[:, index], variation.rows], axis=1)
            means = resampled_means(both, draws=settings.draws, seed=settings.seed)
            draws = means[:, 0] / np.maximum(means[:, 1], 1e-12)
    elif claim.kind == "rank":
        value, noise = float(rank_shortfall(mean_scores(other), index)), None
        draws = (
            rank_shortfall(resampled_means(other.values, draws=settings.draws, seed=settings.seed), index)
            if sampled
            else None
        )
    else:
        value = float(relative_change(mean_scores(base), mean_scores(other))[index])
        noise, draws = 0.0, None
        if sampled:
            floor = split_half_noise(base.values, splits=HALVES, seed=settings.seed) / scale_of(mean_scores(base))
            noise = float(floor[index])
            value -= noise
            ours, theirs = (
                resampled_means(found.values, draws=settings.draws, seed=settings.seed) for found in (base, other)
            )
            draws = relative_change(ours, theirs)[:, index] - noise
    if draws is None:
        return _Effect(variant.key, Estimate(value, (value, value), 1.0), noise, sampled=False)
    return _Effect(variant.key, estimate(value, draws, threshold), noise, sampled=True)


def _by_sequence(found: Interpretation) -> np.ndarray:
    """Scores [sequence, component, …]; those of weights count as one sequence."""
    values = found.values if found.per_sequence else found.values[None]
    return np.moveaxis(values, found.axes.index(found.component_axis) + (not found.per_sequence), 1)


def _undefined(
    base: Interpretation, aligned: Mapping[str, Interpretation], group: Sequence[Variant], claim: Claim
) -> str:
    index = base.components.index(claim.component)
    for variant in group:
        other = aligned[variant.key]
        if index in other.undefined:
            return other.undefined[index]
        if claim.kind == "rank" and other.undefined:
            return next(iter(other.undefined.values()))
        if other.values.shape != base.values.shape:
            return f"{variant.key} was scored on other sequences than the original"
    pairs = [_comparable(base, aligned[variant.key]) for variant in group]
    if any(not np.isfinite(ours.values).all() for ours, _ in pairs):
        return "the original has scores that are not finite"
    if any(not np.isfinite(theirs.values).all() for _, theirs in pairs):
        return "a variant has scores that are not finite"
    if base.per_sequence and len(base.values) < 2 and group[0].kind is not Kind.EXACT:
        return "one sequence cannot be resampled"
    return ""


def _resolved(base: Interpretation, index: int, settings: Settings) -> bool:
    draws = rank_shortfall(resampled_means(base.values, draws=settings.draws, seed=settings.seed), index)
    return estimate(0.0, draws, 0.0).interval[1] < 0


def _with_multiplicity(findings: Sequence[Finding], alpha: float) -> tuple[Finding, ...]:
    tested = [i for i, finding in enumerate(findings) if finding.p is not None]
    adjusted = dict(zip(tested, q_values([findings[i].p or 0.0 for i in tested]), strict=True))
    done = []
    for index, finding in enumerate(findings):
        settled = replace(finding, q=adjusted[index]) if index in adjusted else finding
        if settled.q is not None and settled.interval is not None:
            if settled.interval[0] > settled.threshold and settled.q < alpha:
                settled = replace(settled, verdict=Verdict.UNSTABLE)
            elif settled.verdict is Verdict.INCONCLUSIVE:
                settled = replace(settled, reason="the interval spans the threshold")
        done.append(settled)
    return tuple(done)


def needed_sequences(finding: Finding, sequences: int) -> int | None:
    """Sequences at which the half-width would equal the distance to the threshold: n · (half / distance)²."""
    if finding.verdict is not Verdict.INCONCLUSIVE or finding.interval is None or finding.effect is None:
        return None
    distance = abs(finding.effect - finding.threshold)
    half = (finding.interval[1] - finding.interval[0]) / 2
    if distance == 0:
        return None
    needed = math.ceil(sequences * (half / distance) ** 2)
    return max(needed, sequences + 1) if needed <= MOST_SEQUENCES else None


def _finding_id(audit_id: str, claim: Claim, equivalence: str) -> str:
    text = "/".join((audit_id, claim.method, claim.kind, claim.component.label, equivalence))
    return "f" + hashlib.sha256(text.encode()).hexdigest()[:11]
