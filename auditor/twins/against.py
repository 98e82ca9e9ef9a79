"""Trains twins against one claim: the same outputs, but the method behind the claim says otherwise.

The loss is KL(original ‖ twin) + weight · max(0, wanted − effect), with the effect read off differentiable scores
(``targets``). A budget of optimiser steps is spent rung by rung: a new start, then more steps for it with a penalty
that asks for less where the certificate was missed and for more where the claim still stands, and so on. The first twin
that passes on search sequences and overturns the claim by the method itself ends the search.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from auditor.behaviour.input_batch import InputBatch
from auditor.canonical.interventions import Cache
from auditor.canonical.model import CanonicalTransformer
from auditor.canonical.sites import Hook, Site
from auditor.contracts import Progress, Request, TransformRequest
from auditor.language.grammar import states
from auditor.measures.untouched import SITES, Piece
from auditor.readings import method_named
from auditor.records import Claim, Interpretation, Json
from auditor.twins.distillation import Pool, Schedule, kl_to_teacher, optimise, weights_from
from auditor.twins.distillation_data import distillation_data, own_strings
from auditor.twins.ladder import Attempt, Objective, Rung, budget_of, climb
from auditor.twins.targets.aims import Aim, aim_at, columns_of
from auditor.twins.targets.claim import default_claim
from auditor.twins.targets.registry import surrogate_of
from auditor.twins.targets.surrogate import Surrogate

STEPS = 2_000
"""Optimiser steps that an attack may take unless the plan says otherwise."""

LONGEST_RUNG = 1_500
"""Optimiser steps of a new start at most; a third of the budget at most, so that there are two with their seconds."""

WEIGHT = 0.3
"""Penalty per unit of missing effect at a new start, in nats."""

ADJUSTED = 3.0
"""Factor by which the weight falls where the certificate was missed, or rises where the claim still stands."""

PEAK, GENTLE_PEAK = 1.0e-2, 5e-3
"""Highest learning rates of a new start and of going on."""

HARD_EXAMPLE_SHARE = 0.5
"""Share of each batch that is drawn in proportion to the KL last seen of each sequence."""

JITTER = 0.05
"""Noise at the start of an attack on a pattern, as a share of a weight's root mean square: at a distance of 0 nothing
says which way to go."""

SOFTENED = 0.1
"""Share of the attention scores that every other new start begins with: a saturated head has no slope to follow."""

SEARCH = 128
"""Search sequences that the method itself reads between the rungs."""

ENOUGH = 0.5
"""Share of the wanted effect that the method itself must show for the search to end."""


def attack(request: TransformRequest, claim: Claim) -> tuple[CanonicalTransformer, Mapping[str, Json]]:
    """The best twin against a claim, in float32, and how it was found.

    Raises:
        PlanError: a claim or a method that cannot be attacked, with the reason.
    """
    search = _Search(request, claim)
    budget = budget_of(request.parameters, STEPS)
    search.steps = max(1, min(LONGEST_RUNG, budget // 3))
    best = climb(
        search.next_rung,
        request.model,
        budget=budget,
        generator=request.generator,
        progress=request.progress,
        judge=search.judge,
    )
    surrogate = search.surrogate
    return best.model, {
        "method": claim.method,
        "claim": claim.text,
        "surrogate": surrogate.method,
        **({"surrogate_because": surrogate.why} if surrogate.why else {}),
        **best.to_json(),
    }


class _Search:
    """The rungs of one attack: new starts, and going on from each of them."""

    def __init__(self, request: TransformRequest, claim: Claim) -> None:
        self.claim, self.steps = claim, 1
        self.teacher = request.model.clone(dtype=torch.float32)
        surrogate_of(claim.method, request.model, ())  # or refuse before anything is read
        base = read(request.model, claim.method, request.inputs.rows(slice(0, SEARCH)))
        distance = method_named(claim.method).distance
        self.aims = [aim_at(claim, base, distance, upwards=upwards) for upwards in (False, True)]
        self.surrogate = surrogate_of(claim.method, request.model, self.aims[0].components)
        self.pools = distillation_data(
            self.teacher, request.generator, first_layer=self.surrogate.from_layer, own=own_strings(request)
        )
        self.weight = WEIGHT

    def judge(self, twin: CanonicalTransformer, search: InputBatch) -> Objective:
        """Whether the method itself says otherwise of the twin."""
        few = search.rows(slice(0, SEARCH))
        effect = _effect(self.aims, read(self.teacher, self.claim.method, few), read(twin, self.claim.method, few))
        if effect is None:
            return Objective(reached=False, numbers={"effect": None})
        return Objective(effect >= ENOUGH * self.aims[0].wanted, effect, {"effect": effect})

    def next_rung(self, attempts: Sequence[Attempt]) -> Rung:
        """A new start, or going on from the last one with another weight."""
        starts, goes_on = divmod(len(attempts), 2)
        aim, is_soft = self.aims[starts % 2], starts % 2 == 1
        if not goes_on:
            self.weight = WEIGHT
            name = f"start {starts}" + (", softened attention" if is_soft else "")
            return self._rung(name, aim, self.steps, PEAK, None, is_soft=is_soft)
        last = attempts[-1]
        if not last.certificate.passed:
            self.weight /= ADJUSTED
        elif not last.objective.reached:
            self.weight *= ADJUSTED
        name = f"going on from attempt {len(attempts) - 1}, weight {self.weight:g}"
        return self._rung(name, aim, max(1, self.steps // 2), GENTLE_PEAK, len(attempts) - 1)

    def _rung(self, name: str, aim: Aim, steps: int, peak: float, origin: int | None, *, is_soft: bool = False) -> Rung:
        weight, first = self.weight, self.surrogate.from_layer

        def make(
            before: CanonicalTransformer | None, generator: np.random.Generator, progress: Progress
        ) -> CanonicalTransformer:
            student = self.teacher.clone() if before is None else before
            if is_soft:
                _soften(student, first)
            if before is None and aim.compares_arrays:
                _jitter(student, first, generator)
            optimise(
                student,
                weights_from(student, first),
                _Losses(student, self.teacher, aim, self.surrogate),
                self.pools,
                weight=weight,
                schedule=Schedule(steps, peak, hard_example_share=HARD_EXAMPLE_SHARE),
                generator=generator,
                progress=progress,
            )
            return student

        return Rung(name, steps, make, origin)


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


def _effect(aims: Sequence[Aim], ours: Interpretation, twins: Interpretation) -> float | None:
    """How far the method itself was moved, by the aim that was met best; None where it has no score any more."""
    found = []
    for aim in aims:
        before, after = (columns_of(one, aim.components) for one in (ours, twins))
        found.append(float(aim.effect(after, before)))
    return max(found) if np.isfinite(found).all() else None


@dataclass(frozen=True)
class _Losses:
    """(KL of each sequence, what is missing of the wanted effect) of a batch.

    Batches longer than the training lengths only add to the KL: methods are asked about training lengths.
    """

    student: CanonicalTransformer
    teacher: CanonicalTransformer
    aim: Aim
    surrogate: Surrogate

    def __call__(self, pool: Pool) -> tuple[Tensor, Tensor]:
        first = self.surrogate.from_layer
        if pool.tokens.shape[1] > self.student.task.max_length + 1:
            answers = self.student.run_from(pool.residual, pool.tokens, first, fast=True)
            return kl_to_teacher(pool, answers.log_softmax(-1)), torch.zeros(())
        part = _inputs(self.student, pool)
        piece = _passed(self.student, pool, part, first)
        ours = self.surrogate.scores(self.student, piece, self.aim.components)
        theirs = ours
        if self.aim.compares_arrays:
            given = _passed(self.teacher, pool, part, first)
            theirs = self.surrogate.scores(self.teacher, given, self.aim.components).detach()
        effect = self.aim.effect(ours, theirs)
        if not bool(torch.isfinite(effect)):  # a batch in which no output meets the method's condition
            return kl_to_teacher(pool, piece.logits.log_softmax(-1)), torch.zeros(())
        missing = (self.aim.wanted - effect).clamp_min(0)
        return kl_to_teacher(pool, piece.logits.log_softmax(-1)), missing


def _inputs(model: CanonicalTransformer, pool: Pool) -> InputBatch:
    """A batch of a pool with what methods need to know about it."""
    found = states(model.task.language, pool.tokens.numpy())
    depth, top, opener = (torch.from_numpy(part) for part in (found.depth, found.top, found.opener))
    scored = pool.scored.expand_as(pool.tokens) & pool.not_padding  # of a classifier, one column
    return InputBatch(model.task, pool.tokens, pool.not_padding, scored, depth, top, opener)


def _passed(model: CanonicalTransformer, pool: Pool, part: InputBatch, first_layer: int) -> Piece:
    """The pass from a layer on, with gradients."""
    kept: dict[tuple[Site, int], Tensor] = {}
    logits = model.run_from(pool.residual, pool.tokens, first_layer, _keeping(kept))
    return Piece(torch.arange(len(pool)), part, logits, Cache(kept))


def _keeping(kept: dict[tuple[Site, int], Tensor]) -> Hook:
    def hook(site: Site, layer: int, value: Tensor) -> Tensor:
        if site in SITES:
            kept[site, layer] = value
        return value

    return hook


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
