"""From interpretations to verdicts.

Exact variants change nothing but the weights: the change of a score is deterministic, so it is compared with a
numeric tolerance and there is no p-value. Behavioural and input variants are equal on a distribution: the effect is
the disagreement, with a paired bootstrap-t interval over sequences. A claim is *invariant* if the interval lies below Δ
for all variants, not invariant if it lies above Δ and q < α for one. It is *resolved* if the sequences show that it is
true of the original itself. UNSTABLE: not invariant. STABLE: invariant and resolved. Otherwise INCONCLUSIVE, with the
number of sequences that would decide.

Original and variant are compared on the same sequences, so that the noise of sampling is in the interval of the paired
difference and is counted once. What a method's own random draws leave is added to its variance, or, where distances
cannot be negative, taken from effect and lower end (``auditor.verdicts.noise``).

Where inputs are rewritten the original is measured on the decisions that both sides have, means are those over its own
inputs, and only those kinds of claims are asked that a method declares. What other sequences of the same lengths
overturn as well is no effect of the rewriting.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from auditor.records import (
    BEFORE,
    RERUN,
    SAME_LENGTH,
    Claim,
    Finding,
    Interpretation,
    MethodCard,
    Multiplicity,
    Variant,
    VariantState,
    Verdict,
)
from auditor.verdicts.alignment import Scores, in_names_of
from auditor.verdicts.claims import AUTOMATIC_KINDS, claims_of
from auditor.verdicts.judgement import Resampling, Subject, judge
from auditor.verdicts.multiplicity import q_values
from auditor.verdicts.needed import needed_sequences
from auditor.verdicts.pairing import Pairing


@dataclass(frozen=True, slots=True)
class Settings:
    """How verdicts are reached."""

    draws: int
    alpha: float
    seed: int
    multiplicity: str = Multiplicity.BENJAMINI_HOCHBERG
    claims: tuple[str, ...] = AUTOMATIC_KINDS  # kinds of claims that are made automatically


def findings_of(
    audit_id: str,
    cards: Mapping[str, MethodCard],
    variants: Sequence[Variant],
    interpretations: Mapping[tuple[str, str], Scores],
    *,
    original: str,
    settings: Settings,
    claims: Mapping[str, Sequence[Claim]] | None = None,
) -> tuple[Finding, ...]:
    """Every claim of every method under every equivalence with a certified variant, in a fixed order.

    ``claims`` by method are judged instead of those that are made automatically. A claim about what a method does not
    score is undefined, with that reason.
    """
    certified = tuple(variant for variant in variants if variant.state is VariantState.CERTIFIED)
    findings: list[Finding] = []
    sequences: dict[str, int] = {}
    for card in cards.values():
        base = interpretations.get((original, card.name))
        if not isinstance(base, Interpretation):
            continue
        sequences[card.name] = len(base.values)
        pairings: dict[str, Pairing] = {}
        controls: dict[str, Pairing | None] = {}
        for variant in certified:
            if (variant.key, card.name) not in interpretations:
                continue
            here = in_names_of(base, interpretations[variant.key, card.name], variant.relabelling)
            before = interpretations.get((f"{variant.key}/{BEFORE}", card.name))
            pairings[variant.key] = Pairing(before if isinstance(before, Interpretation) else base, here, card.distance)
            if isinstance(before, Interpretation):
                other = interpretations.get((f"{variant.key}/{SAME_LENGTH}", card.name))
                controls[variant.key] = (
                    Pairing(other, other, card.distance) if isinstance(other, Interpretation) else None
                )
        rerun = interpretations.get((RERUN, card.name))
        again = Pairing(base, rerun, card.distance) if isinstance(rerun, Interpretation) else None
        subject = Subject(audit_id, card, Pairing(base, base, card.distance), pairings, certified, again, controls)
        asserted = claims_of(card, base, settings.claims) if claims is None else claims.get(card.name, ())
        findings += judge(subject, asserted, Resampling(settings.draws, settings.seed))
    corrected = _corrected(findings, settings)
    return tuple(
        finding
        if finding.needed_sequences is not None
        else replace(finding, needed_sequences=needed_sequences(finding, sequences[finding.claim.method]))
        for finding in corrected
    )


def _corrected(findings: Sequence[Finding], settings: Settings) -> list[Finding]:
    """Findings with their q, over all that were tested; those above Δ with q < α are UNSTABLE."""
    tested = [index for index, finding in enumerate(findings) if finding.p is not None]
    q = q_values([findings[index].p or 0.0 for index in tested], settings.multiplicity)
    done = list(findings)
    for index, adjusted in zip(tested, q, strict=True):
        done[index] = _decided(replace(findings[index], q=adjusted), len(tested), settings)
    return done


def _decided(finding: Finding, tested: int, settings: Settings) -> Finding:
    if finding.interval is None or finding.q is None or finding.verdict is Verdict.STABLE:
        return finding
    if finding.interval[0] <= finding.threshold:
        return finding if finding.reason else replace(finding, reason="the interval spans the threshold")
    if finding.holds_at_same_length is False:
        return replace(
            finding, reason="false on other sequences as long as these too: length moves it, not the rewriting"
        )
    if finding.q < settings.alpha:
        return replace(finding, verdict=Verdict.UNSTABLE, invariant=False)
    reason = f"above the threshold, but q is not below {settings.alpha:g} among {tested} claims tested"
    if (finding.p or 0.0) * (settings.draws + 1) <= 1:
        reason += f"; {settings.draws} bootstrap draws give no smaller p"
    return replace(finding, reason=reason)
