"""A twin that gives the same answers while another head is the most important one by mean ablation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from auditor.behaviour.input_batch import InputBatch
from auditor.canonical.architecture import Architecture
from auditor.canonical.model import CanonicalTransformer
from auditor.canonical.sites import Site
from auditor.contracts import Equivalence, Transformed, TransformRequest
from auditor.measures.ablation.substitutes import mean
from auditor.measures.ablation.sweep import head_effects
from auditor.measures.untouched import Untouched
from auditor.records import Json, Kind
from auditor.records.values import whole
from auditor.twins.distillation import Schedule, optimise, weights_from
from auditor.twins.importance import MARGIN, Promotion
from auditor.twins.ladder import Objective
from auditor.twins.learning import Lesson, learned, the_original

STEPS = 1_500
"""Optimiser steps unless the plan says otherwise."""

PEAK = 1e-2
"""Highest learning rate."""

WEIGHT = 0.02
"""Penalty per unit of missing log ratio, in nats."""

RANKED_ON = 256
"""Sequences that rank the heads."""


class AdversarialImportance(Equivalence):
    """Distil all layers with the penalty 0.02 · Σ_{h≠t} max(0, ln(1.5 e_h / e_t)), e the effect of mean ablation.

    The target t is the head that matters least to the original; further variants take the next to least, and so on,
    but never the top one.
    """

    version = 5
    kind = Kind.BEHAVIOURAL
    summary = "same answers, but a head that mattered little becomes the most important one by mean ablation"
    needs = "at least two heads"
    source = (
        "after Pruthi et al. 2020, arXiv 1909.07913, section 3 (importance moved by a training penalty); "
        "Jain & Wallace 2019, arXiv 1902.10186, section 4.2"
    )

    def not_applicable(self, model: CanonicalTransformer) -> str | None:
        """With one head there is no other to promote."""
        return "the model has one head" if len(model.architecture.heads) < 2 else None

    def choices(self, architecture: Architecture, count: int) -> Sequence[Mapping[str, Json]]:
        """One target per variant, from the least important head upwards."""
        return tuple({"from_last": index} for index in range(min(count, max(1, len(architecture.heads) - 1))))

    def transform(self, request: TransformRequest) -> Transformed:
        """The trained twin in float32; ``parameters`` says the steps, the restarts and how far from the last place."""
        model, inputs, parameters = request.model, request.inputs, request.parameters
        ranked_on = inputs.rows(slice(0, RANKED_ON))
        before = _effects(model, ranked_on)
        rivals = np.argsort(before)[:-1]
        target = int(rivals[whole(parameters, "from_last", 0) % len(rivals)])

        def learn(student: CanonicalTransformer, lesson: Lesson) -> None:
            optimise(
                student,
                weights_from(student, 0),
                Promotion(student, target, model.task.max_length),
                lesson.pools,
                weight=WEIGHT,
                schedule=Schedule(lesson.steps, lesson.share * PEAK),
                generator=lesson.generator,
                progress=lesson.progress,
            )

        def judge(twin: CanonicalTransformer, search: InputBatch) -> Objective:
            effects = _effects(twin, search.rows(slice(0, RANKED_ON)))
            lead = float(effects[target] / max(np.delete(effects, target).max(), 1e-12))
            return Objective(bool(np.isfinite(effects).all()) and lead > 1, lead, {"lead": lead})

        best, _ = learned(request, the_original, learn, steps=STEPS, judge=judge)
        labels = [head.label for head in model.architecture.heads]
        report = {
            "target": labels[target],
            "margin": MARGIN,
            "effects_before_nats": dict(zip(labels, before.tolist(), strict=True)),
            "effects_after_nats": _effects_by_label(labels, _effects(best.model, ranked_on)),
            **best.to_json(),
        }
        return Transformed(best.model, parameters=report)


def _effects(model: CanonicalTransformer, inputs: InputBatch) -> np.ndarray:
    """Effect of mean ablation of each head, nats per scored token, [head]."""
    effects: np.ndarray = head_effects(model, inputs, mean(Untouched(model, inputs), Site.Z)).mean(axis=0)
    return effects


def _effects_by_label(labels: Sequence[str], effects: np.ndarray) -> dict[str, Json]:
    """Effects by label; null where training diverged."""
    return {label: float(e) if np.isfinite(e) else None for label, e in zip(labels, effects, strict=True)}
