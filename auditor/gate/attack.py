"""The primary claims of a gate attacked one by one: for each a budget of optimiser steps to build a certified twin.

A claim that is overturned gets a witness, to be checked from its files alone. A twin that missed its certificate is
reported as a failed attack and is no witness.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import Progress, silent
from auditor.errors import PlanError
from auditor.exports.witness import export_witness
from auditor.gate.judging import AttackResult, Checked, Outcome
from auditor.plans.plan import Plan
from auditor.records import AuditReport
from auditor.stages.attack import Attacked, attack_claim, with_budget

Export = Callable[[Attacked], Path]
"""An attack that has succeeded → the folder of its witness."""


def attack_claims(
    checked: Sequence[Checked],
    model: CanonicalTransformer,
    plan: Plan,
    seed: int,
    *,
    budget: int,
    export: Export,
    progress: Progress = silent,
) -> tuple[Checked, ...]:
    """The claims, each primary one that still stands after an attack of at most ``budget`` optimiser steps.

    ``export`` is called as soon as a claim is overturned. A claim that cannot be attacked is undecided: a gate that
    tests nothing must not pass.
    """
    standing = [one for one in checked if one.decides and one.outcome in (Outcome.STABLE, Outcome.INCONCLUSIVE)]
    sized, found = with_budget(plan, budget), {}
    for number, one in enumerate(standing):

        def part(share: float, words: str, number: int = number, name: str = one.entry.name) -> None:
            progress((number + share) / len(standing), f"{name}: {words}")

        found[one.entry.name] = _attacked(one, model, sized, seed, export, part)
    return tuple(found.get(one.entry.name, one) for one in checked)


def exporter(report: AuditReport, original: CanonicalTransformer, plan: Plan, folder: Path) -> Export:
    """Writes each witness into a folder of its own in ``folder``, named by its finding."""

    def export(attacked: Attacked) -> Path:
        finding, twin = attacked.finding, attacked.built.model
        assert finding is not None
        assert twin is not None
        folder.mkdir(parents=True, exist_ok=True)
        grown = replace(report, variants=(*report.variants, attacked.built.variant))
        return export_witness(
            folder / finding.id, report=grown, finding=finding, original=original, twin=twin, strings=plan.strings
        )

    return export


def _attacked(
    one: Checked, model: CanonicalTransformer, plan: Plan, seed: int, export: Export, progress: Progress
) -> Checked:
    try:
        attacked = attack_claim(model, plan, seed, one.entry.claim, progress=progress)
    except PlanError as refused:
        reason = f"not attacked: {refused}"
        return replace(one, outcome=Outcome.INCONCLUSIVE, reason=reason, attack=AttackResult(reason=reason))
    folder = export(attacked) if attacked.overturns else None
    words = _words(attacked)
    result = AttackResult(words, attacked, None if folder is None else str(folder))
    if folder is not None:
        return replace(one, outcome=Outcome.UNSTABLE, reason=f"{words}; witness {folder}", attack=result)
    return replace(one, reason=f"{one.reason}; {words}", attack=result)


def _words(attacked: Attacked) -> str:
    steps = f"an attack of {attacked.spent:,} optimiser steps"
    if attacked.overturns:
        change = f"{attacked.quantity.replace('_', ' ')} {attacked.original:.3g} → {attacked.twin:.3g}"
        return f"overturned by {steps}: {change}"
    if not attacked.is_certified:
        return f"survived {steps}: no twin was certified ({attacked.built.variant.reason})"
    return f"survived {steps}"
