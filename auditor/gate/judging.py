"""Claims of a file against what an audit has computed.

A claim must survive every equivalence it names. One that is overturned, or false for the audited model itself, fails;
one that the audit cannot decide is INCONCLUSIVE, which is never a pass.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from auditor.contracts import equivalences
from auditor.gate.claims_file import Entry, Role
from auditor.plans.cells import planned_equivalences
from auditor.plans.plan import Plan
from auditor.readings import method_named
from auditor.records import ORIGINAL, Finding, Json, Kind, VariantState, Verdict
from auditor.records.slices import at_slice, slice_of
from auditor.stages.attack import Attacked
from auditor.stages.conclude import Results, judged, statistics_of
from auditor.verdicts.compound import why_not_true
from auditor.verdicts.pairing import Pairing


class Outcome(StrEnum):
    """The outcome of a claim."""

    STABLE = "stable"
    UNSTABLE = "unstable"
    FALSE = "false"  # it does not hold for the audited model itself
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, slots=True)
class AttackResult:
    """What an attack on a claim came to, in words, and the folder of the witness where it has overturned the claim."""

    reason: str
    attacked: Attacked | None = None  # None: it could not be attacked
    witness: str | None = None

    def to_json(self) -> dict[str, Json]:
        """JSON form."""
        found = {} if self.attacked is None else self.attacked.to_json()
        return {"reason": self.reason, "witness": self.witness, **found}


@dataclass(frozen=True, slots=True)
class Checked:
    """One claim with its outcome, why, and the findings behind it."""

    entry: Entry
    outcome: Outcome
    reason: str
    findings: tuple[Finding, ...]
    attack: AttackResult | None = None  # None: it was not asked for

    @property
    def decides(self) -> bool:
        """Whether its outcome counts for the exit code."""
        return self.entry.role is Role.PRIMARY

    def to_json(self) -> dict[str, Json]:
        """JSON form."""
        return {
            "name": self.entry.name,
            "role": str(self.entry.role),
            "line": self.entry.line,
            "method": self.entry.claim.method,
            "component": self.entry.claim.component.label,
            "claim": self.entry.claim.to_json(),
            "survives": list(self.entry.survives),
            "outcome": str(self.outcome),
            "reason": self.reason,
            "findings": [finding.to_json() for finding in self.findings],
            **({} if self.attack is None else {"attack": self.attack.to_json()}),
        }


def plan_for(entries: Sequence[Entry], plan: Plan) -> Plan:
    """A plan cut to the methods that the claims read and the equivalences that they must survive."""
    kinds = {name for entry in entries for name in entry.survives if name in tuple(Kind)}
    named = {name for entry in entries for name in entry.survives} - kinds
    chosen = [
        name
        for name, plugin in equivalences().items()
        if name in named or (str(plugin.kind) in kinds and name in planned_equivalences(plan))
    ]
    read = tuple(dict.fromkeys(method for entry in entries for method in entry.claim.methods))
    return replace(plan, name=f"{plan.name}-gate", methods=read, equivalences=tuple(chosen))


def check(entries: Sequence[Entry], results: Results, plan: Plan, seed: int, content: str) -> tuple[Checked, ...]:
    """Every claim judged on the interpretations of an audit; together they are the family of tests.

    ``content`` says what was audited (``auditor.stages.content``): findings have the ids of the audit's own.
    """
    by_method: dict[str, list[Entry]] = {}
    for entry in entries:
        by_method.setdefault(entry.claim.method, []).append(entry)
    findings = judged(
        content,
        {name: method_named(name).card for entry in entries for name in entry.claim.methods},
        results,
        statistics_of(plan, seed),
        {name: [entry.claim for entry in listed] for name, listed in by_method.items()},
    )
    return tuple(_checked(entry, findings, results) for entry in entries)


def _checked(entry: Entry, findings: Sequence[Finding], results: Results) -> Checked:
    about = [f for f in findings if f.claim.identity == entry.claim.identity]
    relevant = tuple(f for f in about if f.equivalence in entry.survives or str(f.kind) in entry.survives)
    itself = {}
    for method in entry.claim.methods:
        if (ORIGINAL, method) not in results.interpretations:
            return Checked(entry, Outcome.INCONCLUSIVE, f"{method}: {_why_not_run(method, results)}", ())
        base = at_slice(results.of_original(method), slice_of(entry.claim))
        itself[method] = Pairing(base, base, method_named(method).distance)
    reason = why_not_true(entry.claim, itself)
    if reason:
        return Checked(entry, Outcome.FALSE, reason, relevant)
    overturned = [f for f in relevant if f.verdict is Verdict.UNSTABLE]
    if overturned:
        worst = max(overturned, key=lambda f: (f.kind is Kind.EXACT, f.effect or 0.0))
        return Checked(entry, Outcome.UNSTABLE, f"overturned by {worst.worst_variant}", relevant)
    open_ = [f for f in relevant if f.verdict is Verdict.INCONCLUSIVE]
    if open_:
        return Checked(entry, Outcome.INCONCLUSIVE, f"{open_[0].equivalence}: {_why(open_[0])}", relevant)
    missing = [name for name in entry.survives if not any(name in (f.equivalence, str(f.kind)) for f in relevant)]
    if missing:
        return Checked(entry, Outcome.INCONCLUSIVE, f"{missing[0]}: {_why_absent(missing[0], results)}", relevant)
    variants = sum(len(f.variants) for f in relevant)
    return Checked(entry, Outcome.STABLE, f"held on {variants} variants of {len(relevant)} equivalences", relevant)


def _why(finding: Finding) -> str:
    needed = "" if finding.needed_sequences is None else f"; about {finding.needed_sequences:,} sequences would decide"
    return (finding.reason or "the interval spans the threshold") + needed


def _why_not_run(method: str, results: Results) -> str:
    if (ORIGINAL, method) in results.not_applicable:
        return results.not_applicable[ORIGINAL, method].reason
    lost = (one for one in results.missing if one.variant == ORIGINAL and method in one.methods)
    return next((f"{one.cell} is missing: {one.why}" for one in lost), "the audit did not run it")


def _why_absent(name: str, results: Results) -> str:
    lost = [one for one in results.missing if name in (one.equivalence, _kind_of(one.equivalence))]
    if lost:
        return f"{lost[0].cell} is missing: {lost[0].why}"
    made = [variant for variant in results.variants if name in (variant.equivalence, str(variant.kind))]
    reasons: Mapping[str, str] = {f"{v.equivalence}: {v.reason}": "" for v in made if v.reason}
    if any(variant.state is VariantState.CERTIFIED for variant in made):
        return "the method has no scores for its variants, or makes no claim of this kind that they should keep"
    return next(iter(reasons), "the audit made no such variant")


def _kind_of(equivalence: str) -> str:
    """The kind of an equivalence by its name; empty where it is no equivalence."""
    plugin = equivalences().get(equivalence)
    return "" if plugin is None else str(plugin.kind)
