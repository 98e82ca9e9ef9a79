"""Distils the original's outputs while some layers are trained to attend elsewhere.

The penalty is weight · Σ_layers Σ_heads max(0, target − total variation); see ``attention_distance``. The hinge is
steep and its target lies just above what is wanted: no KL is spent on moving further.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from auditor.behaviour.input_batch import InputBatch
from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import TransformRequest
from auditor.records import Json
from auditor.records.values import whole
from auditor.twins.attention_distance import reach_of, shortfall, total_variation
from auditor.twins.distillation import Penalty, Pool, Schedule, distil, with_patterns
from auditor.twins.distillation_data import distillation_data, own_strings
from auditor.twins.first_token import has_first_token, turn_to_first_token
from auditor.twins.hard_strings import HardStrings
from auditor.twins.ladder import Attempt, Objective, Progress, Rung, budget_by_plan, climb, restarts_of


@dataclass(frozen=True, slots=True)
class DivergenceTarget:
    """The mean total variation that every head should reach: what is wanted, and how the search begins.

    ``aim`` ends the search; ``first`` is the target of its first attempts, above the aim; ``weight`` is the penalty per
    unit that is missing, in nats.
    """

    aim: float
    first: float
    weight: float


LAST_LAYER = DivergenceTarget(aim=0.85, first=0.87, weight=0.6)
"""Where other layers come before it."""

CLASSIFIER = DivergenceTarget(aim=0.8, first=0.8, weight=0.6)
"""For the last layer of a classifier, which answers once a string and is sure of it: a string that the twin gets wrong
costs as much KL as many tokens of a language model, and the last hundredths of a total variation cost most of them."""

ONLY_LAYER = DivergenceTarget(aim=0.6, first=0.68, weight=1.2)
"""For a model of one layer, which can compensate less: a lower target with a larger penalty."""

LARGEST_KL = 5e-4
"""Mean KL, nats, down to which the search goes on where the plan allows it ``IMPROVED`` times the steps or more."""

IMPROVED = 3
"""With fewer times the steps, the first twin that moved far enough and passes with room to spare ends the search."""

ROOM = 0.7
"""Share of each margin of its certificate that the bounds of a twin may take where the search ends: the worst string
and the rarest states of other sequences may be further off."""

CLASSIFIER_ROOM = 0.5
"""The same of a classifier, most of whose KL is in one of a thousand strings, so that two samples differ by more."""

SLACK = 0.015
"""How far above its aim the target of later attempts lies."""

GIVING_UP, LOWERED = 3, 0.1
"""After so many starts and goings-on none of which passes, the target falls below the aim by so much."""

JITTER = 0.1
"""Noise on Q and K at the start, as a share of their root mean square."""

SHORTEST = 0.7
"""Shortest strings taught, in longest training lengths."""

HARD_EXAMPLE_SHARE = 0.5
"""Share of each batch that is drawn in proportion to the KL last seen of each sequence."""

POLISHING_SHARE = 0.8
"""The same while polishing."""

STEPS = 2_000
"""Optimiser steps of a new start unless the plan says otherwise: its search may take ``RESTARTS`` times as many."""

MOVING, GOING_ON, POLISHING = 0.75, 0.5, 0.1
"""Shares of these steps: of a new start, of going on with a lower target, and of polishing after either."""

GRADE = 0.03
"""By how much each new start for a classifier asks for less than the one before."""

STUCK = 3
"""One of so many steps is added to the search for a classifier, whose starts get stuck more often."""

CONTINUED = 4
"""Times that each start for a classifier is gone on with: its KL on strings that it did not learn from is up to three
times as large as on those that it did."""

PEAK, GENTLE_PEAK, POLISHING_PEAK = 1e-2, 5e-3, 5e-3
"""Highest learning rates of the three."""

FIRST_TOKEN, OPPOSED, ORIGINAL = "turned to the first token", "opposed", "from the original"
"""Where a new start begins, in the words of the report."""

PATTERN_SEQUENCES = 256
"""Search sequences on which total variation is measured."""


def attend_elsewhere(
    request: TransformRequest, layers: Collection[int], wanted: DivergenceTarget
) -> tuple[CanonicalTransformer, Mapping[str, Json]]:
    """The best twin, in float32, in which every head of ``layers`` attends elsewhere, and how it was found.

    Layers before the first of these stay as they are. ``request.parameters["steps"]`` and ``["restarts"]`` set the
    budget.
    """
    model = request.model
    budget = budget_by_plan(request, STEPS)
    budget += budget // STUCK if model.architecture.is_classifier else 0
    search = _Search(model, tuple(sorted(layers)), wanted, request, whole(request.parameters, "steps", STEPS))
    best = climb(
        search.next_rung,
        model,
        budget=budget,
        generator=request.generator,
        progress=request.progress,
        judge=search.judge,
        room=CLASSIFIER_ROOM if model.architecture.is_classifier else ROOM,
        largest_kl=LARGEST_KL if restarts_of(request.parameters) >= IMPROVED else math.inf,
    )
    return best.model, {"aim_total_variation": wanted.aim, **best.to_json()}


class _Search:
    """The rungs of one search: new starts, going on with lower targets, and polishing after each of these; for a
    classifier new starts, each with a lower target, and going on. Whatever goes on sees new strings, for a classifier
    those on which it errs most: what it saw before it knows by heart, and its worst ones are others.

    Polishing trains everything but the queries and keys of the attacked layers and the norm that they read, without the
    penalty and mostly on the worst strings; where one layer is attacked, its attention cannot change by that.
    """

    def __init__(
        self,
        model: CanonicalTransformer,
        layers: tuple[int, ...],
        wanted: DivergenceTarget,
        request: TransformRequest,
        steps: int,
    ) -> None:
        self.teacher, self.layers, self.wanted, self.steps = model.clone(dtype=torch.float32), layers, wanted, steps
        self.reach = reach_of(model, request.generator)
        self.own = own_strings(request)
        self.pools = self._drawn(request.generator)
        self.is_classifier = model.architecture.is_classifier
        self.hard: HardStrings | None = None  # of a classifier, once one is gone on with
        self.starts = self.moves = self.last_start = 0
        self.moved = False  # whether the last rung did

    def _drawn(self, generator: np.random.Generator) -> tuple[Pool, ...]:
        """Strings to learn from, with the original's answers and attention."""
        first = self.layers[0]
        pools = distillation_data(
            self.teacher, generator, first_layer=first, shortest=SHORTEST, own=self.own, rare=True
        )
        return self._with_patterns(pools)

    def _hardest(self, twin: CanonicalTransformer, generator: np.random.Generator) -> list[Pool]:
        if self.hard is None:
            self.hard = HardStrings(self.teacher, generator, first_layer=self.layers[0], steps=self.steps)
        return self.hard.hardest(twin)

    def _with_patterns(self, pools: Sequence[Pool]) -> tuple[Pool, ...]:
        return with_patterns(self.teacher, pools, self.layers[0], self.layers)

    def judge(self, twin: CanonicalTransformer, search: InputBatch) -> Objective:
        """Whether every head attends elsewhere as far as is wanted."""
        moved = total_variation(self.teacher, twin, search.rows(slice(0, PATTERN_SEQUENCES)), self.layers)
        least = float(moved.min())
        return Objective(least >= self.wanted.aim, least, {"total_variation": moved.tolist()})

    def next_rung(self, attempts: Sequence[Attempt]) -> Rung | None:
        """A polishing after each twin that moved far enough; else what the attempts so far ask for."""
        if self.is_classifier:
            return self._of_classifier(attempts)
        last = len(attempts) - 1
        if self.moved and attempts[last].objective.reached:
            self.moved = False
            return self._polishing(last)
        numbers = range(len(attempts))
        there = [number for number in numbers if attempts[number].objective.reached]
        if attempts and not there:  # pushed on where it repeats the original so far, else from a new start
            is_new, weight = self.moves % 2 == 1, 2 * self.wanted.weight
            return self._moving(
                self.wanted.first, weight, last if is_new and attempts[last].certificate.passed else None
            )
        if self.moves % 2 == 0:
            return self._moving(self.wanted.first, self.wanted.weight, None)
        if self.moves >= GIVING_UP and not any(attempt.certificate.passed for attempt in attempts):
            closest = min(numbers, key=lambda number: attempts[number].kl)
            return self._moving(self.wanted.aim - LOWERED, self.wanted.weight, closest)
        best = min(there, key=lambda number: attempts[number].kl)
        return self._moving(self.wanted.aim + SLACK, self.wanted.weight, best)

    def _of_classifier(self, attempts: Sequence[Attempt]) -> Rung | None:
        """A new start, each asking for less than the one before; after it, going on from the last.

        Which of two has the lower KL is decided by a few strings that are rare, and so by chance.

        A start that remains far from its aim, or does not reach it when it is gone on with, is given up as stuck. One
        that was gone on with to the end is followed by another only if none passed at its aim.
        """
        since = attempts[self.last_start :]
        furthest = max((attempt.objective.progress for attempt in since), default=0.0)
        is_stuck = furthest < self.wanted.aim - (GRADE if len(since) == 1 else 0.0)
        is_over = len(since) > CONTINUED
        if is_over and any(attempt.certificate.passed and attempt.objective.reached for attempt in attempts):
            return None
        if is_stuck or is_over:
            self.last_start = len(attempts)
            return self._moving(max(GRADE, self.wanted.first - GRADE * self.starts), self.wanted.weight, None)
        return self._moving(self.wanted.aim + SLACK, self.wanted.weight, len(attempts) - 1)

    def _moving(self, target: float, weight: float, start: int | None) -> Rung:
        """Train with the penalty, from an origin or from an attempt."""
        steps = max(1, int((MOVING if start is None else GOING_ON) * self.steps))
        origin = self._origin() if start is None else f"from attempt {start}"
        self.moves += 1
        self.moved = True

        def make(
            before: CanonicalTransformer | None, generator: np.random.Generator, progress: Progress
        ) -> CanonicalTransformer:
            student = self.teacher.clone() if before is None else before
            pools = self.pools
            if before is not None and self.is_classifier:
                pools = (*pools, *self._with_patterns(self._hardest(before, generator)))
            elif before is not None:
                pools = self.pools = self._drawn(generator)
            if origin == FIRST_TOKEN:
                turn_to_first_token(student, self.layers[0], self.pools[0])
            elif before is None:
                if origin == OPPOSED:
                    _oppose(student, self.layers)
                _jitter(student, self.layers, generator)
            peak = PEAK if before is None else GENTLE_PEAK
            schedule = Schedule(steps, peak, hard_example_share=HARD_EXAMPLE_SHARE)
            penalty = shortfall(target, self.reach, self.teacher.architecture)
            self._distil(student, pools, schedule, generator, progress, penalty=penalty, weight=weight)
            return student

        return Rung(f"target {target:.3g}, weight {weight:g}, {origin}", steps, make, start)

    def _origin(self) -> str:
        """Where the next new start begins."""
        first_token = not self.is_classifier and has_first_token(self.teacher, self.layers, self.pools[0])
        origins = origins_of(self.teacher, self.layers, first_token=first_token)
        number, self.starts = self.starts, self.starts + 1
        return origins[number % len(origins)]

    def _polishing(self, start: int) -> Rung:
        steps = max(1, int(POLISHING * self.steps))

        def make(
            before: CanonicalTransformer | None, generator: np.random.Generator, progress: Progress
        ) -> CanonicalTransformer:
            student = self.teacher.clone() if before is None else before
            self.pools = self._drawn(generator)
            frozen = [weight for layer in self.layers for weight in _attending(student, layer)]
            schedule = Schedule(steps, POLISHING_PEAK, hard_example_share=POLISHING_SHARE)
            self._distil(student, self.pools, schedule, generator, progress, frozen=frozen)
            return student

        return Rung(f"polishing attempt {start}", steps, make, start)

    def _distil(
        self,
        student: CanonicalTransformer,
        pools: Sequence[Pool],
        schedule: Schedule,
        generator: np.random.Generator,
        progress: Progress,
        *,
        penalty: Penalty | None = None,
        weight: float = 0.0,
        frozen: Collection[nn.Parameter] = (),
    ) -> None:
        distil(
            student,
            self.teacher,
            pools,
            first_layer=self.layers[0],
            schedule=schedule,
            generator=generator,
            progress=progress,
            penalty=penalty,
            weight=weight,
            penalised=self.layers,
            frozen=frozen,
        )


def _attending(student: CanonicalTransformer, layer: int) -> list[nn.Parameter]:
    """The weights that set the attention of a layer for a given residual stream."""
    attention, norms = student.attentions[layer], student.block(layer).norms
    read = list(norms["attention_in"].parameters()) if "attention_in" in norms else []
    return [attention.W_Q, attention.b_Q, attention.W_K, attention.b_K, *read]


def origins_of(model: CanonicalTransformer, layers: Collection[int], *, first_token: bool) -> tuple[str, ...]:
    """Where new starts begin, one after the other and again from the first.

    A head that leaves the original's attention step by step may saturate on START and stay there; one that starts from
    the opposite cannot. But a single head that is turned around no longer reads what its layer needs, nor does a
    layer whose inputs are turned around as well: these begin at the first token if they can. The one query that a
    classifier reads gets stuck there.
    """
    if model.architecture.is_classifier:
        return (ORIGINAL,)
    if len(layers) == 1 and min(model.architecture.blocks[layer].heads for layer in layers) > 1:
        return (OPPOSED, FIRST_TOKEN, ORIGINAL) if first_token else (OPPOSED, ORIGINAL)
    return (FIRST_TOKEN, ORIGINAL, OPPOSED) if first_token else (ORIGINAL, OPPOSED)


@torch.no_grad()
def _oppose(student: CanonicalTransformer, layers: Collection[int]) -> None:
    """Scores change their sign."""
    for layer in layers:
        attention = student.attentions[layer]
        attention.W_Q.neg_()
        attention.b_Q.neg_()


@torch.no_grad()
def _jitter(student: CanonicalTransformer, layers: Collection[int], generator: np.random.Generator) -> None:
    """A little noise on Q and K breaks the tie between the directions in which attention may leave."""
    for layer in sorted(layers):
        attention = student.attentions[layer]
        for weight in (attention.W_Q, attention.W_K):
            noise = torch.from_numpy(generator.normal(size=tuple(weight.shape))).to(weight)
            weight.add_(noise, alpha=JITTER * float(weight.square().mean().sqrt()))
