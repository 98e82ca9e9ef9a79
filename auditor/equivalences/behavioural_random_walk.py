"""A twin at the end of a random walk through models that give the same outputs."""

from __future__ import annotations

import numpy as np
import torch

from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import Equivalence, Progress, Transformed, TransformRequest
from auditor.records import Kind
from auditor.twins.distillation import Schedule
from auditor.twins.distillation_data import teach
from auditor.twins.learning import Lesson, learned, the_original
from auditor.twins.matching import match

STEPS = 2_000
"""Optimiser steps of all rounds together unless the plan says otherwise."""

PEAK = 5e-3
"""Highest learning rate of a round."""

ROUNDS = 4
"""Steps of the walk."""

NOISE = 0.3
"""Size of the noise of one round, as a share of the root mean square of each weight matrix."""


class RandomWalk(Equivalence):
    """Four times: noise of 30 % on every weight, then all weights are distilled back to the original's outputs.

    Four rounds lead as far from the original as its own size, so heads and neurons are matched with the original's on
    the search sequences. An interpretation that is a fact about the function should not move at all.
    """

    version = 5
    kind = Kind.BEHAVIOURAL
    summary = "same answers after a random walk of the weights (perturb, distil back, repeat), components matched"
    needs = "nothing"
    source = (
        "after Fisher et al. 2019, arXiv 1801.01489, section 3 (sampling the Rashomon set); "
        "Draxler et al. 2018, arXiv 1803.00885 (minima are connected)"
    )

    def transform(self, request: TransformRequest) -> Transformed:
        """The twin at the end of the walk in float32; ``parameters`` says the steps and restarts."""
        best, _ = learned(request, the_original, _walk, steps=STEPS)
        model = request.model
        report = {"rounds": ROUNDS, "noise": NOISE, "relative_distance": _distance(model, best.model)}
        found = match(model, best.model, request.inputs)
        return Transformed(best.model, found.relabelling, {**report, **found.to_json(), **best.to_json()})


def _walk(student: CanonicalTransformer, lesson: Lesson) -> None:
    """The rounds of a walk; the end of one is only taught more."""
    rounds = 1 if lesson.goes_on else ROUNDS
    schedule = Schedule(max(1, lesson.steps // rounds), lesson.share * PEAK)
    for number in range(rounds):
        if not lesson.goes_on:
            _perturb(student, lesson.generator)
        reported = lesson.progress if lesson.goes_on else _part(lesson.progress, number)
        teach(student, lesson.pools, schedule=schedule, generator=lesson.generator, progress=reported)


@torch.no_grad()
def _perturb(student: CanonicalTransformer, generator: np.random.Generator) -> None:
    """Noise on every weight but a table of inputs that was never trained."""
    for name, weight in student.named_parameters():
        if name == "W_E" and not student.architecture.embedding_trained:
            continue
        drawn = torch.from_numpy(generator.normal(size=tuple(weight.shape))).to(weight)
        weight.add_(drawn, alpha=NOISE * float(weight.square().mean().sqrt()))


def _part(progress: Progress, number: int) -> Progress:
    def report(share: float, words: str) -> None:
        progress((number + share) / ROUNDS, f"round {number + 1}: {words}")

    return report


@torch.no_grad()
def _distance(ours: CanonicalTransformer, theirs: CanonicalTransformer) -> float | None:
    """‖difference of all weights‖ / ‖weights‖, or None when it is no number."""
    before, after = (torch.cat([p.flatten().double() for p in model.parameters()]) for model in (ours, theirs))
    found = float((after - before).norm() / before.norm())
    return found if np.isfinite(found) else None
