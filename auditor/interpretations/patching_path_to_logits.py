"""Path patching, head → logits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import InterpretationMethod, Request
from auditor.measures.expectations import head_scores
from auditor.measures.patching.pairs import no_pairs
from auditor.measures.patching.paths import no_direct_path, path_effects, to_logits
from auditor.records import Expected, Interpretation


class HeadToLogitsPatching(InterpretationMethod):
    """Margin of the clean type that is lost when a head's corrupt z reaches the logits alone, past all heads and MLPs.

    The direct effect. Norms on the way are computed anew.
    """

    version = 1
    family = "patching"
    summary = "margin lost when the head's corrupt output reaches the logits directly"
    unit = "logits"
    higher_means = "the path carries more of the bracket's type"
    source = (
        "Wang et al. 2022, arXiv 2211.00593, section 3.1 (path patching); Goldowsky-Dill et al. 2023, arXiv 2304.05969"
    )
    claims = ("value", "rank")
    distance = "relative_change"
    expected: ClassVar[Mapping[str, Expected]] = head_scores()

    def not_applicable(self, model: CanonicalTransformer) -> str | None:
        """Needs decisions between bracket types and a way past the MLPs."""
        return no_pairs(model) or no_direct_path(model)

    def interpret(self, request: Request) -> Interpretation:
        """Scores [sequence, head]."""
        model, inputs = request.model, request.inputs
        effects = path_effects(model, inputs, to_logits)
        return Interpretation(self.name, ("sequence", "head"), model.architecture.heads, effects)
