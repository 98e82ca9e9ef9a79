"""Activation patching of a head, denoising: the clean z in the corrupt run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import InterpretationMethod, Request
from auditor.measures.expectations import head_scores
from auditor.measures.patching.activation import patched_head_effects
from auditor.measures.patching.pairs import no_pairs
from auditor.records import Expected, Interpretation


class HeadPatching(InterpretationMethod):
    """Margin of the clean type that a head's clean z, at all positions, restores in the corrupt run.

    The two inputs differ in the type of one bracket pair; the margin is the logit of the clean closing bracket minus
    that of the corrupt one where that pair is on top of the stack. Says what is enough, not what is needed.
    """

    version = 1
    smallest_plan = "standard"
    family = "patching"
    summary = "how much of the bracket's type the head restores when its z is taken from the clean input"
    unit = "logits"
    higher_means = "the head carries more of the bracket's type"
    source = "Zhang & Nanda 2024, arXiv 2309.16042; Meng et al. 2022, arXiv 2202.05262, section 2"
    claims = ("value", "rank")
    distance = "relative_change"
    expected: ClassVar[Mapping[str, Expected]] = head_scores()

    def not_applicable(self, model: CanonicalTransformer) -> str | None:
        """Needs decisions between bracket types."""
        return no_pairs(model)

    def interpret(self, request: Request) -> Interpretation:
        """Scores [sequence, head]."""
        model, inputs = request.model, request.inputs
        effects = patched_head_effects(model, inputs, "denoising")
        return Interpretation(self.name, ("sequence", "head"), model.architecture.heads, effects)
