"""Rotate the residual stream: an orthogonal change of the basis in which all layers meet."""

from __future__ import annotations

import torch

from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import Equivalence, Transformed, TransformRequest
from auditor.records import Kind
from auditor.records.theory import Aspect
from auditor.symmetries.gauges import random_rotation
from auditor.symmetries.norm_readers import fold_norms, norm_readings
from auditor.symmetries.residual_basis import fixed_directions, turn_stream, why_bound


class ResidualRotation(Equivalence):
    """What writes the stream is multiplied by R from the right, what reads it by Rᵀ from the left.

    RMS norm commutes with every rotation and LayerNorm with those that fix the all-ones vector, once their gains are
    folded into the maps that read them; a gain that cannot be folded must be a constant.
    """

    version = 1
    kind = Kind.EXACT
    changes = frozenset({Aspect.STREAM_BASIS, Aspect.STREAM_READS, Aspect.NORM_OUTPUTS})
    smallest_plan = "quick"
    summary = "rotates the basis of the residual stream, after folding the norms"
    needs = "positions and an output map that can be rotated, and every gain foldable or constant"
    source = "Ashkboos et al. 2024, arXiv 2401.15024, theorem 1; Elhage et al. 2021 (no privileged basis)"

    def not_applicable(self, model: CanonicalTransformer) -> str | None:
        """Names the part that fixes the basis."""
        return why_bound(model)

    @torch.no_grad()
    def transform(self, request: TransformRequest) -> Transformed:
        """A random R; ``parameters["folded"]`` names the norms that were folded for it."""
        model, generator = request.model, request.generator
        twin = model.clone()
        folded = fold_norms(norm_readings(twin))
        rotation = random_rotation(
            model.architecture.model_width, fixed_directions(twin), generator, dtype=twin.dtype
        ).to(twin.device)
        turn_stream(twin, rotation)
        return Transformed(twin, parameters={"folded": list(folded)})
