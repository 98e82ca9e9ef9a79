"""Wen, Li, Liu and Risteski 2023, arXiv 2312.01429, again: from audited models to the document, part by part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from auditor.behaviour.input_batch import draw_inputs
from auditor.contracts import Progress, silent
from auditor.measures.balance import canonical_string
from auditor.provenance import library_versions
from auditor.records import Finding
from auditor.reproduction.audited import Audited
from auditor.reproduction.cohort import Cohort
from auditor.reproduction.diversity import dirichlet_baseline, most_different, variations
from auditor.reproduction.families import FAMILIES
from auditor.reproduction.intervals import correlation
from auditor.reproduction.myopic import fall_rates, random_findings
from auditor.reproduction.near_random import TWINS, share_with_distant_twin, total_variation, twin_line
from auditor.reproduction.pruning_width import halvings_per_number, width_points
from auditor.reproduction.references import row
from auditor.reproduction.results import (
    Correlation,
    ModelLine,
    Reproduction,
    Row,
    Table,
    TwinLine,
    Variation,
    WidthPoint,
)
from auditor.reproduction.scales import Scale
from auditor.reproduction.training_data import cohort
from auditor.seeds import numpy_generator

STUDY = "wen2023"
TITLE = "Wen, Li, Liu, Risteski 2023: Transformers are uninterpretable with myopic methods"

MODELS, DIVERSITY, BALANCE, TWIN_PART, METHODS, PRUNING = (
    "families",
    "diversity of solutions",
    "balance and generalisation",
    "nearly random attention",
    "myopic methods",
    "approximate pruning",
)

ERRORS = (3.0, 1.0, 0.3, 0.1, 0.03, 0.01)
"""Largest errors of a logit that a pruned network may have."""

DISTANT = {2: 0.8, 1: 0.6}
"""Total variation of the last layer that a twin of a model of so many layers should reach."""


def cohorts(scale: Scale) -> tuple[Cohort, ...]:
    """How every family is trained at this scale."""
    return tuple(
        cohort(family, share=scale.training_share, least_steps=scale.least_steps) for family in FAMILIES.values()
    )


def reproduction(audited: Sequence[Audited], scale: Scale, *, progress: Progress = silent) -> Reproduction:
    """The document from the audits of all families."""
    lines = [one.line for one in audited]
    by_family: dict[str, list[Audited]] = {}
    for one in audited:
        by_family.setdefault(one.cohort, []).append(one)
    progress(0.0, DIVERSITY)
    varied = [line for family, of in by_family.items() for line in variations(family, [one.model for one in of])]
    progress(0.1, TWIN_PART)
    twins = _twins(audited, scale)
    progress(0.3, METHODS)
    findings = {one.name: _with_random(one) for one in audited}
    progress(0.5, PRUNING)
    widths = _widths(audited, scale)
    tokens = len(canonical_string(audited[0].model.task))
    return Reproduction(
        study=STUDY,
        title=TITLE,
        scale=scale.name,
        settings=scale.facts,
        versions=library_versions(),
        rows=(
            *_model_rows(lines),
            *_diversity_rows(varied, lines, tokens),
            *_balance_rows(lines),
            *_twin_rows(twins, audited),
            *_width_rows(widths),
        ),
        models=tuple(lines),
        variations=tuple(varied),
        heat_maps=most_different({one.name: one.model for one in _drawn_family(by_family)}),
        baselines={
            "causal": dirichlet_baseline(tokens, causal=True),
            "not causal": dirichlet_baseline(tokens, causal=False),
            "tokens": tokens,
        },
        correlations=_correlations(lines),
        twins=twins,
        fall_rates=fall_rates(findings),
        widths=widths,
        tables=(_configurations(scale), _width_table(widths)),
    )


def _model_rows(lines: Sequence[ModelLine]) -> list[Row]:
    found = []
    for family in _present(lines):
        own = [line for line in lines if line.family == family]
        for name, quantity, values in (
            ("in_distribution", "closing accuracy in distribution", [line.in_distribution for line in own]),
            ("longer", "closing accuracy on 400–500 brackets", [line.longer for line in own]),
        ):
            words = f"{family}: {quantity}"
            found.append(row(STUDY, f"{family}/{name}", values, part=MODELS, quantity=words, unit="share of decisions"))
    return found


def _diversity_rows(varied: Sequence[Variation], lines: Sequence[ModelLine], tokens: int) -> list[Row]:
    unit = f"squared Frobenius distance on {tokens} tokens"
    found = [
        row(
            STUDY,
            f"{one.family}/variation/{one.layer}",
            [one.mean],
            part=DIVERSITY,
            quantity=f"{one.family}: attention variation between seeds, layer {one.layer}",
            unit=unit,
            counted=one.models,
        )
        for one in varied
    ]
    for name, causal in (("causal", True), ("not causal", False)):
        baseline = [dirichlet_baseline(tokens, causal=causal)]
        words = f"two random attention matrices, rows {name}"
        found.append(
            row(STUDY, f"dirichlet/{name}/{tokens}", baseline, part=DIVERSITY, quantity=words, unit=unit, counted=0)
        )
    shares = [len(line.stack_like) / line.heads for line in lines]
    words = "share of heads that look stack-like"
    return [*found, row(STUDY, "stack_like", shares, part=DIVERSITY, quantity=words, unit="share of heads")]


def _balance_rows(lines: Sequence[ModelLine]) -> list[Row]:
    found: list[Row] = []
    means: dict[str, float] = {}
    for family in (name for name in _present(lines) if FAMILIES[name].is_minimal):
        own = [line for line in lines if line.family == family]
        for name, values in (
            ("violation_matched", [line.violation_matched for line in own]),
            ("violation_as_published", [line.violation_as_published for line in own]),
        ):
            words = f"{family}: balance {name.replace('_', ' ')}"
            one = row(STUDY, f"{family}/{name}", values, part=BALANCE, quantity=words, unit="share of the shortest sum")
            found.append(one)
            if name == "violation_matched" and one.ours is not None:
                means[family] = one.ours
    plain, regular = means.get("balance_acc"), means.get("balance_acc_contrastive")
    if plain is None or not regular:
        return found
    words = "matched violation, plain over regularised"
    return [*found, row(STUDY, "violation_ratio", [plain / regular], part=BALANCE, quantity=words, unit="times")]


def _drawn_family(by_family: Mapping[str, Sequence[Audited]]) -> Sequence[Audited]:
    """The first family with several models."""
    return next((of for of in by_family.values() if len(of) > 1), ())


def _present(lines: Sequence[ModelLine]) -> list[str]:
    """The families that have models, in the order of the configurations."""
    return [name for name in FAMILIES if any(line.family == name for line in lines)]


def _correlations(lines: Sequence[ModelLine]) -> tuple[Correlation, ...]:
    plain = [line for line in lines if FAMILIES[line.family].embedding == "sub_state_large"]
    found = []
    for name in ("violation_matched", "violation_as_published"):
        pairs = [
            (violation, line.longer)
            for line in plain
            if (violation := getattr(line, name)) is not None and line.longer is not None
        ]
        found.append(correlation(f"{name.replace('_', ' ')} and accuracy on 400–500 brackets", pairs))
    return tuple(found)


def _twins(audited: Sequence[Audited], scale: Scale) -> tuple[TwinLine, ...]:
    found = []
    for one in audited:
        inputs = draw_inputs(one.model.task, scale.sequences, numpy_generator(0, "reproduction", "twins"))
        for variant in one.report.variants:
            if variant.equivalence in TWINS:
                twin = one.twins.get(variant.key)
                moved = None if twin is None else total_variation(one.model, twin, inputs)
                found.append(twin_line(one.cohort, one.seed, variant, moved))
    return tuple(found)


def _twin_rows(twins: Sequence[TwinLine], audited: Sequence[Audited]) -> list[Row]:
    layers = {one.cohort: one.model.architecture.layers for one in audited}
    found = []
    for count, least in DISTANT.items():
        own = [line for line in twins if layers[line.family] == count]
        if not own:
            continue
        share, models = share_with_distant_twin(own, least)
        found.append(
            row(
                STUDY,
                f"twins/{count}-layer",
                [share],
                part=TWIN_PART,
                quantity=f"models of {count} layer{'s' if count > 1 else ''} with a certified twin "
                f"at total variation ≥ {least}",
                unit="share of models",
                counted=models,
            )
        )
    return found


def _with_random(one: Audited) -> tuple[Finding, ...]:
    return (*one.report.findings, *random_findings(one.report, one.plan, one.model, one.twins))


def _widths(audited: Sequence[Audited], scale: Scale) -> tuple[WidthPoint, ...]:
    """One model of each family, until there are enough."""
    first: Mapping[str, Audited] = {one.cohort: one for one in reversed(audited)}
    chosen = [first[name] for name in FAMILIES if name in first][: scale.pruned_models]
    return tuple(
        point
        for one in chosen
        for point in width_points(
            one.name,
            one.model,
            draw_inputs(
                one.model.task, scale.pruned_sequences, numpy_generator(0, "reproduction", "pruning", "inputs")
            ),
        )
    )


def _width_rows(widths: Sequence[WidthPoint]) -> list[Row]:
    slopes = []
    for name in dict.fromkeys(point.model for point in widths):
        slope = halvings_per_number([point for point in widths if point.model == name])
        slopes.append(slope)
    words = "halvings of the largest logit error with each further random number"
    return [row(STUDY, "pruning", slopes, part=PRUNING, quantity=words, unit="halvings")]


def _width_table(widths: Sequence[WidthPoint]) -> Table:
    """The smallest width tried whose largest error of a logit is at most the error asked for."""
    rows = []
    for name in dict.fromkeys(point.model for point in widths):
        own = [point for point in widths if point.model == name]
        needed = [min((p.width for p in own if p.largest_logit_error <= error), default=None) for error in ERRORS]
        rows.append((name, *(f"more than {max(p.width for p in own)}" if w is None else str(w) for w in needed)))
    columns = ("model", *(f"error ≤ {error:g}" for error in ERRORS))
    return Table(PRUNING, "Width of queries and keys for an error of logits", columns, tuple(rows))


def _configurations(scale: Scale) -> Table:
    rows = []
    for family, trained in zip(FAMILIES.values(), cohorts(scale), strict=True):
        rows.append(
            (
                family.name,
                family.summary,
                f"{family.learning_rate:g}",
                f"{trained.schedule.steps:,}",
                f"{family.contrast:g}" if family.contrast else "–",
            )
        )
    columns = ("family", "what it is", "learning rate", "steps", "penalty")
    return Table(MODELS, "Families as the public configurations have them", columns, tuple(rows))
