"""Models that differ in their seed only, how they are trained, and what identifies each of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from auditor.canonical.model import CanonicalTransformer
from auditor.records import Json
from auditor.training.stacked import Stack, StackedSchedule

FROZEN = ("b_U",)
"""Neither study has a bias at the logits: it stays 0."""

RECIPE = 1
"""Raised when the training of the same cohort would come out otherwise."""


@dataclass(frozen=True)
class Cohort:
    """One line of the table of models."""

    name: str
    summary: str
    schedule: StackedSchedule
    start: Callable[[int], CanonicalTransformer]  # seed → untrained model
    losses: Callable[[Stack, Sequence[int], int], Tensor]  # (stack, seeds, step) → [seed]
    facts: Mapping[str, Json]  # all that decides the weights beside the schedule and the seed

    def recipe(self, seed: int) -> str:
        """SHA-256 of all that decides the weights of a model, hex: the same recipe is not trained again."""
        schedule: dict[str, Json] = {
            "steps": self.schedule.steps,
            "learning_rate": self.schedule.learning_rate,
            "weight_decay": self.schedule.weight_decay,
            "curve": self.schedule.curve,
        }
        facts = {"recipe": RECIPE, "cohort": dict(self.facts), "schedule": schedule, "seed": seed}
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
