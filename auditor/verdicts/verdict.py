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
from dataclasses import dataclass, field, replace

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
from auditor.records.slices import Slice, at_slice, by_slice, slice_of
from auditor.verdicts.alignment import Scores, in_names_of
from auditor.verdicts.claims import AUTOMATIC_KINDS, claims_of
from auditor.verdicts.compound import COMPOUND, judge_compound
from auditor.verdicts.judgement import Resampling, Subject, judge
from auditor.verdicts.multiplicity import q_values
from auditor.verdicts.needed import needed_sequences
from auditor.verdicts.pairing import Pairing
from auditor.verdicts.sequential import share_of_look
from auditor.verdicts.worst_case import TAIL


@dataclass(frozen=True, slots=True)
class Settings:
    """How verdicts are reached."""

    draws: int
    alpha: float
    seed: int
    multiplicity: str = Multiplicity.BENJAMINI_HOCHBERG
    claims: tuple[str, ...] = AUTOMATIC_KINDS  # kinds of claims that are made automatically
    look: int = 0  # which look of several, from 1 (``auditor.verdicts.sequential``); 0: the only one


def findings_of(
    content: str,
    cards: Mapping[str, MethodCard],
    variants: Sequence[Variant],
    interpretations: Mapping[tuple[str, str], Scores],
    *,
    original: str,
    settings: Settings,
    claims: Mapping[str, Sequence[Claim]] | None = None,
) -> tuple[Finding, ...]:
    """Every claim of every method under every equivalence with a certified variant, in a fixed order.

    ``content`` says what is audited, and is a part of the ids of the findings. ``claims`` by method are judged instead
    of those that are made automatically. A claim about what a method does not score is undefined, with that reason.
    """
    how = Resampling(settings.draws, settings.seed, TAIL * share_of_look(settings.look))
    certified = tuple(variant for variant in variants if variant.state is VariantState.CERTIFIED)
    subjects = _Subjects(content, cards, certified, interpretations, original)
    findings: list[Finding] = []
    sequences: dict[str, int] = {}
    for card in cards.values():
        base = interpretations.get((original, card.name))
        if not isinstance(base, Interpretation):
            continue
        sequences[card.name] = len(base.values)
        asserted = claims_of(card, base, settings.claims) if claims is None else claims.get(card.name, ())
        simple = [claim for claim in asserted if claim.kind not in COMPOUND]
        for wanted, group in by_slice(simple).items():
            subject = subjects.of(card.name, wanted)
            findings += [] if subject is None else judge(subject, group, how)
        for claim in asserted:
            if claim.kind in COMPOUND:
                made_of = {method: subjects.of(method, slice_of(claim)) for method in claim.methods}
                known = {method: one for method, one in made_of.items() if one is not None}
                if len(known) == len(made_of):
                    findings += judge_compound(claim, known, how)
    corrected = _corrected(findings, settings)
    return tuple(
        finding
        if finding.needed_sequences is not None
        else replace(finding, needed_sequences=needed_sequences(finding, sequences[finding.claim.method]))
        for finding in corrected
    )


@dataclass(frozen=True)
class _Subjects:
    """The methods on the original and the variants, each made once. Not slotted: what is made is kept."""

    content: str
    cards: Mapping[str, MethodCard]
    certified: tuple[Variant, ...]
    interpretations: Mapping[tuple[str, str], Scores]
    original: str
    made: dict[tuple[str, Slice | None], Subject | None] = field(default_factory=dict)

    def of(self, method: str, wanted: Slice | None = None) -> Subject | None:
        """None where the original has no scores by the method."""
        if (method, wanted) not in self.made:
            self.made[method, wanted] = self._subject(method, wanted)
        return self.made[method, wanted]

    def _subject(self, method: str, wanted: Slice | None) -> Subject | None:
        card, scores = self.cards[method], self.interpretations
        base = scores.get((self.original, method))
        if not isinstance(base, Interpretation):
            return None
        ours = at_slice(base, wanted)

        def beside(found: Interpretation, before: Scores | None = None) -> Pairing:
            first = at_slice(before, wanted) if isinstance(before, Interpretation) else ours
            return Pairing(first, ours if found is base else at_slice(found, wanted), card.distance)

        pairings: dict[str, Pairing] = {}
        controls: dict[str, Pairing | None] = {}
        for one in self.certified:
            if (one.key, method) not in scores:
                continue
            before = scores.get((f"{one.key}/{BEFORE}", method))
            pairings[one.key] = beside(in_names_of(base, scores[one.key, method], one.relabelling), before)
            if isinstance(before, Interpretation):
                other = scores.get((f"{one.key}/{SAME_LENGTH}", method))
                controls[one.key] = beside(other, other) if isinstance(other, Interpretation) else None
        rerun = scores.get((RERUN, method))
        again = beside(rerun) if isinstance(rerun, Interpretation) else None
        return Subject(self.content, card, beside(base), pairings, self.certified, again, controls)


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
    alpha = settings.alpha * share_of_look(settings.look)
    if finding.q < alpha:
        return replace(finding, verdict=Verdict.UNSTABLE, invariant=False)
    reason = f"above the threshold, but q is not below {alpha:g} among {tested} claims tested"
    if (finding.p or 0.0) * (settings.draws + 1) <= 1:
        reason += f"; {settings.draws} bootstrap draws give no smaller p"
    return replace(finding, reason=reason)
