"""A twin at the end of a random walk through models that give the same outputs."""

from __future__ import annotations

import numpy as np
import torch

from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import Equivalence, Progress, Transformed, TransformRequest
from auditor.records import Kind
from auditor.records.values import whole
from auditor.twins.distillation import Schedule
from auditor.twins.distillation_data import distillation_data, own_strings, teach
from auditor.twins.ladder import budget_of, climb
from auditor.twins.learning import learning
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

    version = 4
    kind = Kind.BEHAVIOURAL
    summary = "same answers after a random walk of the weights (perturb, distil back, repeat), components matched"
    needs = "nothing"
    source = (
        "after Fisher et al. 2019, arXiv 1801.01489, section 3 (sampling the Rashomon set); "
        "Draxler et al. 2018, arXiv 1803.00885 (minima are connected)"
    )

    def transform(self, request: TransformRequest) -> Transformed:
        """The twin at the end of the walk in float32; ``parameters`` says the steps and restarts."""
        model, parameters = request.model, request.parameters
        teacher = model.clone(dtype=torch.float32)
        pools = distillation_data(teacher, request.generator, first_layer=0, own=own_strings(request))

        def learn(
            student: CanonicalTransformer, steps: int, share: float, generator: np.random.Generator, progress: Progress
        ) -> None:
            if share < 1.0:  # the end of the walk is taught more
                schedule = Schedule(steps, share * PEAK)
                teach(student, pools, schedule=schedule, generator=generator, progress=progress)
                return
            schedule = Schedule(max(1, steps // ROUNDS), PEAK)
            for number in range(ROUNDS):
                _perturb(student, generator)
                reported = _part(progress, number)
                teach(student, pools, schedule=schedule, generator=generator, progress=reported)

        best = climb(
            learning(lambda _number, _generator: teacher.clone(), learn, whole(parameters, "steps", STEPS)),
            model,
            budget=budget_of(parameters, STEPS),
            generator=request.generator,
            progress=request.progress,
        )
        report = {"rounds": ROUNDS, "noise": NOISE, "relative_distance": _distance(teacher, best.model)}
        found = match(model, best.model, request.inputs)
        return Transformed(best.model, found.relabelling, {**report, **found.to_json(), **best.to_json()})


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
