"""One line per claim: its verdict under each kind of equivalence. What a reader asks first: which can be published?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from auditor.records import AuditReport, Claim, Finding, Kind, Variant, Verdict
from auditor.report.matrix import CLAIM_ORDER, SEVERITY, by_severity
from auditor.report.wording import MISSING, interval, number, plain, sameness, words

KINDS = (Kind.EXACT, Kind.BEHAVIOURAL, Kind.INPUT)
"""Kinds of equivalence in reading order."""

KIND_HEADS = {Kind.EXACT: "exact", Kind.BEHAVIOURAL: "behavioural", Kind.INPUT: "inputs"}
SAID = {Verdict.UNSTABLE: "OVERTURNED", Verdict.INCONCLUSIVE: "undecided", Verdict.STABLE: "survives"}

SAID_LAST = ("weights_",)
"""Beginnings of methods whose claims people make last: scales of weights say little about what a component does."""


@dataclass(frozen=True, slots=True)
class ClaimLine:
    """A claim with the worst finding on it under each kind of equivalence; a kind that tested nothing is missing."""

    claim: Claim
    worst: Mapping[Kind, Finding]
    witness: Variant | None  # the variant of the deciding finding

    @property
    def deciding(self) -> Finding:
        """The finding that decides: the worst verdict, under the strictest kind of equivalence that has it."""
        return min(self.worst.values(), key=lambda finding: SEVERITY[finding.verdict])

    @property
    def verdict(self) -> Verdict:
        """The worst verdict of all: a claim survives only where every kind keeps it."""
        return self.deciding.verdict


def claim_lines(report: AuditReport) -> tuple[ClaimLine, ...]:
    """All claims of a report: what people say of components first, scales of weights last."""
    variants = {variant.key: variant for variant in report.variants}
    groups: dict[tuple[str, ...], list[Finding]] = {}
    for finding in report.findings:
        groups.setdefault(finding.claim.identity, []).append(finding)
    return tuple(sorted((_line(group, variants) for group in groups.values()), key=_order))


def tally(lines: Iterable[ClaimLine]) -> Mapping[Verdict, int]:
    """How many claims have each verdict."""
    counts = dict.fromkeys(SEVERITY, 0)
    for line in lines:
        counts[line.verdict] += 1
    return counts


def why(line: ClaimLine) -> str:
    """What overturns a claim or leaves it open, with the id that commands take."""
    return f"{plain(line.deciding.id)}: {what_decides(line.deciding, line.witness)}"


def what_decides(finding: Finding, witness: Variant | None) -> str:
    """What moved and on which model, or why it is open; ``witness`` is the worst variant of the finding."""
    if finding.verdict is Verdict.INCONCLUSIVE:
        why = finding.reason or f"effect {number(finding.effect)}, 95 % {interval(finding.interval)}"
        more = f"; would need {finding.needed_sequences} sequences" if finding.needed_sequences else ""
        return f"under {plain(finding.equivalence)}: {plain(why)}{more}"
    shown_by = plain(finding.equivalence)
    if witness is not None:
        shown_by = f"{plain(witness.key)} ({sameness(witness.certificate, finding.kind)})"
    if finding.rashomon is None:
        moved = f"effect {number(finding.effect)}"
    else:
        quantity = words(plain(finding.rashomon.quantity))
        moved = f"{quantity} {number(finding.rashomon.original)}, on variants {interval(finding.rashomon.own)}"
    theory = "; AGAINST THEORY" if finding.contradicts_theory else ""
    return f"{moved} by {shown_by}{theory}"


def ranged(finding: Finding) -> str:
    """The number that a claim is about, on the original and over every certified variant of the audit."""
    if finding.rashomon is None:
        return MISSING
    found = finding.rashomon
    said = f"{words(plain(found.quantity))} {number(found.original)}"
    if found.overall == (found.original, found.original):
        return f"{said} on all"
    return f"{said} → {interval(found.overall)}"


def _line(findings: Sequence[Finding], variants: Mapping[str, Variant]) -> ClaimLine:
    worst: dict[Kind, Finding] = {}
    for kind in KINDS:
        of_kind = [finding for finding in findings if finding.kind is kind]
        if of_kind:
            worst[kind] = min(of_kind, key=by_severity)
    line = ClaimLine(findings[0].claim, worst, None)
    return replace(line, witness=variants.get(line.deciding.worst_variant or ""))


def _order(line: ClaimLine) -> tuple[bool, int, str, int, str]:
    claim = line.claim
    kind = CLAIM_ORDER.index(claim.kind) if claim.kind in CLAIM_ORDER else len(CLAIM_ORDER)
    return claim.method.startswith(SAID_LAST), kind, claim.method, claim.component.layer, claim.component.label
