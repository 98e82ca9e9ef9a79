"""All interpretations of an audit → its findings and its report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from auditor.canonical.architecture import Architecture
from auditor.contracts import card_in
from auditor.language.task import Task
from auditor.plans.cells import planned_methods
from auditor.plans.plan import Plan
from auditor.readings import method_named
from auditor.records import (
    ORIGINAL,
    Agreement,
    AuditHeader,
    AuditReport,
    Behaviour,
    Claim,
    Exclusion,
    Finding,
    Interpretation,
    MethodCard,
    Missing,
    ModelHeader,
    NotApplicable,
    Variant,
    VariantState,
)
from auditor.report.summary import summarise
from auditor.stages.content import content_of
from auditor.stages.sequences import interpretation_inputs
from auditor.verdicts.claims import AUTOMATIC_KINDS
from auditor.verdicts.illustration import Sentence, illustrate
from auditor.verdicts.missing import comparable, without_missing
from auditor.verdicts.scores import score_table
from auditor.verdicts.sequential import open_claims, still_asked
from auditor.verdicts.verdict import Settings, findings_of


@dataclass(frozen=True)
class Results:
    """All that the cells of an audit have computed, the input of the conclusion."""

    behaviour: Behaviour
    variants: tuple[Variant, ...]
    interpretations: Mapping[tuple[str, str], Interpretation | Agreement]  # (variant key, ORIGINAL or RERUN; method)
    not_applicable: Mapping[tuple[str, str], NotApplicable] = field(default_factory=dict)  # the same keys
    before: tuple[Finding, ...] = ()  # of the look that the plan continues
    missing: tuple[Missing, ...] = ()  # cells that failed, and what needs them

    def of_original(self, method: str) -> Interpretation:
        """The scores of the original by a method that has some."""
        found = self.interpretations[ORIGINAL, method]
        assert isinstance(found, Interpretation)
        return found


def conclude(audit: AuditHeader, model: ModelHeader, plan: Plan, seed: int, results: Results) -> AuditReport:
    """Findings and report. ``audit`` and ``model`` are the report's headers.

    Where the plan continues an earlier look, the claims that it left open are judged, and no others.
    """
    architecture = Architecture.from_json(model.architecture)
    cards = {name: card_in(method_named(name), architecture) for name in planned_methods(plan)}
    settings = statistics_of(plan, seed)
    variants, scores = results.variants, results.interpretations
    before = results.before
    claims = open_claims(before) if before else None
    findings = judged(content_of(audit, model), cards, results, settings, claims)
    findings = still_asked(findings, before) if before else findings
    absent = _absent(results)
    return AuditReport(
        audit=audit,
        model=model,
        behaviour=results.behaviour,
        variants=variants,
        interpretations=score_table(cards, variants, scores, draws=plan.bootstrap_draws, seed=seed),
        findings=findings,
        not_applicable=absent,
        illustrations=illustrate(findings, variants, scores, _sentences(model, plan, seed)),
        summary=summarise(findings, variants, absent, results.missing),
        missing=results.missing,
    )


def judged(
    content: str,
    cards: Mapping[str, MethodCard],
    results: Results,
    settings: Settings,
    claims: Mapping[str, Sequence[Claim]] | None,
) -> tuple[Finding, ...]:
    """The verdicts on what was measured, none that needs what is missing. ``content`` is in the ids of the findings."""
    scores = comparable(results.interpretations, results.missing)
    findings = findings_of(
        content, cards, results.variants, scores, original=ORIGINAL, settings=settings, claims=claims
    )
    return without_missing(findings, results.missing)


def statistics_of(plan: Plan, seed: int) -> Settings:
    """How the verdicts of a plan are reached."""
    return Settings(
        draws=plan.bootstrap_draws,
        alpha=plan.alpha,
        seed=seed,
        multiplicity=plan.multiplicity,
        claims=plan.claims or AUTOMATIC_KINDS,
        look=plan.look,
    )


def _absent(results: Results) -> tuple[Exclusion, ...]:
    """Everything that could not be applied or gave no score, with the reason, each named once."""
    found: dict[tuple[Literal["method", "equivalence"], str], str] = {}
    for variant in results.variants:
        if variant.state is VariantState.NOT_APPLICABLE:
            found["equivalence", variant.equivalence] = variant.reason
    for (variant_key, method), scores in results.interpretations.items():
        if variant_key == ORIGINAL and isinstance(scores, Interpretation):
            reasons = [scores.undefined.get(index) for index in range(len(scores.components))]
            if reasons and all(reasons):
                found["method", method] = reasons[0] or ""
    by_field: dict[tuple[str, str], str] = {}
    for (variant_key, method), absent in results.not_applicable.items():
        if variant_key == ORIGINAL:
            found["method", method] = absent.reason
        elif (ORIGINAL, method) not in results.not_applicable:
            by_field[method, variant_key.split("/", maxsplit=1)[0]] = absent.reason
    whole = tuple(Exclusion(what, name, why) for (what, name), why in found.items())
    return whole + tuple(Exclusion("method", method, why, name) for (method, name), why in by_field.items())


def _sentences(model: ModelHeader, plan: Plan, seed: int) -> list[Sentence]:
    """The inputs of the interpretations, spelled, each with the bracket that is open after each of its tokens."""
    task = Task.from_json(model.task)
    inputs = interpretation_inputs(task, plan, seed)
    lengths = inputs.not_padding.sum(1).tolist()
    rows, openers = inputs.tokens.tolist(), inputs.opener.tolist()
    return [
        Sentence(task.language.vocabulary.decode(row[:length]), [at if at >= 0 else None for at in places[:length]])
        for row, places, length in zip(rows, openers, lengths, strict=True)
    ]
