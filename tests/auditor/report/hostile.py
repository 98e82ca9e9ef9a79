"""Reports that are hard to show: hostile names, very many findings, many heads, failures, nothing applicable."""

from __future__ import annotations

import dataclasses
from typing import Any

from auditor.records import (
    ORIGINAL,
    AuditReport,
    AuditState,
    Component,
    Exclusion,
    Expected,
    Finding,
    Kind,
    Missing,
    ScoreTable,
    Stage,
    Variant,
    VariantState,
    Verdict,
)
from auditor.report.summary import summarise
from tests.auditor.report.samples import make_finding, sample_illustrations, sample_report

NAMES = (
    "</style></script><script>alert(1)</script><img src=x onerror=alert(2)>\"'{{7*7}}",
    "red\x1b[31m bell\x07 back\x08",
    "two\nlines\r\nand\ttabs",
    "right \u202eto left\u202c שלום مرحبا",
    '=HYPERLINK("x")|| `code` *bold* [link](javascript:1) @team',
    "lone \udc80 surrogate, zero\u200bwidth, \u2028 separator",
    "x" * 10_000,
    "_" * 10_000,
)
"""Names that a file or a user may give."""


LOST = "exact_query_key_gauge"
"""The equivalence of which a report with failures lacks a measurement."""


def hostile_report() -> AuditReport:
    """Every text of a report is one of ``NAMES``."""
    findings = tuple(
        make_finding(
            id=f"{verdict} {name}",
            text=name,
            method=name,
            equivalence=name,
            reason=name,
            worst_variant=f"{name}/0",
            verdict=verdict,
            component=Component(layer=0, part=name),
        )
        for name in NAMES
        for verdict in Verdict
    )
    sample = sample_report(name=" ".join(NAMES), findings=findings)
    variant = sample.variants[-2]
    variants = tuple(
        dataclasses.replace(variant, key=f"{name}/0", equivalence=name, reason=name, parameters={name: name})
        for name in NAMES
    )
    illustrations = tuple(
        dataclasses.replace(one, variant=name, tokens=(name,) * len(one.tokens))
        for one, name in zip(sample_illustrations(), NAMES, strict=False)
    )
    tables = tuple(dataclasses.replace(table, method=NAMES[0], unit=NAMES[6]) for table in sample.interpretations[:2])
    return dataclasses.replace(
        sample,
        variants=variants,
        illustrations=illustrations,
        interpretations=tables,
        audit=dataclasses.replace(sample.audit, device=NAMES[0], id=NAMES[1], plan_settings={n: n for n in NAMES}),
        behaviour=dataclasses.replace(sample.behaviour, scored=NAMES[0], reason=NAMES[6]),
        not_applicable=tuple(Exclusion("method", name, name, name) for name in NAMES),
        summary=summarise(findings, variants, ()),
    )


def large_report(*, layers: int = 12, heads: int = 12, findings: int = 2_000, variants: int = 120) -> AuditReport:
    """A model of many heads, under many equivalences, with many findings and pictures."""
    components = tuple(Component(layer=layer, head=head) for layer in range(layers) for head in range(heads))
    equivalences = [f"exact_equivalence_number_{index}" for index in range(variants // 2)]
    sample = sample_report()
    made = tuple(
        dataclasses.replace(sample.variants[-2 if index % 2 else 0], key=f"{name}/{index % 2}", equivalence=name)
        for name in equivalences
        for index in range(2)
    )
    methods = [f"method_of_some_length_{index}" for index in range(40)]
    found = tuple(_finding(index, components, methods, made) for index in range(findings))
    tables = tuple(
        _table(method, key, components, place)
        for method in methods
        for place, key in enumerate([ORIGINAL, *(variant.key for variant in made[:20])])
    )
    return dataclasses.replace(
        sample,
        variants=made,
        findings=found,
        interpretations=tables,
        illustrations=sample.illustrations * 40,
        not_applicable=tuple(
            Exclusion("method", f"method_{index}", f"reason {index % 7}", f"equivalence_{index}")
            for index in range(500)
        ),
        summary=summarise(found, made, ()),
    )


def without_verdicts() -> AuditReport:
    """Nothing applies, every variant failed, nothing was measured, and the audit itself failed."""
    sample = sample_report(findings=())
    failed = tuple(
        dataclasses.replace(
            variant,
            state=VariantState.NOT_CERTIFIED if place % 2 else VariantState.NOT_APPLICABLE,
            reason="a logit is not finite",
            certificate=None,
        )
        for place, variant in enumerate(sample.variants)
    )
    absent = (
        *(Exclusion("equivalence", variant.equivalence, "does not apply") for variant in failed),
        Exclusion("method", "attention_pattern", "the model has no head"),
    )
    return dataclasses.replace(
        sample,
        variants=failed,
        interpretations=(),
        illustrations=(),
        not_applicable=absent,
        summary=summarise((), failed, absent),
        audit=dataclasses.replace(sample.audit, state=AuditState.FAILED, finished_at=None),
    )


def with_failures() -> AuditReport:
    """An audit in which a cell failed that measures one variant, and another that builds the behavioural twin."""
    sample = sample_report()
    kept = tuple(
        finding
        for finding in sample.findings
        if finding.kind is Kind.EXACT and (finding.claim.method, finding.equivalence) != ("ablation_head_zero", LOST)
    )
    variants = tuple(variant for variant in sample.variants if variant.kind is Kind.EXACT)
    missing = (
        Missing(f"measure/{LOST}/0", Stage.MEASURE, f"{LOST}/0", ("ablation_head_zero",), NAMES[0]),
        Missing("build/behavioural_fp16/0", Stage.BUILD, "behavioural_fp16/0", (), "out of memory"),
    )
    return dataclasses.replace(
        sample,
        variants=variants,
        findings=kept,
        illustrations=(),
        missing=missing,
        audit=dataclasses.replace(sample.audit, state=AuditState.INCOMPLETE),
        summary=summarise(kept, variants, sample.not_applicable, missing),
    )


def _finding(
    index: int, components: tuple[Component, ...], methods: list[str], variants: tuple[Variant, ...]
) -> Finding:
    variant, component = variants[index % len(variants)], components[index % len(components)]
    method = methods[index % len(methods)]
    verdicts = (Verdict.UNSTABLE, Verdict.INCONCLUSIVE, Verdict.STABLE, Verdict.STABLE)
    more: dict[str, Any] = {"kind": Kind.EXACT if index % 2 else Kind.BEHAVIOURAL, "expected": Expected.OPEN}
    return make_finding(
        id=f"f{index:05x}",
        method=method,
        component=component,
        text=f"{component.label} is the top head by {method}",
        equivalence=variant.equivalence,
        worst_variant=variant.key,
        variants=(variant.key,),
        effect=float(index % 17),
        verdict=verdicts[index % len(verdicts)],
        **more,
    )


def _table(method: str, key: str, components: tuple[Component, ...], place: int) -> ScoreTable:
    values = tuple(((index * 7 + place) % 13) / 13 for index in range(len(components)))
    return ScoreTable(
        variant=key,
        method=method,
        family="ablation",
        unit="nats",
        sequences=500,
        components=components,
        values=values,
        intervals=tuple((value - 0.01, value + 0.01) for value in values),
        undefined={},
    )
