"""Verdicts of an audit that finished with failures: none that needs what is missing.

scores on one variant        it cannot show that a claim holds on all variants, nor undo that another overturns it
scores beside rewritten      the original's on the same decisions, or on other sequences as long: without them the
inputs                       variant is not compared at all
the second run               how much the method's own random draws move its scores: without it nothing by the
                             method is decided
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from auditor.records import BEFORE, ORIGINAL, RERUN, SAME_LENGTH, Finding, Missing, Stage, Verdict, variant_of
from auditor.verdicts.alignment import Scores

ANY = "*"
"""Stands for every equivalence."""


def comparable(
    interpretations: Mapping[tuple[str, str], Scores], missing: Sequence[Missing]
) -> Mapping[tuple[str, str], Scores]:
    """The scores without those on variants of which a part is missing that they are compared with."""
    lost = {
        (key, method)
        for one in missing
        if one.variant not in (ORIGINAL, RERUN)
        for method in one.methods
        for variant in (variant_of(one.variant),)
        for key in (variant, f"{variant}/{BEFORE}", f"{variant}/{SAME_LENGTH}")
    }
    return {place: found for place, found in interpretations.items() if place not in lost} if lost else interpretations


def without_missing(findings: Sequence[Finding], missing: Sequence[Missing]) -> tuple[Finding, ...]:
    """The findings, those INCONCLUSIVE that need what is missing; the reason names the cell."""
    holes = _holes(missing)
    return tuple(_decided(finding, holes) for finding in findings) if holes else tuple(findings)


def _holes(missing: Sequence[Missing]) -> dict[tuple[str, str], str]:
    """(method, equivalence or ANY) → the first cell that is missing there, and why."""
    found: dict[tuple[str, str], str] = {}
    for one in missing:
        if one.stage is Stage.MEASURE:
            where = ANY if one.variant in (ORIGINAL, RERUN) else one.equivalence
            for method in one.methods:
                found.setdefault((method, where), f"{one.cell} is missing: {one.why}")
    return found


def _decided(finding: Finding, holes: Mapping[tuple[str, str], str]) -> Finding:
    if finding.verdict is Verdict.INCONCLUSIVE:
        return finding
    places = [(method, where) for where in (ANY, finding.equivalence) for method in finding.claim.methods]
    hole = next((place for place in places if place in holes), None)
    if hole is None or (finding.verdict is Verdict.UNSTABLE and hole[1] != ANY):
        return finding
    return replace(finding, verdict=Verdict.INCONCLUSIVE, invariant=None, reason=holes[hole])
