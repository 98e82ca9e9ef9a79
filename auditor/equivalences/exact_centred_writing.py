"""Remove the mean over features from what is written to the residual stream."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from auditor.canonical.architecture import Architecture
from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import Equivalence, Transformed, TransformRequest
from auditor.records import Json, Kind
from auditor.records.theory import Aspect
from auditor.symmetries.mean_blind_writers import Writer, mean_blind_writers

CENTRED = 1e-6
"""A table is centred when its row means are below this share of its root mean square: what float32 leaves."""


class CentredWriting(Equivalence):
    """t → t − mean(t) over the model width, for every table t that is written where only LayerNorms read.

    What TransformerLens does to a model by default when it loads it.
    """

    version = 1
    kind = Kind.EXACT
    changes = frozenset({Aspect.STREAM_WRITES})
    smallest_plan = "quick"
    summary = "removes the mean over features from all that is written where only LayerNorms read"
    needs = "a map that writes where every path on goes through a LayerNorm"
    source = "Ashkboos et al. 2024, arXiv 2401.15024, section 3.2; TransformerLens, center_writing_weights"

    def not_applicable(self, model: CanonicalTransformer) -> str | None:
        """Some reader must not see the mean, and there must be a mean to remove."""
        if model.architecture.norm != "layer" or not model.architecture.norm_sites:
            return "the model has no LayerNorm, and nothing else removes a mean"
        writers = mean_blind_writers(model)
        if not writers:
            return "whatever is written, some reader gets it without a LayerNorm between"
        if all(_is_centred(writer) for writer in writers):
            return "everything that is written where only LayerNorms read is already centred"
        return None

    def choices(self, architecture: Architecture, count: int) -> Sequence[Mapping[str, Json]]:
        """There is one way to centre."""
        del architecture
        return ({},)[:count]

    @torch.no_grad()
    def transform(self, request: TransformRequest) -> Transformed:
        """The centred model; ``parameters["centred"]`` names the writers."""
        model = request.model
        twin = model.clone()
        writers = mean_blind_writers(twin)
        for writer in writers:
            for table in writer.tables:
                table.sub_(_means(table))
        return Transformed(twin, parameters={"centred": [writer.name for writer in writers]})


def _means(table: Tensor) -> Tensor:
    return table.mean(-1, keepdim=True)


@torch.no_grad()
def _is_centred(writer: Writer) -> bool:
    return all(
        float(_means(table).abs().max()) <= CENTRED * float(table.square().mean().sqrt()) for table in writer.tables
    )
