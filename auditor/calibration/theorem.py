"""Cases whose truth is a theorem: what a symmetry keeps stays stable, what it frees is overturned."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from auditor.behaviour.input_batch import InputBatch, draw_inputs
from auditor.calibration.rates import Case
from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import InterpretationMethod, Progress, Request, TransformRequest, equivalences
from auditor.plans.cells import planned_equivalences
from auditor.plans.plan import PLANS
from auditor.records import ORIGINAL, Expected, Finding, Kind, Variant, VariantState
from auditor.records.slices import slice_of
from auditor.seeds import numpy_generator
from auditor.verdicts.verdict import Settings, findings_of

SEQUENCES = 24
"""An exact symmetry shows in every sequence."""

TRUTHS: Mapping[Expected, str] = {
    Expected.INVARIANT: "stable",
    Expected.RELABELLED: "stable",
    Expected.FREE: "unstable",
}
"""Expectations that decide a claim; what changes, is diluted or open decides none."""


def theorem_cases(
    models: Mapping[str, CanonicalTransformer],
    methods: Mapping[str, InterpretationMethod],
    settings: Settings,
    progress: Progress,
) -> Iterator[Case]:
    """One case per model, method, symmetry and kind of claim.

    Of claims that a symmetry frees only the top component is certain to be overturned: the search puts others there.
    """
    for index, (name, model) in enumerate(models.items()):
        progress(index / len(models), f"by theorem: {name}")
        inputs = draw_inputs(model.task, SEQUENCES, numpy_generator(settings.seed, "calibration", "theorem"))
        seen = set()
        for finding in _findings(model, methods, inputs, settings):
            about = (finding.claim.method, finding.claim.kind, finding.equivalence)
            truth = TRUTHS.get(finding.expected)
            is_top = finding.claim.kind == "rank" and slice_of(finding.claim) is None
            is_certain = finding.expected is not Expected.FREE or is_top
            if truth is None or not is_certain or finding.effect is None or about in seen:
                continue
            seen.add(about)
            yield Case(
                source="theorem",
                method=finding.claim.method,
                claim=finding.claim.kind,
                rung=finding.equivalence,
                truth=truth,
                margin=1.0 if truth == "unstable" else -1.0,
                away=True,
                sequences=SEQUENCES,
                verdict=_answer(finding.invariant),
            )


def _answer(invariant: bool | None) -> str:
    """A theorem is about what moves, whether or not few sequences resolve the claim."""
    return {True: "stable", False: "unstable", None: "inconclusive"}[invariant]


def _findings(
    model: CanonicalTransformer, methods: Mapping[str, InterpretationMethod], inputs: InputBatch, settings: Settings
) -> tuple[Finding, ...]:
    usable = {name: one for name, one in methods.items() if one.not_applicable(model) is None}
    generator = numpy_generator(settings.seed, "calibration", "measure")
    found = {(ORIGINAL, name): one.interpret(_compared(model, inputs, generator)) for name, one in usable.items()}
    variants = []
    for name in planned_equivalences(PLANS["quick"]):
        plugin = equivalences()[name]
        if plugin.kind is not Kind.EXACT or plugin.not_applicable(model) is not None:
            continue
        for index, parameters in enumerate(plugin.choices(model.architecture, 1)):
            key = f"{name}/{index}"
            made = plugin.transform(
                TransformRequest(
                    model, inputs, numpy_generator(settings.seed, "calibration", key), parameters=parameters
                )
            )
            variants.append(Variant(key, name, Kind.EXACT, 0, VariantState.CERTIFIED, relabelling=made.relabelling))
            for method, one in usable.items():
                found[key, method] = one.interpret(_compared(made.model, inputs, generator))
    cards = {name: one.card for name, one in usable.items()}
    return findings_of("calibration", cards, variants, found, original=ORIGINAL, settings=settings)


def _compared(model: CanonicalTransformer, inputs: InputBatch, generator: np.random.Generator) -> Request:
    """As an audit first compares exact variants: integrals at equal points, of which rounding is the only error."""
    return Request(model, inputs, generator, only_compared=True)
