"""What a gate found: the claims, what was lost since a baseline, and the exit code that follows from both."""

from __future__ import annotations

from dataclasses import dataclass

from auditor.gate.judging import Checked, Outcome
from auditor.records import AuditReport, Json, Verdict
from auditor.report.difference import FindingPair, compare

PASSED, UNSTABLE, INCONCLUSIVE = 0, 3, 4
"""Exit codes: a primary claim is unstable or false, or one was lost since the baseline; else: one is undecided."""


@dataclass(frozen=True, slots=True)
class GateResult:
    """The claims on one audit, and the findings that were stable in the baseline and are unstable now."""

    audit_id: str
    checked: tuple[Checked, ...]
    lost: tuple[FindingPair, ...] = ()

    @property
    def exit_code(self) -> int:
        """The exit code for continuous integration."""
        outcomes = {one.outcome for one in self.checked if one.decides}
        if self.lost or outcomes & {Outcome.UNSTABLE, Outcome.FALSE}:
            return UNSTABLE
        return INCONCLUSIVE if Outcome.INCONCLUSIVE in outcomes else PASSED

    def to_json(self) -> dict[str, Json]:
        """JSON form."""
        return {
            "audit": self.audit_id,
            "claims": [one.to_json() for one in self.checked],
            "lost_since_baseline": [pair.to_json() for pair in self.lost],
            "exit_code": self.exit_code,
        }

    def rows(self) -> list[tuple[str, str, str, str, str]]:
        """Outcome, claim, role, what it must survive, and why; one row each, primary claims first."""
        claims = [
            (str(one.outcome).upper(), one.entry.name, str(one.entry.role), ", ".join(one.entry.survives), one.reason)
            for one in sorted(self.checked, key=lambda one: not one.decides)
        ]
        why = "stable in the baseline, unstable now"
        return claims + [("LOST", p.second.claim.text, "baseline", p.second.equivalence, why) for p in self.lost]


def lost_between(baseline: AuditReport, now: AuditReport) -> tuple[FindingPair, ...]:
    """Findings that were stable in the baseline and are unstable now."""
    pairs = compare(baseline, now).pairs
    return tuple(p for p in pairs if (p.first.verdict, p.second.verdict) == (Verdict.STABLE, Verdict.UNSTABLE))
