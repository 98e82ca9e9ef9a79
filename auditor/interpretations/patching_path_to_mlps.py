"""Path patching, head → later MLPs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import InterpretationMethod, Request
from auditor.measures.expectations import head_scores
from auditor.measures.patching.pairs import no_pairs
from auditor.measures.patching.paths import no_later_mlp, path_effects, to_later_mlps
from auditor.records import Expected, Interpretation


class HeadToMlpsPatching(InterpretationMethod):
    """Margin of the clean type that is lost when a head's corrupt z reaches the MLPs of its own and all later layers.

    Each MLP sees the corrupt head directly, every other head and MLP clean; what reads the MLPs is computed anew.
    """

    version = 1
    family = "patching"
    summary = "margin lost when the head's corrupt output reaches later MLPs directly"
    unit = "logits"
    higher_means = "the path carries more of the bracket's type"
    source = (
        "Wang et al. 2022, arXiv 2211.00593, section 3.1 (path patching); Goldowsky-Dill et al. 2023, arXiv 2304.05969"
    )
    claims = ("value", "rank")
    distance = "relative_change"
    expected: ClassVar[Mapping[str, Expected]] = head_scores()

    def not_applicable(self, model: CanonicalTransformer) -> str | None:
        """Needs decisions between bracket types and an MLP."""
        return no_pairs(model) or no_later_mlp(model)

    def interpret(self, request: Request) -> Interpretation:
        """Scores [sequence, head]."""
        model, inputs = request.model, request.inputs
        effects = path_effects(model, inputs, to_later_mlps)
        return Interpretation(self.name, ("sequence", "head"), model.architecture.heads, effects)
