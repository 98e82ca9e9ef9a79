"""Fold the gain and bias of norms into the linear maps that read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from auditor.canonical.architecture import Architecture
from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import Equivalence, Transformed, TransformRequest
from auditor.records import Json, Kind
from auditor.records.theory import Aspect
from auditor.symmetries.norm_readers import changed_by_norms, fold_norms, norm_readings


class NormFolding(Equivalence):
    """W → diag(gain) W, b → bias W + b in every map that reads a norm; then gain = 1 and bias = 0.

    Norms whose output also goes elsewhere (into the residual stream, say) stay as they are. What TransformerLens does
    to a model by default when it loads it.
    """

    version = 1
    kind = Kind.EXACT
    changes = frozenset({Aspect.STREAM_READS, Aspect.NORM_OUTPUTS})
    smallest_plan = "quick"
    summary = "moves the gain and bias of each norm into the linear maps that read it"
    needs = "a norm that linear maps alone read, with a gain other than 1 or a bias other than 0"
    source = "Ashkboos et al. 2024, arXiv 2401.15024, section 3.2; TransformerLens, fold_layer_norm"

    def changes_in(self, architecture: Architecture) -> frozenset[Aspect]:
        """No head reads a norm where the only ones are before the MLPs."""
        return changed_by_norms(architecture, self.changes)

    def not_applicable(self, model: CanonicalTransformer) -> str | None:
        """Names what else reads each norm, or says that nothing is left to fold."""
        readings = norm_readings(model)
        if not readings:
            return "the model has no norm"
        foldable = [reading for reading in readings if reading.is_foldable]
        if not foldable:
            return "; ".join(f"{r.name} also feeds {' and '.join(r.others)}" for r in readings)
        if all(reading.is_folded for reading in foldable):
            return "every norm that could be folded already has gain 1 and bias 0"
        return None

    def choices(self, architecture: Architecture, count: int) -> Sequence[Mapping[str, Json]]:
        """There is one way to fold."""
        del architecture
        return ({},)[:count]

    def transform(self, request: TransformRequest) -> Transformed:
        """The folded model; ``parameters["folded"]`` names the norms."""
        model = request.model
        twin = model.clone()
        return Transformed(twin, parameters={"folded": list(fold_norms(norm_readings(twin)))})
