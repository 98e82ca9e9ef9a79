"""Steinberg 2026 again: entropy floors, depth in the stream, where the type is, and the claim about the read-out head.

The claim is then asked of twins: is a copying score of −.91 a fact about the function, or about these weights?
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from auditor.contracts import Progress, silent
from auditor.provenance import library_versions
from auditor.records import ORIGINAL, Finding
from auditor.reproduction.attention_only import (
    BRACKETS,
    DEPTH,
    OPEN_PROBABILITY,
    TYPES,
    cohort,
    held_out_loss,
    name_of,
)
from auditor.reproduction.audited import Audited
from auditor.reproduction.cohort import Cohort
from auditor.reproduction.entropy import entropy_floor, forced_share
from auditor.reproduction.read_out import Recovery, recovery, strings_of
from auditor.reproduction.references import row
from auditor.reproduction.results import ClaimLine, Reproduction, Row, Table
from auditor.reproduction.scales import Scale
from auditor.seeds import numpy_generator

STUDY = "steinberg2026"
TITLE = "Steinberg 2026: attention-only models of Dyck languages"

LOSS, GEOMETRY, PATCHING, CLAIM = "entropy floors", "depth in the stream", "where the type is", "the read-out head"

STUDIED = name_of(2)
"""Whose read-out head the study is about."""

CLAIMED_BY = ("patching_activation_head", "weights_copying_score")


def cohorts(scale: Scale) -> tuple[Cohort, ...]:
    """How the models of each number of types are trained at this scale."""
    return tuple(cohort(types, share=scale.training_share, batch=scale.batch) for types in TYPES)


def reproduction(audited: Sequence[Audited], scale: Scale, *, progress: Progress = silent) -> Reproduction:
    """The document from the audits of all models."""
    progress(0.0, LOSS)
    rows = _loss_rows(audited, scale)
    progress(0.3, GEOMETRY)
    rows += _geometry_rows(audited)
    progress(0.5, PATCHING)
    studied = [one for one in audited if one.cohort == STUDIED]
    found = {one.name: _recoveries(one, scale) for one in studied}
    rows += _patching_rows([of[ORIGINAL] for of in found.values()])
    first = next(iter(studied), None)
    tables = () if first is None else _tables(found[first.name])
    return Reproduction(
        study=STUDY,
        title=TITLE,
        scale=scale.name,
        settings=scale.facts,
        versions=library_versions(),
        rows=tuple(rows),
        models=tuple(one.line for one in audited),
        claims=tuple(line for one in studied for line in _claims(one, found[one.name][ORIGINAL].read_out)),
        tables=tables,
        verdict=" ".join(verdict(name, of) for name, of in found.items()),
    )


def _loss_rows(audited: Sequence[Audited], scale: Scale) -> list[Row]:
    found = []
    share = forced_share(depth=DEPTH, brackets=BRACKETS, open_probability=OPEN_PROBABILITY)
    found.append(row(STUDY, "forced", [share], part=LOSS, quantity="forced positions", unit="share of positions"))
    for types in TYPES:
        name = name_of(types)
        floor = entropy_floor(types, depth=DEPTH, brackets=BRACKETS, open_probability=OPEN_PROBABILITY)
        if name not in {one.cohort for one in audited}:
            continue
        gaps = [held_out_loss(one.model, 8 * scale.sequences) - floor for one in audited if one.cohort == name]
        found += [
            row(STUDY, f"{name}/floor", [floor], part=LOSS, quantity=f"{name}: entropy floor, exact", unit="nats"),
            row(STUDY, f"{name}/gap", gaps, part=LOSS, quantity=f"{name}: held-out loss above the floor", unit="nats"),
        ]
    return found


def _geometry_rows(audited: Sequence[Audited]) -> list[Row]:
    return [
        row(
            STUDY,
            f"{name}/depth_correlation",
            [one.score("geometry_depth_principal", "L0.residual") for one in audited if one.cohort == name],
            part=GEOMETRY,
            quantity=f"{name}: depth and first principal component after layer 0",
            unit="|r|",
        )
        for name in map(name_of, TYPES)
        if name in {one.cohort for one in audited}
    ]


def _recoveries(one: Audited, scale: Scale) -> Mapping[str, Recovery]:
    """Of the model and of every certified twin, by variant."""
    strings = strings_of(one.model.task, scale.sequences, numpy_generator(0, "reproduction", "read-out"))
    return {key: recovery(model, strings) for key, model in {ORIGINAL: one.model, **one.twins}.items()}


def _patching_rows(found: Sequence[Recovery]) -> list[Row]:
    if not found:
        return []

    def add(key: str, quantity: str, values: Sequence[float], unit: str = "share recovered") -> Row:
        return row(STUDY, key, values, part=PATCHING, quantity=f"{STUDIED}: {quantity}", unit=unit)

    return [
        add("residual/0/1", "stream into layer 0 at position 1", [one.positions[0][1] for one in found]),
        add("residual/1/9", "stream into layer 1 at position 9", [one.positions[1][9] for one in found]),
        add("residual/1/1", "stream into layer 1 at position 1", [one.positions[1][1] for one in found]),
        add("readout/recovery", "read-out head of layer 1", [one.heads[one.read_out] for one in found]),
        add(
            "readout/layer0",
            "best head of layer 0",
            [max(value for label, value in one.heads.items() if label.startswith("L0")) for one in found],
        ),
        add(
            "readout/copying",
            "copying score of the read-out head",
            [one.copying[one.read_out] for one in found],
            "Σλ/Σ|λ|",
        ),
    ]


def _tables(found: Mapping[str, Recovery]) -> tuple[Table, ...]:
    own = found[ORIGINAL]
    positions = Table(
        PATCHING,
        "Share of the type recovered by the clean residual stream, layer by position",
        ("enters", *(str(place) for place in range(len(own.positions[0])))),
        tuple((f"layer {layer}", *(f"{value:.0%}" for value in of)) for layer, of in enumerate(own.positions)),
    )
    heads = Table(
        PATCHING,
        "Heads: share recovered when the clean output is patched in, and copying score",
        ("head", "recovered", "copying score"),
        tuple((label, f"{value:+.0%}", f"{own.copying[label]:+.2f}") for label, value in own.heads.items()),
    )
    twins = Table(
        CLAIM,
        "The read-out head of the model and of each certified twin: the head of the last layer that recovers most",
        ("model", "head", "recovered", "copying score"),
        tuple(
            (key, of.read_out, f"{of.heads[of.read_out]:+.0%}", f"{of.copying[of.read_out]:+.2f}")
            for key, of in found.items()
        ),
    )
    return positions, heads, twins


def _claims(one: Audited, head: str) -> tuple[ClaimLine, ...]:
    """What the audit says of the read-out head, by the two methods that single it out."""
    return tuple(
        ClaimLine(
            model=one.name,
            claim=finding.claim.text,
            kind=f"{finding.kind}, {finding.equivalence}",
            verdict=str(finding.verdict),
            worst=finding.worst_variant or "",
            original=one.score(finding.claim.method, head),
            twin=_score_in(one, finding, head),
        )
        for finding in one.report.findings
        if finding.claim.method in CLAIMED_BY and finding.claim.component.label == head
    )


def _score_in(one: Audited, finding: Finding, head: str) -> float | None:
    for table in one.report.interpretations:
        if (table.variant, table.method) == (finding.worst_variant, finding.claim.method):
            labels = [component.label for component in table.components]
            return table.values[labels.index(head)] if head in labels else None
    return None


def verdict(name: str, found: Mapping[str, Recovery]) -> str:
    """Whether the sign of the copying score of the read-out head belongs to the function: one sentence."""
    own = found[ORIGINAL]
    head, score = own.read_out, own.copying[own.read_out]
    twins = {key: of.copying[of.read_out] for key, of in found.items() if key != ORIGINAL}
    if not twins:
        return f"{name}: no twin was certified, so that nothing is said of {head} and the function."
    witness = max(twins, key=lambda key: abs(twins[key] - score))
    low, high = min(*twins.values(), score), max(*twins.values(), score)
    what = f"{name}: the copying score of the read-out head ({head}: {score:+.2f}) goes from {low:+.2f} to {high:+.2f}"
    over = f"over {len(twins)} certified twins, furthest in {witness}"
    judged = "its sign is not a fact about the function" if low < 0 < high else "its sign is the same in all of them"
    return f"{what} {over}: {judged}."
