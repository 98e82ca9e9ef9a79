"""Audits of planted models in small: sequences drawn from a large population, a few rungs, the verdicts of the engine.

Models are measured once, on all sequences of the population; a trial draws from these with replacement, so that what is
true of the population is known and not estimated. One claim per method and rung is kept of each trial, so that the
cases of a trial are few and the intervals honest.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from auditor.behaviour.input_batch import InputBatch, draw_inputs
from auditor.calibration.planted import Ladder
from auditor.calibration.rates import Case, bin_of
from auditor.calibration.truth import Population, Truth
from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import InterpretationMethod, Request
from auditor.records import ORIGINAL, Claim, Finding, Interpretation, Kind, Variant, VariantState
from auditor.seeds import numpy_generator
from auditor.verdicts.alignment import align
from auditor.verdicts.sequential import open_claims, still_asked
from auditor.verdicts.verdict import Settings, findings_of

RUNGS_PER_TRIAL = 4
RERUN = "the same model on other sequences"
"""The rung of the noise-only cases."""

UNMOVED = 1e-9
"""Effects up to this are none."""

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


def trial(plot: Plot, number: int, *, sequences: int, settings: Settings, looks: int, again: bool) -> Iterator[Case]:
    """The cases of one small audit, looked at again while something is open. ``again``: also the noise-only ones."""
    generator = numpy_generator(settings.seed, "calibration", plot.name, number, sequences)
    rungs = list(plot.ladder.rungs)
    drawn = generator.choice(rungs, size=min(RUNGS_PER_TRIAL, len(rungs)), replace=False)
    variants = [_variant(rung) for rung in sorted(str(rung) for rung in drawn)]
    if again:
        variants.append(Variant(RERUN, RERUN, Kind.BEHAVIOURAL, 0, VariantState.CERTIFIED))
    seed = int(generator.integers(2**31))
    first = found = _judged(plot, variants, sequences, seed, settings, None)
    for look in range(1, looks):
        claims = open_claims(found.values())
        if not claims:
            break
        count = sequences * 2**look
        later = _judged(plot, variants, count, seed, replace(settings, look=look + 1), claims)
        asked = still_asked(later.values(), found.values())
        found = {**found, **{(one.claim.identity, one.equivalence): one for one in asked}}
    for name in plot.methods:
        for variant in variants:
            about = [key for key in first if (key[0][0], key[1]) == (name, variant.equivalence)]
            case = _case(plot, [(first[key], found[key]) for key in about], sequences, generator)
            if case is not None:
                yield case


Key = tuple[tuple[str, str, str, str], str]
"""Identity of a claim, and equivalence."""


def _judged(
    plot: Plot,
    variants: Sequence[Variant],
    sequences: int,
    seed: int,
    settings: Settings,
    claims: Mapping[str, Sequence[Claim]] | None,
) -> dict[Key, Finding]:
    """The verdicts on so many sequences of each population, the same for the original and its rungs.

    A sample of a seed begins with the smaller samples of that seed: more sequences are added, none is exchanged.
    """
    found: dict[tuple[str, str], Interpretation] = {}
    for name, population in plot.populations.items():
        generator = numpy_generator(seed, "calibration", "rows", name)
        rows, others = np.split(generator.integers(population.size, size=(sequences, 2)), 2, axis=1)
        found[ORIGINAL, name] = _some(population.original, rows[:, 0])
        for variant in variants:
            if variant.key == RERUN:
                found[RERUN, name] = _some(population.original, others[:, 0])
            else:
                found[variant.key, name] = _some(population.rungs[variant.key], rows[:, 0])
    cards = {name: plot.methods[name].card for name in plot.methods}
    looked = settings if claims is not None else replace(settings, look=1)
    findings = findings_of("calibration", cards, variants, found, original=ORIGINAL, settings=looked, claims=claims)
    return {(finding.claim.identity, finding.equivalence): finding for finding in findings}


def _some(found: Interpretation, rows: NDArray[np.intp]) -> Interpretation:
    return replace(found, values=found.values[rows]) if found.per_sequence else found


def _case(
    plot: Plot, looked: Sequence[tuple[Finding, Finding]], sequences: int, generator: np.random.Generator
) -> Case | None:
    """One claim at random among those with a truth: a kind of claim first, then a size of its effect.

    ``looked`` are its findings at the first and at the last look.
    """
    known: dict[tuple[str, str], list[tuple[Finding, Finding, Truth]]] = {}
    for first, last in looked:
        population = plot.populations[first.claim.method]
        truth = _truth(population, first)
        if truth is not None and truth.verdict is not None and first.effect is not None:
            size = "none" if truth.effect <= UNMOVED else bin_of(truth.margin)
            known.setdefault((first.claim.kind, size), []).append((first, last, truth))
    if not known:
        return None
    groups = [known[key] for key in sorted(known)]
    group = groups[int(generator.integers(len(groups)))]
    first, finding, truth = group[int(generator.integers(len(group)))]
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
        first=str(first.verdict),
    )


def _truth(population: Population, finding: Finding) -> Truth | None:
    if finding.equivalence != RERUN:
        return population.truth(finding.claim, finding.equivalence)
    if finding.claim.kind == "pattern":
        return None  # other sequences have other patterns
    itself = Population(population.card, population.original, {RERUN: population.original})
    return itself.truth(finding.claim, RERUN)


def _variant(rung: str) -> Variant:
    """Each rung is an equivalence of its own, so that each gets its own verdict; its population is aligned already."""
    return Variant(rung, rung, Kind.BEHAVIOURAL, 0, VariantState.CERTIFIED)


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
