"""Trains twins against one claim: the same outputs, but the methods behind the claim say otherwise.

The loss is KL(original ‖ twin) + weight · max(0, wanted − effect), with the effect read off differentiable scores
(``targets``). What is wanted lies a little beyond what overturns the claim on other sequences, so that no KL is spent
on more; only where a method is to be moved far it is a fixed, large effect.

A budget of optimiser steps is spent rung by rung: a new start, then more steps for it as long as they bring it nearer,
then the next start. Where the claim is overturned and the certificate was missed, the aim falls to what is needed and
the rest lowers KL; where the claim still stands, aim and penalty rise. The first twin that passes on search sequences
and overturns the claim by the methods themselves ends the search.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from auditor.behaviour.input_batch import InputBatch
from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import Progress, Request, TransformRequest
from auditor.readings import method_named
from auditor.records import Claim, Interpretation, Json
from auditor.twins.distillation import Pool, Schedule, optimise, weights_from
from auditor.twins.distillation_data import distillation_data, own_strings
from auditor.twins.ladder import Attempt, Objective, Rung, budget_of, climb, is_comfortable
from auditor.twins.targets.claim import default_claim
from auditor.twins.targets.losses import TargetLosses
from auditor.twins.targets.registry import surrogate_of
from auditor.twins.targets.target import Target, methods_against, overturned_from, targets_of

STEPS = 2_000
"""Optimiser steps that an attack may take unless the plan says otherwise."""

SHORTEST_START, LONGEST_START = 400, 800
"""Optimiser steps of a new start: a third of the budget within these, and half of it at most."""

SHORTENED = 0.75
"""Share of the steps of a new start that must be left for another one."""

FEWEST_STEPS = 40
"""Optimiser steps below which nothing more is tried."""

WEIGHT = 0.3
"""Penalty per unit of missing effect at a new start, in nats."""

ADJUSTED = 3.0
"""Factor by which the weight falls once the claim is overturned, or rises where only the claim still stands."""

BEYOND, FIRST_BEYOND = 1.25, 1.5
"""What is aimed at, in what would be enough: when going on, and at a new start."""

LARGEST_AIM = 3.0
"""Effect above which nothing is aimed at."""

SEQUENCES = 2_000
"""Search sequences by which a twin is judged: with fewer, the rarest positions of a certificate are not seen."""

COMFORT = 0.5
"""Share of the KL margin below which the search ends at once."""

NEARER = 0.8
"""Going on is worth its steps while it lowers KL to this share of what it was."""

PEAK, GENTLE_PEAK, POLISHING_PEAK = 1.0e-2, 5e-3, 2.5e-3
"""Highest learning rates of a new start, and of going on while the claim stands and once it is overturned."""

HARD_EXAMPLE_SHARE = 0.5
"""Share of each batch that is drawn in proportion to the KL last seen of each sequence."""

JITTER = 0.05
"""Noise at the start of an attack on a pattern, as a share of a weight's root mean square: at a distance of 0 nothing
says which way to go."""

SOFTENED = 0.1
"""Share of the attention scores that every other new start begins with: a saturated head has no slope to follow."""

SEARCH = 128
"""Search sequences that the methods themselves read between the rungs."""

FAR = 0.5
"""Share of the wanted effect that a method must show which is to be moved far."""


def attack(request: TransformRequest, claim: Claim, *, is_far: bool) -> tuple[CanonicalTransformer, Mapping[str, Json]]:
    """The best twin against a claim, in float32, and how it was found.

    ``is_far``: whether the methods are to be moved far, and not only until the claim is overturned.

    Raises:
        PlanError: a claim or a method that cannot be attacked, with the reason.
    """
    search = _Search(request, claim, is_far=is_far)
    best = climb(
        search.next_rung,
        request.model,
        budget=search.budget,
        generator=request.generator,
        progress=request.progress,
        judge=search.judge,
        comfort=COMFORT,
        sequences=SEQUENCES,
    )
    surrogates = {one.method: one.why for target in search.targets for one in target.surrogates}
    why = next((why for why in surrogates.values() if why), "")
    return best.model, {
        "method": " and ".join(claim.methods),
        "claim": claim.text,
        "surrogate": " and ".join(surrogates),
        **({"surrogate_because": why} if why else {}),
        **best.to_json(),
    }


@dataclass
class _Start:
    """One new start and what it aims at now. ``enough`` is the effect that would end the search."""

    target: Target
    number: int
    wanted: float
    enough: float
    weight: float = WEIGHT
    attempts: int = 0  # made for it

    def learn(self, last: Attempt, effect: float | None) -> None:
        """Set aim and weight by the last attempt and its effect by the methods themselves."""
        missing = 0.0 if effect is None else BEYOND * self.enough - effect
        self.wanted = min(max(self.wanted + missing, BEYOND * self.enough), max(LARGEST_AIM, BEYOND * self.enough))
        if last.objective.reached:
            self.weight /= ADJUSTED
        elif last.certificate.passed:
            self.weight *= ADJUSTED


class _Search:
    """The rungs of one attack: new starts, and going on from each of them."""

    def __init__(self, request: TransformRequest, claim: Claim, *, is_far: bool) -> None:
        self.is_far, self.request = is_far, request
        self.budget = budget_of(request.parameters, STEPS)
        self.teacher = request.model.clone(dtype=torch.float32)
        self.methods = methods_against(claim, request.model)  # or refuse before anything is read
        self.bases = self._read(request.model, request.inputs)
        self.targets = targets_of(claim, request.model, self.bases)
        self.pools: dict[int, Sequence[Pool]] = {}
        self.search_bases: dict[str, Interpretation] | None = None
        self.start: _Start | None = None
        self.made_for: list[_Start] = []  # of each attempt
        self.effects: list[float | None] = []  # of each attempt, by the target that it was made for; None: no score

    def judge(self, twin: CanonicalTransformer, search: InputBatch) -> Objective:
        """Whether the methods themselves say otherwise of the twin."""
        if self.search_bases is None:
            self.search_bases = self._read(self.teacher, search)
        found = self._read(twin, search)
        reads = [(target, target.read(found, self.search_bases)) for target in self.targets]
        assert self.start is not None
        effect = None
        for target, one in reads:
            if target is self.start.target and one is not None:
                effect, self.start.enough = one[0], self._enough(target, one[1])
        self.effects.append(effect)
        known = [(one[0], self._enough(target, one[1])) for target, one in reads if one is not None]
        reached = any(effect >= enough for effect, enough in known)
        return Objective(reached, max((one for one, _ in known), default=0.0), {"effect": effect})

    def next_rung(self, attempts: Sequence[Attempt]) -> Rung | None:
        """Going on from the last attempt while that is worth it, else a new start; at the end, the best once more."""
        left = self.budget - sum(attempt.steps for attempt in attempts)
        if attempts and left < FEWEST_STEPS:
            return None
        steps = min(max(self.budget // 3, SHORTEST_START), LONGEST_START, max(1, self.budget // 2))
        origin = len(attempts) - 1
        if self.start is None or not self._is_worth_it(attempts):
            if any(one.objective.reached and is_comfortable(one.certificate) for one in attempts):
                return None
            if self.start is None or left >= SHORTENED * steps:
                self.start = self._new_start(0 if self.start is None else self.start.number + 1)
                return self._rung(f"start {self.start.number}", min(steps, max(left, 1)), PEAK, None)
            origin = min(range(len(attempts)), key=lambda number: attempts[number].rank)
        self.start = self.made_for[origin]
        self.start.learn(attempts[origin], self.effects[origin])
        name = f"going on from attempt {origin}, weight {self.start.weight:.3g}"
        peak = POLISHING_PEAK if attempts[origin].objective.reached else GENTLE_PEAK
        return self._rung(name, min(max(1, steps // 2), left), peak, origin)

    def _is_worth_it(self, attempts: Sequence[Attempt]) -> bool:
        """A start is gone on with once, and then while the claim falls, or stays overturned at a lower KL."""
        assert self.start is not None
        if self.start.attempts < 2:
            return True
        before, last = attempts[-2:]
        return last.objective.reached and (not before.objective.reached or last.kl <= NEARER * before.kl)

    def _new_start(self, number: int) -> _Start:
        target = self.targets[number % len(self.targets)]
        read = target.read(self.bases, self.bases)
        enough = self._enough(target, None if read is None else read[1])
        return _Start(target, number, target.wanted if self.is_far else FIRST_BEYOND * enough, enough)

    def _enough(self, target: Target, error: float | None) -> float:
        needed = overturned_from(target, error or 0.0)
        return max(needed, FAR * target.wanted) if self.is_far else needed

    def _rung(self, name: str, steps: int, peak: float, origin: int | None) -> Rung:
        start = self.start
        assert start is not None
        start.attempts += 1
        self.made_for.append(start)
        target, wanted, weight, first = start.target, start.wanted, start.weight, start.target.from_layer
        is_soft = origin is None and (start.number + start.number // len(self.targets)) % 2 == 1
        if len(self.targets) > 1 and origin is None:
            name += f", {target.name}"

        def make(
            before: CanonicalTransformer | None, generator: np.random.Generator, progress: Progress
        ) -> CanonicalTransformer:
            student = self.teacher.clone() if before is None else before
            if is_soft:
                _soften(student, first)
            if before is None and target.compares_arrays:
                _jitter(student, first, generator)
            optimise(
                student,
                weights_from(student, first),
                TargetLosses(student, self.teacher, target, wanted),
                self._pools(first),
                weight=weight,
                schedule=Schedule(steps, peak, hard_example_share=HARD_EXAMPLE_SHARE),
                generator=generator,
                progress=progress,
            )
            return student

        return Rung(name + (", softened attention" if is_soft else "") + f", effect {wanted:.3g}", steps, make, origin)

    def _read(self, model: CanonicalTransformer, inputs: InputBatch) -> dict[str, Interpretation]:
        return {method: read(model, method, inputs.rows(slice(0, SEARCH))) for method in self.methods}

    def _pools(self, first_layer: int) -> Sequence[Pool]:
        if first_layer not in self.pools:
            generator = self.request.generator.spawn(1)[0]
            own = own_strings(self.request)
            self.pools[first_layer] = distillation_data(self.teacher, generator, first_layer=first_layer, own=own)
        return self.pools[first_layer]


def claim_against(model: CanonicalTransformer, method: str, component: str | None, inputs: InputBatch) -> Claim:
    """The claim of a method that an attack is to overturn where none is stated; see ``targets.claim``.

    Raises:
        PlanError: a method that cannot be attacked, or a component that it does not score.
    """
    surrogate_of(method, model, ())
    return default_claim(read(model, method, inputs.rows(slice(0, SEARCH))), component)


def read(model: CanonicalTransformer, method: str, inputs: InputBatch) -> Interpretation:
    """What the method itself says of a model; integrals from few points, since a search only compares."""
    exact = model.clone(dtype=torch.float64)
    return method_named(method).interpret(Request(exact, inputs, np.random.default_rng(0), only_compared=True))


@torch.no_grad()
def _soften(student: CanonicalTransformer, first_layer: int) -> None:
    for attention in student.attentions[first_layer:]:
        attention.W_Q.mul_(SOFTENED)
        attention.b_Q.mul_(SOFTENED)


@torch.no_grad()
def _jitter(student: CanonicalTransformer, first_layer: int, generator: np.random.Generator) -> None:
    for attention in student.attentions[first_layer:]:
        for weight in (attention.W_Q, attention.W_K, attention.W_V):
            noise = torch.from_numpy(generator.normal(size=tuple(weight.shape))).to(weight)
            weight.add_(noise, alpha=JITTER * float(weight.square().mean().sqrt()))
