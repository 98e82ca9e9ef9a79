"""A trained model with its audit: what every part of a reproduction reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import methods
from auditor.plans.plan import Plan
from auditor.records import ORIGINAL, AuditReport, Component, LanguageMetrics, ScoreTable
from auditor.reproduction.results import ModelLine


@dataclass(frozen=True)
class Audited:
    """One model. ``twins`` are the certified variants that have weights of their own, by key; all in float64."""

    cohort: str
    seed: int
    steps: int
    name: str
    model_id: str
    plan: Plan
    report: AuditReport
    model: CanonicalTransformer
    twins: Mapping[str, CanonicalTransformer]

    @property
    def line(self) -> ModelLine:
        """Its row in the table of models."""
        found, longer = self.report.behaviour.in_distribution, self.report.behaviour.longer
        return ModelLine(
            family=self.cohort,
            seed=self.seed,
            name=self.name,
            model=self.model_id,
            audit=self.report.audit.id,
            steps=self.steps,
            in_distribution=found.closing_accuracy if isinstance(found, LanguageMetrics) else None,
            longer=longer.closing_accuracy if isinstance(longer, LanguageMetrics) else None,
            stack_like=tuple(head.label for head in self.heads_with("attention_stack_top")),
            heads=len(self.model.architecture.heads),
            violation_matched=self.score("balance_violation_matched"),
            violation_as_published=self.score("balance_violation_as_published"),
        )

    def scores(self, method: str) -> ScoreTable | None:
        """What a method gave for the model itself; None where it did not run."""
        for table in self.report.interpretations:
            if (table.variant, table.method) == (ORIGINAL, method):
                return table
        return None

    def score(self, method: str, label: str | None = None) -> float | None:
        """The score of a component, or of the first."""
        table = self.scores(method)
        if table is None:
            return None
        for component, value in zip(table.components, table.values, strict=True):
            if label in (None, component.label):
                return value
        return None

    def heads_with(self, method: str) -> tuple[Component, ...]:
        """Heads that reach the first threshold of a method's predicates."""
        table = self.scores(method)
        if table is None:
            return ()
        threshold = next(iter(methods()[method].predicates.values()))
        return tuple(
            head
            for head, value in zip(table.components, table.values, strict=True)
            if value is not None and value >= threshold
        )
