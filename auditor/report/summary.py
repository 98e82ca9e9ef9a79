"""The summary of an audit: counts and one headline sentence.

The unit of counting is said each time: a *verdict* is one claim under one equivalence; a *claim* is overturned when one
verdict on it is UNSTABLE, undecided when none is but one is INCONCLUSIVE, and surviving when all are STABLE.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from auditor.records import (
    Basis,
    ClaimCounts,
    Exclusion,
    Finding,
    Kind,
    MethodSummary,
    Missing,
    Stage,
    Summary,
    Variant,
    VariantState,
    Verdict,
    VerdictCounts,
)
from auditor.report.matrix import SEVERITY, Agreement, Matrix, by_weight, stability_matrix
from auditor.report.wording import claim_text, counted, plain, sameness, with_failures


def summarise(
    findings: Sequence[Finding],
    variants: Sequence[Variant],
    not_applicable: Sequence[Exclusion],
    missing: Sequence[Missing] = (),
) -> Summary:
    """The ``summary`` field of a report.

    ``expected_agreement`` counts equivalences per method: where the verdicts agree with theory, contradict it, where a
    change that theory allows was not seen, where it is undecided, and where theory predicts nothing.
    """
    verdicts = Counter(finding.verdict for finding in findings)
    states = Counter(variant.state for variant in variants)
    matrix = stability_matrix(findings, variants, not_applicable, missing=missing)
    return Summary(
        stable=verdicts[Verdict.STABLE],
        unstable=verdicts[Verdict.UNSTABLE],
        inconclusive=verdicts[Verdict.INCONCLUSIVE],
        not_certified=states[VariantState.NOT_CERTIFIED],
        not_applicable=len(not_applicable),
        contradicts_theory=sum(finding.contradicts_theory for finding in findings),
        claims=claim_counts(findings),
        methods=_per_method(matrix),
        headline=headline(findings, variants, missing),
        by_basis={
            str(basis): _verdicts(finding for finding in findings if finding.grounds is basis) for basis in Basis
        },
        behavioural_twins=behavioural_twins(variants),
    )


def behavioural_twins(variants: Sequence[Variant]) -> tuple[str, ...]:
    """Equivalences of kind behavioural with a certified variant, in the order of the audit."""
    return tuple(
        dict.fromkeys(
            variant.equivalence
            for variant in variants
            if variant.kind is Kind.BEHAVIOURAL and variant.state is VariantState.CERTIFIED
        )
    )


def _verdicts(findings: Iterable[Finding]) -> VerdictCounts:
    verdicts = Counter(finding.verdict for finding in findings)
    return VerdictCounts(verdicts[Verdict.STABLE], verdicts[Verdict.UNSTABLE], verdicts[Verdict.INCONCLUSIVE])


def claim_counts(findings: Sequence[Finding]) -> ClaimCounts:
    """How many distinct claims are overturned, undecided, surviving; and all of them."""
    by_claim: dict[tuple[str, str, str, str], list[Finding]] = {}
    for finding in findings:
        claim = finding.claim
        by_claim.setdefault((claim.method, claim.kind, claim.component.label, claim.text), []).append(finding)
    worst = {about: min(group, key=lambda finding: SEVERITY[finding.verdict]) for about, group in by_claim.items()}
    counts = Counter(finding.verdict for finding in worst.values())
    undecided = [by_claim[about] for about, finding in worst.items() if finding.verdict is Verdict.INCONCLUSIVE]
    return ClaimCounts(
        overturned=counts[Verdict.UNSTABLE],
        undecided=counts[Verdict.INCONCLUSIVE],
        surviving=counts[Verdict.STABLE],
        total=len(worst),
        unresolved=sum(any(finding.resolved is False for finding in group) for group in undecided),
    )


def headline(findings: Sequence[Finding], variants: Sequence[Variant], missing: Sequence[Missing] = ()) -> str:
    """The verdict, the claim it is about, the twin that shows it, and the counts; then what was not tested at all."""
    verdict = _verdict(findings, variants) if findings or not missing else "NO VERDICT: what it needs is missing."
    return verdict + _untested(variants, missing) + (f" {with_failures(missing)}." if missing else "")


ROUNDED = ("behavioural_fp16", "behavioural_int8")
"""Behavioural equivalences that only round the weights: a copy, not another mechanism."""


def _untested(variants: Sequence[Variant], missing: Sequence[Missing]) -> str:
    """That no twin of the same behaviour was certified, where it is so; empty else, and where twins are missing."""
    if any(one.stage is Stage.BUILD for one in missing):
        return ""
    asked = {variant.equivalence for variant in variants if variant.kind is Kind.BEHAVIOURAL}
    twins = behavioural_twins(variants)
    if not asked:
        return " Nothing was tested behaviourally: the plan makes no behavioural twin."
    if not twins:
        return " Nothing was tested behaviourally: no behavioural twin was certified."
    if {*twins} <= {*ROUNDED}:
        return f" No behavioural twin was certified but rounded copies ({', '.join(twins)})."
    return ""


def _verdict(findings: Sequence[Finding], variants: Sequence[Variant]) -> str:
    if not findings:
        failed = sum(variant.state is VariantState.NOT_CERTIFIED for variant in variants)
        why = f"none of {counted(failed, 'variant')} passed its certificate" if failed else "no claim could be tested"
        return f"NO VERDICT: {why}."
    counts = claim_counts(findings)
    equivalences = counted(len({finding.equivalence for finding in findings}), "equivalence")
    if counts.overturned:
        return _overturned(findings, variants, counts)
    if counts.undecided:
        return (
            f"INCONCLUSIVE: nothing was overturned, but {counts.undecided} of {counted(counts.total, 'claim')} "
            f"cannot be decided with this many sequences{_of_them(counts)}; "
            f"{counts.surviving} survive all {equivalences} tested."
        )
    return f"STABLE: {_all(counts.total)} survived every function-preserving change tested ({equivalences})."


def leading_of(findings: Sequence[Finding]) -> Finding | None:
    """The finding that a report states first; None where there is none."""
    if not findings:
        return None
    leading = min(findings, key=lambda finding: (finding.contradicts_theory, *by_weight(finding)))
    if leading.verdict is not Verdict.UNSTABLE:  # everything unstable contradicts theory
        leading = min(findings, key=by_weight)
    return leading


def _overturned(findings: Sequence[Finding], variants: Sequence[Variant], counts: ClaimCounts) -> str:
    leading = leading_of(findings)
    assert leading is not None
    twin = next((variant for variant in variants if variant.key == leading.worst_variant), None)
    same = sameness(None if twin is None else twin.certificate, leading.kind)
    against = " although theory rules that out" if leading.contradicts_theory else ""
    return (
        f"UNSTABLE: “{claim_text(leading.claim)}” is overturned by {plain(leading.equivalence)}{against}, "
        f"{_SHOWN_ON[leading.kind]} ({same}); {_tally(counts)}."
    )


_SHOWN_ON: Mapping[Kind, str] = {
    Kind.EXACT: "on a model with the same function",
    Kind.BEHAVIOURAL: "on a model with the same behaviour",
    Kind.INPUT: "on inputs that call for the same decisions",
}


def _tally(counts: ClaimCounts) -> str:
    verb = "is" if counts.overturned == 1 else "are"
    undecided = f", {counts.undecided} undecided{_of_them(counts)}" if counts.undecided else ""
    return (
        f"{counts.overturned} of {counted(counts.total, 'claim')} {verb} overturned{undecided}, "
        f"{counts.surviving} survived everything tested"
    )


def _of_them(counts: ClaimCounts) -> str:
    return f" ({counts.unresolved} not resolved in the original itself)" if counts.unresolved else ""


def _all(total: int) -> str:
    return "the one claim tested" if total == 1 else f"all {total} claims"


def _per_method(matrix: Matrix) -> dict[str, MethodSummary]:
    return {
        row.method: MethodSummary(
            stable=sum(field.stable for field in row.fields),
            unstable=sum(field.unstable for field in row.fields),
            inconclusive=sum(field.inconclusive for field in row.fields),
            expected_agreement={
                str(outcome): sum(field.agreement is outcome for field in row.fields if field.total)
                for outcome in Agreement
            },
        )
        for row in matrix.rows
    }
