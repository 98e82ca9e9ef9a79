"""Audits of planted models in small: fresh sequences, the original and a few rungs, the verdicts of the engine.

One claim per method and rung is kept of each trial, so that the cases of a trial are few and the intervals honest.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from auditor.behaviour.input_batch import InputBatch, draw_inputs
from auditor.calibration.planted import Ladder
from auditor.calibration.rates import Case
from auditor.calibration.truth import Population, Truth
from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import InterpretationMethod, Request
from auditor.records import ORIGINAL, Finding, Interpretation, Kind, Variant, VariantState
from auditor.seeds import numpy_generator
from auditor.verdicts.alignment import align
from auditor.verdicts.verdict import Settings, findings_of

RUNGS_PER_TRIAL = 4
RERUN = "the same model on other sequences"
"""The rung of the noise-only cases."""

MOST_DRAWS = 12
"""Draws of sequences behind a population, for methods that read only the first of each."""


@dataclass(frozen=True)
class Plot:
    """A ladder, the methods that are tried on it and what is true on it."""

    name: str
    ladder: Ladder
    methods: Mapping[str, InterpretationMethod]
    populations: Mapping[str, Population]


def plot_of(
    name: str, ladder: Ladder, methods: Mapping[str, InterpretationMethod], *, sequences: Mapping[str, int], seed: int
) -> Plot:
    """Measure the truth of a ladder on so many ``sequences`` for each method."""
    populations = {}
    for method, plugin in methods.items():
        original = _population(plugin, ladder.original, sequences[method], seed)
        rungs = {
            rung: align(
                _population(plugin, made.model, sequences[method], seed),
                made.relabelling,
                ladder.original.architecture.heads,
            )
            for rung, made in ladder.rungs.items()
        }
        populations[method] = Population(plugin.card, original, rungs)
    return Plot(name, ladder, methods, populations)


def trial(
    plot: Plot, number: int, *, sequences: int, settings: Settings, methods: Sequence[str], again: bool
) -> Iterator[Case]:
    """The cases of one small audit. ``again``: also the noise-only ones."""
    ladder, generator = plot.ladder, numpy_generator(settings.seed, "calibration", plot.name, number, sequences)
    inputs = draw_inputs(ladder.original.task, sequences, generator)
    drawn = generator.choice(list(ladder.rungs), size=min(RUNGS_PER_TRIAL, len(ladder.rungs)), replace=False)
    chosen = sorted(str(rung) for rung in drawn)
    found: dict[tuple[str, str], Interpretation] = {}
    for name in methods:
        found[ORIGINAL, name] = _scores(plot.methods[name], ladder.original, inputs, settings.seed, number)
        for rung in chosen:
            model = ladder.rungs[rung].model
            found[rung, name] = _scores(plot.methods[name], model, inputs, settings.seed, number)
    variants = [_variant(rung, plot) for rung in chosen]
    if again:
        other = draw_inputs(ladder.original.task, sequences, generator)
        for name in methods:
            found[RERUN, name] = _scores(plot.methods[name], ladder.original, other, settings.seed, number)
        variants.append(Variant(RERUN, RERUN, Kind.BEHAVIOURAL, 0, VariantState.CERTIFIED))
    cards = {name: plot.methods[name].card for name in methods}
    findings = findings_of("calibration", cards, variants, found, original=ORIGINAL, settings=settings)
    for name in methods:
        for variant in variants:
            about = [f for f in findings if (f.claim.method, f.equivalence) == (name, variant.equivalence)]
            case = _case(plot, about, sequences, generator)
            if case is not None:
                yield case


def _case(plot: Plot, findings: Sequence[Finding], sequences: int, generator: np.random.Generator) -> Case | None:
    """One claim at random among those with a truth: a kind of claim first, then where something moved or not."""
    known: dict[tuple[str, bool], list[tuple[Finding, Truth]]] = {}
    for finding in findings:
        population = plot.populations[finding.claim.method]
        truth = _truth(population, finding)
        if truth is not None and truth.verdict is not None and finding.effect is not None:
            known.setdefault((finding.claim.kind, truth.effect > 1e-9), []).append((finding, truth))
    if not known:
        return None
    groups = [known[key] for key in sorted(known)]
    group = groups[int(generator.integers(len(groups)))]
    finding, truth = group[int(generator.integers(len(group)))]
    method = finding.claim.method
    noise = "noise" if finding.equivalence == RERUN else "ladder"
    return Case(
        source="random" if method == "random_explanation" else noise,
        method=method,
        claim=finding.claim.kind,
        rung=finding.equivalence,
        truth=truth.verdict or "",
        margin=truth.margin,
        away=truth.is_away and noise == "ladder",  # an audit never compares other sequences, so need not decide
        sequences=sequences,
        verdict=str(finding.verdict),
    )


def _truth(population: Population, finding: Finding) -> Truth | None:
    if finding.equivalence != RERUN:
        return population.truth(finding.claim, finding.equivalence)
    if finding.claim.kind == "pattern":
        return None  # other sequences have other patterns
    itself = Population(population.card, population.original, {RERUN: population.original})
    return itself.truth(finding.claim, RERUN)


def _variant(rung: str, plot: Plot) -> Variant:
    """Each rung is an equivalence of its own, so that each gets its own verdict."""
    relabelling = plot.ladder.rungs[rung].relabelling
    return Variant(rung, rung, Kind.BEHAVIOURAL, 0, VariantState.CERTIFIED, relabelling=relabelling)


def _scores(
    plugin: InterpretationMethod, model: CanonicalTransformer, inputs: InputBatch, seed: int, number: int
) -> Interpretation:
    return plugin.interpret(Request(model, inputs, numpy_generator(seed, "calibration", "measure", number)))


def _population(plugin: InterpretationMethod, model: CanonicalTransformer, sequences: int, seed: int) -> Interpretation:
    """Scores over many sequences, in several draws where the method reads only the first of each."""
    parts: list[Interpretation] = []
    width = 0
    for draw in range(MOST_DRAWS):
        inputs = draw_inputs(model.task, sequences, numpy_generator(seed, "calibration", "population", draw))
        parts.append(_scores(plugin, model, inputs, seed, -1 - draw))
        if not parts[0].per_sequence or sum(len(part.values) for part in parts) >= sequences:
            break
        width = max(width, *(part.values.shape[-1] for part in parts))
    first = parts[0]
    if len(parts) == 1:
        return first
    if first.values.ndim > 2:
        values = np.concatenate([_padded(part.values, width) for part in parts])
    else:
        values = np.concatenate([part.values for part in parts])
    undefined = {index: why for part in parts for index, why in part.undefined.items()}
    errors = [part.numerical_error for part in parts if part.numerical_error is not None]
    return replace(first, values=values, undefined=undefined, numerical_error=max(errors, default=None))


def _padded(values: np.ndarray, width: int) -> np.ndarray:
    """Attention [sequence, head, query, key] with zero rows and columns up to ``width``."""
    missing = width - values.shape[-1]
    return np.pad(values, ((0, 0), (0, 0), (0, missing), (0, missing)))
