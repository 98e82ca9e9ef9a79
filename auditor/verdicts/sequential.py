"""More sequences for what is undecided, look after look, with the error rate of one test.

Look k has twice as many sequences as look k − 1 and spends the share 2⁻ᵏ of the error that one test is allowed, at both
ends of its intervals and of the false discovery rate. The shares add up to less than 1 for any number of looks, so that
the chance of a wrong verdict at any of them is held whatever the looks have in common (Bonferroni's inequality; Lan &
DeMets 1983 for spending an error rate). What a look has decided stays decided; later looks judge the same claims.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from auditor.records import Claim, Finding, Verdict

MOST_LOOKS = 12
"""After so many doublings 128 sequences are 262,144; what is undecided then is at its threshold."""


def share_of_look(look: int) -> float:
    """The share of the allowed error that a look spends; all of it where there is only one, look 0."""
    return 1.0 if look == 0 else 0.5**look


def is_open(finding: Finding) -> bool:
    """Whether more sequences may decide a finding: it is undecided, and not because scores are missing."""
    return finding.verdict is Verdict.INCONCLUSIVE and finding.effect is not None and not _is_undefined(finding)


def open_claims(findings: Iterable[Finding]) -> Mapping[str, tuple[Claim, ...]]:
    """The claims of open findings by method, each once."""
    found: dict[str, dict[tuple[str, ...], Claim]] = {}
    for finding in findings:
        if is_open(finding):
            found.setdefault(finding.claim.method, {}).setdefault(finding.claim.identity, finding.claim)
    return {method: tuple(claims.values()) for method, claims in found.items()}


def still_asked(findings: Iterable[Finding], before: Iterable[Finding]) -> tuple[Finding, ...]:
    """Those of a later look's findings that were open at the look before."""
    asked = {(finding.claim.identity, finding.equivalence) for finding in before if is_open(finding)}
    return tuple(finding for finding in findings if (finding.claim.identity, finding.equivalence) in asked)


def _is_undefined(finding: Finding) -> bool:
    return finding.reason.startswith("undefined")
