"""The plan of a later look: the same audit with twice the sequences, cut to what is still open."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from auditor.plans.plan import Plan
from auditor.records import Finding
from auditor.verdicts.sequential import open_claims


def later_plan(plan: Plan, findings: Iterable[Finding], *, audit: str) -> Plan:
    """The plan that continues ``audit``, made by ``plan``: only methods with an open claim run again.

    Variants stay those of the plan, so that their keys and the recipes of their twins are the same.
    """
    open_ = [claim for claims in open_claims(findings).values() for claim in claims]
    methods = tuple(dict.fromkeys(name for claim in open_ for name in claim.methods))
    return replace(plan, sequences=2 * plan.sequences, look=plan.look + 1, continues=audit, methods=methods)


def times_more(plan: Plan) -> int:
    """How many times the sequences of the first look a plan has: methods that take only the first few take so many."""
    return 1 << max(0, plan.look - 1)
