"""Before an audit: what will be computed, about how long it takes, and the smallest effect it can detect.

Times come from short runs on this machine and this model: every method on a few sequences, a few steps of training.
Effects come from the spread of the scores in those runs.
"""

from __future__ import annotations

import math
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import torch
from scipy import special

from auditor.behaviour.certificate import EXACT_SEQUENCES
from auditor.behaviour.input_batch import InputBatch, draw_inputs
from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import Progress, Request, equivalences, silent
from auditor.plans.cells import VariantRequest, methods_to_rerun, planned_cells, planned_methods, planned_variants
from auditor.plans.plan import Plan, check_plan
from auditor.readings import method_named
from auditor.records import Json, Kind, Record, named
from auditor.records.values import number
from auditor.seeds import numpy_generator
from auditor.strings.parts import Part, take
from auditor.verdicts.claims import mean_scores
from auditor.verdicts.distances import SMALLEST_EFFECT, scale_of

PILOT = 24
"""Sequences of a short run."""

TRAINING_BATCH = 64
POWER = 0.8
LEVEL = 0.975
"""An effect counts as detectable when a two-sided 95 % interval excludes Δ four times out of five."""

STATISTICS = 1.1
"""Scheduling, storage and statistics on top of the computing."""


@dataclass(frozen=True, slots=True)
class MethodForecast(Record):
    """One method: seconds for one model, and the smallest relative change of a typical score that can be detected."""

    name: str
    why_not: str | None = field(metadata=named("not_applicable"))
    seconds: float = 0.0
    detectable: float | None = None  # None: no per-sequence scalar scores; exact variants need no sample


@dataclass(frozen=True)
class Forecast(Record):
    """What an audit will do. Seconds are of one core; several processes share them."""

    DERIVED: ClassVar[tuple[str, ...]] = ("smallest_effects",)

    plan: Plan
    variants: Mapping[str, int]  # by equivalence that applies
    not_applicable: Mapping[str, str]
    methods: tuple[MethodForecast, ...]
    reruns: int = field(metadata=named("second_runs"))  # methods that draw at random, on the original
    kept: int = field(metadata=named("kept_twins"))  # variants whose twin an earlier audit has made
    cells: int  # pieces of work, besides those of variants that do not apply
    seconds: float

    @property
    def smallest_effects(self) -> Mapping[str, float]:
        """By kind of claim."""
        return SMALLEST_EFFECT

    @classmethod
    def _after_writing(cls, document: dict[str, Json]) -> dict[str, Json]:
        return {**document, "seconds": round(number(document, "seconds"), 1)}


def forecast(
    model: CanonicalTransformer,
    plan: Plan,
    *,
    seed: int = 0,
    kept: Collection[str] = (),
    progress: Progress = silent,
) -> Forecast:
    """Forecast an audit. Takes some seconds. ``kept`` are the keys of the variants whose twin the store has already.

    Raises:
        PlanError: the plan cannot run.
    """
    check_plan(plan)
    exact = model.clone(dtype=torch.float64)
    inputs = _pilot(model, plan, seed)
    names = planned_methods(plan)
    measured = []
    for index, name in enumerate(names):
        progress(index / len(names), name)
        measured.append(_method(name, exact, inputs, plan, seed))
    requests = planned_variants(plan, model.architecture)
    reasons = {
        name: why
        for name in dict.fromkeys(request.equivalence for request in requests)
        if (why := equivalences()[name].not_applicable(exact)) is not None
    }
    made = [request for request in requests if request.equivalence not in reasons]
    again = [one for one in measured if one.name in methods_to_rerun(plan)]
    measuring = sum(one.seconds for one in measured) * (1 + len(made)) + sum(one.seconds for one in again)
    skipped = {request.key for request in requests} - {request.key for request in made}
    return Forecast(
        plan=plan,
        variants={
            name: sum(r.equivalence == name for r in made) for name in dict.fromkeys(r.equivalence for r in made)
        },
        not_applicable=reasons,
        methods=tuple(measured),
        reruns=sum(one.why_not is None for one in again),
        kept=sum(request.key in kept for request in made),
        cells=sum(cell.variant not in skipped for cell in planned_cells(plan, model.architecture)),
        seconds=STATISTICS * (measuring + _building(model, inputs, plan, made, kept)),
    )


def _pilot(model: CanonicalTransformer, plan: Plan, seed: int) -> InputBatch:
    count = min(PILOT, plan.sequences)
    if plan.strings is not None:
        return take(model.task, plan.strings, Part.INTERPRETATION, count, seed).inputs
    return draw_inputs(model.task, count, numpy_generator(seed, "forecast"))


def _method(name: str, model: CanonicalTransformer, inputs: InputBatch, plan: Plan, seed: int) -> MethodForecast:
    plugin = method_named(name)
    why_not = plugin.not_applicable(model)
    if why_not is not None:
        return MethodForecast(name, why_not)
    started = time.perf_counter()
    found = plugin.interpret(Request(model, inputs, numpy_generator(seed, "forecast", name)))
    seconds = (time.perf_counter() - started) * (plan.sequences / len(inputs) if found.per_sequence else 1.0)
    scores = mean_scores(found)
    if not found.per_sequence or scores.ndim > 1 or len(found.values) < 3:
        return MethodForecast(name, None, seconds)
    spread = np.nanstd(found.values, axis=0, ddof=1) / scale_of(np.nan_to_num(scores))
    error = math.sqrt(2.0 / plan.sequences) * float(np.nanmedian(spread))
    reach = float(special.ndtri(LEVEL) + special.ndtri(POWER))
    return MethodForecast(name, None, seconds, SMALLEST_EFFECT["value"] + reach * error)


def _building(
    model: CanonicalTransformer,
    inputs: InputBatch,
    plan: Plan,
    requests: Sequence[VariantRequest],
    kept: Collection[str],
) -> float:
    """Seconds to make and certify every variant; a kept twin is only certified."""
    started = time.perf_counter()
    with torch.no_grad():
        for _, part in inputs.batches():
            model(part.tokens)
    per_sequence = (time.perf_counter() - started) / len(inputs)
    step = _training_step(model, inputs)
    total = 0.0
    for request in requests:
        if request.kind is Kind.EXACT:
            total += 2 * EXACT_SEQUENCES * 2 * per_sequence  # float64 costs about twice as much
        else:
            total += 4 * plan.certificate_sequences * per_sequence
            is_trained = request.kind is Kind.BEHAVIOURAL and request.key not in kept
            total += plan.twin_steps * step if is_trained else 0.0
    return total


def _training_step(model: CanonicalTransformer, inputs: InputBatch) -> float:
    """Seconds for a forward and backward pass over a batch, on the copy that is trained."""
    copy = model.clone(dtype=torch.float32).requires_grad_(True)
    started = time.perf_counter()
    copy(inputs.tokens).square().mean().backward()
    return (time.perf_counter() - started) * TRAINING_BATCH / len(inputs)
