"""What all patching methods of heads share: clean and corrupt inputs, the margin between them, one score per head."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import InterpretationMethod, Request
from auditor.measures.expectations import HEAD_SCORES
from auditor.measures.patching.pairs import no_pairs
from auditor.measures.patching.paths import Runs, Stream, path_effects
from auditor.measures.patching.runs import SharedPairs, shared_pairs
from auditor.records import Component, Interpretation
from auditor.records.theory import Dependence


class HeadPatchingMethod(InterpretationMethod):
    """Margin of the clean bracket type that a head's z moves, logits, mean over the positions read."""

    family = "patching"
    takes_conditions = True
    unit = "logits"
    higher_means = "the head carries more of the bracket's type"
    claims: ClassVar[tuple[str, ...]] = ("value", "rank")
    distance = "relative_change"
    depends_on: ClassVar[Dependence] = HEAD_SCORES

    def not_applicable(self, model: CanonicalTransformer) -> str | None:
        """Needs decisions between bracket types."""
        return no_pairs(model)

    @abstractmethod
    def effects(self, pairs: SharedPairs) -> NDArray[np.float64]:
        """[sequence, head]."""

    def interpret(self, request: Request) -> Interpretation:
        """Scores [sequence, head]."""
        heads = request.model.architecture.heads
        return Interpretation(self.name, ("sequence", "head"), heads, self.effects(shared_pairs(request)))


class PathPatchingMethod(HeadPatchingMethod):
    """Margin of the clean type that is lost when a head's corrupt z reaches its receivers along direct paths only."""

    source = (
        "Wang et al. 2022, arXiv 2211.00593, section 3.1 (path patching); Goldowsky-Dill et al. 2023, arXiv 2304.05969"
    )

    path: ClassVar[
        staticmethod[[Runs, Component, Stream], Tensor]
    ]  # from a sender's stream to the logits of the patched model
    no_path: ClassVar[staticmethod[[CanonicalTransformer], str | None]]  # why no head reaches the receivers

    def not_applicable(self, model: CanonicalTransformer) -> str | None:
        """Needs decisions between bracket types and a way to the receivers."""
        return super().not_applicable(model) or self.no_path(model)

    def effects(self, pairs: SharedPairs) -> NDArray[np.float64]:
        """[sequence, head]: a column per sender."""
        return path_effects(pairs, self.path)
