"""Which claims fall under which kind of equality: method × kind, with intervals over models.

A claim falls under a kind if some certified variant of that kind overturns it, and survives if all leave it as it was;
a claim of which neither is shown is in neither share.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from auditor.calibration.random_explanation import RandomExplanation
from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import Request
from auditor.plans.plan import Plan
from auditor.records import ORIGINAL, AuditReport, Finding, Kind, Variant, VariantState, Verdict
from auditor.reproduction.intervals import mean_interval
from auditor.reproduction.results import FallRate
from auditor.seeds import numpy_generator
from auditor.stages.conclude import statistics_of
from auditor.stages.sequences import interpretation_inputs
from auditor.verdicts.verdict import findings_of

RANDOM = "random explanation"
"""The control among the methods; it draws its scores by the hash of the weights, so new inputs leave it as it is."""


def fall_rates(findings: Mapping[str, Sequence[Finding]]) -> tuple[FallRate, ...]:
    """One for each method and kind that some model has claims under, by the findings of each model."""
    shares: dict[tuple[str, str], list[tuple[float, float, int]]] = {}
    for of_model in findings.values():
        for key, verdicts in _by_claim(of_model).items():
            fall = sum(Verdict.UNSTABLE in found for found in verdicts) / len(verdicts)
            survive = sum(found == {Verdict.STABLE} for found in verdicts) / len(verdicts)
            shares.setdefault(key, []).append((fall, survive, len(verdicts)))
    return tuple(
        FallRate(
            method=method,
            kind=kind,
            claims=sum(count for _, _, count in of),
            models=len(of),
            fall=sum(fall for fall, _, _ in of) / len(of),
            fall_interval=mean_interval([fall for fall, _, _ in of]),
            survive=sum(survive for _, survive, _ in of) / len(of),
            survive_interval=mean_interval([survive for _, survive, _ in of]),
        )
        for (method, kind), of in sorted(shares.items())
    )


def _by_claim(findings: Iterable[Finding]) -> Mapping[tuple[str, str], list[set[Verdict]]]:
    """The verdicts on each claim under each kind, by (method, kind)."""
    found: dict[tuple[str, str], dict[tuple[str, ...], set[Verdict]]] = {}
    for one in findings:
        claims = found.setdefault((one.claim.method, str(one.kind)), {})
        claims.setdefault(one.claim.identity, set()).add(one.verdict)
    return {key: [*claims.values()] for key, claims in found.items()}


def random_findings(
    report: AuditReport, plan: Plan, model: CanonicalTransformer, twins: Mapping[str, CanonicalTransformer]
) -> tuple[Finding, ...]:
    """Verdicts on a random explanation under the certified variants of an audit, by their keys in ``twins``.

    Only exact and behavioural ones: the scores depend on the weights alone.
    """
    method, seed = RandomExplanation(), report.audit.seed
    inputs = interpretation_inputs(model.task, plan, seed)
    variants = usable(report.variants)
    scores = {
        (key, method.name): method.interpret(Request(one, inputs, numpy_generator(seed, "reproduction", "random")))
        for key, one in {ORIGINAL: model, **{variant.key: twins[variant.key] for variant in variants}}.items()
    }
    return findings_of(
        report.audit.id,
        {method.name: method.card},
        variants,
        scores,
        original=ORIGINAL,
        settings=statistics_of(plan, seed),
    )


def usable(variants: Iterable[Variant]) -> tuple[Variant, ...]:
    """Certified variants with other weights."""
    return tuple(one for one in variants if one.state is VariantState.CERTIFIED and one.kind is not Kind.INPUT)
