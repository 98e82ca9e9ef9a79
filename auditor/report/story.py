"""One finding in full: what is claimed, what moved, original and twin side by side, how to check it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from auditor.records import ORIGINAL, AuditReport, Finding, Kind, ScoreTable, Variant, Verdict
from auditor.report.claims import SAID, what_decides
from auditor.report.heatmap import Picture, picture
from auditor.report.wording import MISSING, claim_text, number, plain, sameness

MOST_BARS = 10
"""Components whose scores are drawn side by side."""

BAR_WIDTH = 100.0
"""Units of a drawing from the smallest to the largest number."""

LOCAL = "local"
"""Id of an audit that is in no store, so that no command can read it later."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One number as a bar from zero; ``x`` and ``width`` are in units of the drawing."""

    x: float
    width: float
    text: str


@dataclass(frozen=True, slots=True)
class Pair:
    """What one name has on the original and on the twin; ``claimed``: the claim is about it."""

    name: str
    original: Bar | None
    twin: Bar | None
    claimed: bool = False


@dataclass(frozen=True, slots=True)
class Answers:
    """What both models answer on the string where they differ most: its tokens, the open bracket, probabilities."""

    tokens: tuple[str, ...]
    opener: int | None
    position: int
    pairs: tuple[Pair, ...]

    @property
    def said(self) -> str:
        """The numbers in words, for readers who do not see the bars."""
        return "; ".join(
            f"{pair.name}: original {pair.original.text if pair.original else MISSING}, "
            f"twin {pair.twin.text if pair.twin else MISSING}"
            for pair in self.pairs
        )


@dataclass(frozen=True, slots=True)
class Story:
    """A finding with all that the report holds about it."""

    finding: Finding
    claim: str
    said: str  # OVERTURNED, undecided or survives
    decides: str  # what moved, on which twin
    twin: Variant | None
    same: str  # how closely the twin computes the original's function
    unit: str
    scores: tuple[Pair, ...]  # the claimed component first where not all are shown
    left_out: int  # components that are not in ``scores``
    picture: Picture | None
    answers: Answers | None
    commands: tuple[tuple[str, str], ...]  # (what it does, what to type)


def story_of(report: AuditReport, finding: Finding) -> Story:
    """Gather what a report holds about one of its findings."""
    twin = next((variant for variant in report.variants if variant.key == finding.worst_variant), None)
    scores, unit, left_out = _scores(report, finding)
    return Story(
        finding=finding,
        claim=claim_text(finding.claim),
        said=SAID[finding.verdict],
        decides=what_decides(finding, twin),
        twin=twin,
        same="" if twin is None else sameness(twin.certificate, finding.kind),
        unit=unit,
        scores=scores,
        left_out=left_out,
        picture=_picture(report, finding),
        answers=_answers(twin),
        commands=_commands(report, finding),
    )


def _scores(report: AuditReport, finding: Finding) -> tuple[tuple[Pair, ...], str, int]:
    """Every component's score on both models, the original's order; the largest where there are many."""
    claim = finding.claim
    tables = {table.variant: table for table in report.interpretations if table.method == claim.method}
    ours, theirs = tables.get(ORIGINAL), tables.get(finding.worst_variant or "")
    if ours is None or theirs is None or len(ours.values) != len(theirs.values) or not _is_about(ours, finding):
        return (), "", 0
    members = claim.parameters.get("members")
    about = {claim.component.label, *(map(str, members) if isinstance(members, (list, tuple)) else ())}
    about |= {str(claim.parameters["other"])} if "other" in claim.parameters else set()
    labels = [component.label for component in ours.components]
    sizes = [max(abs(one or 0.0), abs(two or 0.0)) for one, two in zip(ours.values, theirs.values, strict=True)]
    largest = sorted(range(len(labels)), key=lambda index: (labels[index] not in about, -sizes[index]))[:MOST_BARS]
    shown = sorted(largest)
    numbers = [(ours.values[index], theirs.values[index]) for index in shown]
    bars = bars_of([value for pair in numbers for value in pair])
    pairs = tuple(
        Pair(plain(labels[index], 40), bars[2 * place], bars[2 * place + 1], labels[index] in about)
        for place, index in enumerate(shown)
    )
    return pairs, ours.unit, len(labels) - len(shown)


def _is_about(table: ScoreTable, finding: Finding) -> bool:
    """Whether the means of a table are the scores of the claim: not where it is about a slice of them."""
    sliced = {"to_head", "with_head"} & set(finding.claim.parameters)
    return not sliced and any(value is not None for value in table.values)


def bars_of(values: Sequence[float | None]) -> tuple[Bar | None, ...]:
    """Bars of one scale, from zero; a missing number has none."""
    known = [value for value in values if value is not None]
    low, high = min([0.0, *known]), max([0.0, *known])
    scale = BAR_WIDTH / ((high - low) or 1.0)
    return tuple(
        None
        if value is None
        else Bar(
            round((min(value, 0.0) - low) * scale, 2),
            round(max(abs(value) * scale, 0.4), 2),
            number(value),
        )
        for value in values
    )


def _picture(report: AuditReport, finding: Finding) -> Picture | None:
    """The attention of the claimed head on the original and on the worst variant, where the report holds it."""
    if "attention" not in finding.claim.method:
        return None
    for illustration in report.illustrations:
        if illustration.variant == finding.worst_variant and illustration.component == finding.claim.component:
            return picture(illustration)
    return None


def _answers(twin: Variant | None) -> Answers | None:
    found = None if twin is None or twin.certificate is None else twin.certificate.worst_string
    if found is None or not found.answers:
        return None
    bars = bars_of([value for pair in found.answers.values() for value in pair])
    pairs = tuple(
        Pair(plain(name, 20), bars[2 * place], bars[2 * place + 1]) for place, name in enumerate(found.answers)
    )
    return Answers(tuple(plain(token, 12) for token in found.tokens[:80]), found.opener, found.position, pairs)


def _commands(report: AuditReport, finding: Finding) -> tuple[tuple[str, str], ...]:
    if report.audit.id == LOCAL or finding.worst_variant is None:
        return ()
    name = shlex.quote(plain(finding.id))
    what = "export the twin that overturns it" if finding.verdict is Verdict.UNSTABLE else "export its worst twin"
    if finding.kind is Kind.INPUT:
        what = (
            "export the inputs that overturn it" if finding.verdict is Verdict.UNSTABLE else "export its worst inputs"
        )
    return (
        (what, f"dyck-audit witness {name} --out witness"),
        ("check it again from its files alone", "dyck-audit verify witness"),
    )
