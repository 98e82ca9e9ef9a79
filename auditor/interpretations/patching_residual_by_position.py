"""Patching of the residual stream by layer and kind of position, denoising: the clean stream in the corrupt run."""

from __future__ import annotations

from typing import ClassVar

from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import InterpretationMethod, Request
from auditor.measures.expectations import WHOLE_SCORES
from auditor.measures.patching.pairs import no_pairs
from auditor.measures.patching.residual import residual_components, residual_effects
from auditor.measures.patching.runs import shared_pairs
from auditor.records import Interpretation
from auditor.records.theory import Dependence


class ResidualPatching(InterpretationMethod):
    """Margin of the clean bracket type that the clean stream, at positions of one kind, restores in the corrupt run.

    The two inputs differ in the type of one bracket pair. Strings differ in length, so positions go by what stands
    there: the opener that differs, its closer, the other positions read, and elsewhere. In layer 0 at the opener and
    closer everything is restored, for the inputs differ nowhere else.
    """

    version = 1
    smallest_plan = "standard"
    family = "patching"
    summary = "how much of the bracket's type the stream that enters a layer carries, by kind of position"
    unit = "logits"
    higher_means = "the stream there carries more of the bracket's type"
    source = "Meng et al. 2022, arXiv 2202.05262, section 2.1; Heimersheim & Nanda 2024, arXiv 2404.15255, section 2"
    claims = ("value", "rank")
    distance = "relative_change"
    depends_on: ClassVar[Dependence] = WHOLE_SCORES

    def not_applicable(self, model: CanonicalTransformer) -> str | None:
        """Needs decisions between bracket types."""
        return no_pairs(model)

    def interpret(self, request: Request) -> Interpretation:
        """Scores [sequence, part]."""
        components = residual_components(request.model)
        return Interpretation(self.name, ("sequence", "part"), components, residual_effects(shared_pairs(request)))
