"""A model with the original's answers, learned from random weights."""

from __future__ import annotations

from auditor.contracts import Equivalence, Transformed, TransformRequest
from auditor.records import Kind
from auditor.twins.fresh_student import distilled_from_scratch
from auditor.twins.matching import match


class FreshSeedDistilled(Equivalence):
    """The same architecture starts from random weights and learns the original's output probabilities.

    Unlike a model that is trained on the task again, it also learns the original's errors, so that the two can be one
    function. Heads and neurons are matched with the original's on the search sequences.
    """

    version = 5
    kind = Kind.BEHAVIOURAL
    summary = "distilled from the original into random weights; heads and neurons are matched with the original's"
    needs = "nothing"
    source = "Hinton et al. 2015, arXiv 1503.02531, section 2; Li et al. 2016, arXiv 1511.07543 (matching)"

    def transform(self, request: TransformRequest) -> Transformed:
        """The trained twin in float32; ``parameters`` says the steps and restarts."""
        best = distilled_from_scratch(request)
        found = match(request.model, best.model, request.inputs)
        return Transformed(best.model, found.relabelling, {**found.to_json(), **best.to_json()})
