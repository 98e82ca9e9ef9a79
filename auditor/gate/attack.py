"""The primary claims of a gate attacked one by one: for each a budget of optimiser steps to build a certified twin.

A claim that is overturned gets a witness, to be checked from its files alone. A twin that missed its certificate is
reported as a failed attack and is no witness.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import Progress, silent
from auditor.errors import PlanError
from auditor.exports.witness import export_witness
from auditor.gate.judging import AttackResult, Checked, Outcome
from auditor.plans.plan import Plan
from auditor.records import AuditReport, Claim, Verdict
from auditor.stages.attack import Attacked, attack_claim, with_budget
from auditor.stages.build import KeptTwin

Export = Callable[[Attacked], Path]
"""An attack that has succeeded → the folder of its witness."""


class Shelf:
    """Where attacks are kept, so that none is made twice. This one keeps nothing."""

    def find(self, claim: Claim, plan: Plan) -> KeptTwin | None:  # noqa: ARG002
        """The twin that was made against a claim by the same plan, if there is one."""
        return None

    def keep(self, claim: Claim, plan: Plan, attacked: Attacked) -> None:
        """Keep the twin of an attack, and the finding where it has overturned the claim."""


def attack_claims(
    checked: Sequence[Checked],
    model: CanonicalTransformer,
    plan: Plan,
    seed: int,
    *,
    budget: int,
    export: Export,
    content: str = "attack",
    shelf: Shelf | None = None,
    progress: Progress = silent,
) -> tuple[Checked, ...]:
    """The claims, each primary one that still stands after an attack of at most ``budget`` optimiser steps.

    ``export`` is called as soon as a claim is overturned. A claim that cannot be attacked, or that is open on the best
    certified twin, is undecided: a gate that tests nothing must not pass. ``content`` says what is audited, a part of
    the ids of the findings.
    """
    attacks = _Attacks(model, with_budget(plan, budget), seed, f"{content}/attack", export, shelf or Shelf())
    standing = [one for one in checked if one.decides and one.outcome in (Outcome.STABLE, Outcome.INCONCLUSIVE)]
    found = {}
    for number, one in enumerate(standing):

        def part(share: float, words: str, number: int = number, name: str = one.entry.name) -> None:
            progress((number + share) / len(standing), f"{name}: {words}")

        found[one.entry.name] = attacks.on(one, part)
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


@dataclass(frozen=True)
class _Attacks:
    """Attacks on the claims about one model."""

    model: CanonicalTransformer
    plan: Plan
    seed: int
    content: str
    export: Export
    shelf: Shelf

    def on(self, one: Checked, progress: Progress) -> Checked:
        """A claim after the attack on it."""
        claim = one.entry.claim
        try:
            kept = self.shelf.find(claim, self.plan)
            attacked = attack_claim(
                self.model, self.plan, self.seed, claim, content=self.content, kept=kept, progress=progress
            )
        except PlanError as refused:
            reason = f"not attacked: {refused}"
            return replace(one, outcome=Outcome.INCONCLUSIVE, reason=reason, attack=AttackResult(reason=reason))
        self.shelf.keep(claim, self.plan, attacked)
        folder = self.export(attacked) if attacked.overturns else None
        words = _words(attacked)
        result = AttackResult(words, attacked, None if folder is None else str(folder))
        if folder is not None:
            return replace(one, outcome=Outcome.UNSTABLE, reason=f"{words}; witness {folder}", attack=result)
        is_open = attacked.finding is not None and attacked.finding.verdict is Verdict.INCONCLUSIVE
        outcome = Outcome.INCONCLUSIVE if is_open else one.outcome
        return replace(one, outcome=outcome, reason=f"{one.reason}; {words}", attack=result)


def _words(attacked: Attacked) -> str:
    steps = f"an attack of {attacked.spent:,} optimiser steps"
    twin = "undefined" if attacked.twin is None else f"{attacked.twin:.3g}"
    change = f"{attacked.quantity.replace('_', ' ')} {attacked.original:.3g} → {twin}"
    if attacked.overturns:
        return f"overturned by {steps}: {change}"
    if not attacked.is_certified:
        return f"survived {steps}: no twin was certified ({attacked.built.variant.reason})"
    finding = attacked.finding
    if finding is not None and finding.verdict is Verdict.INCONCLUSIVE:
        return f"neither overturned nor safe after {steps}: {change}; {finding.reason}"
    return f"survived {steps}: {change}"
