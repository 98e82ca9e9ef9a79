"""Every weight in half precision: what a model saved as float16 computes."""

from __future__ import annotations

import torch

from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import Equivalence, Transformed, TransformRequest
from auditor.records import Kind

LARGEST = float(torch.finfo(torch.float16).max)


class Fp16(Equivalence):
    """w ↦ the nearest float16 number, for every weight, bias and gain; the arithmetic stays as precise as it was."""

    version = 1
    kind = Kind.BEHAVIOURAL
    smallest_plan = "standard"
    summary = "every weight rounded to half precision"
    needs = f"no weight above {LARGEST:.0f}, the largest number of float16"
    source = "IEEE 754-2008, binary16; Micikevicius et al. 2018, arXiv 1710.03740"

    def not_applicable(self, model: CanonicalTransformer) -> str | None:
        """A weight beyond the range would become infinite."""
        beyond = [name for name, weight in model.named_parameters() if bool((weight.abs() > LARGEST).any())]
        return f"{beyond[0]} holds a weight that float16 cannot" if beyond else None

    @torch.no_grad()
    def transform(self, request: TransformRequest) -> Transformed:
        """The rounded model; ``parameters["changed"]`` is the share of weights that are not float16 numbers."""
        model = request.model
        twin = model.clone()
        changed, total = 0, 0
        for weight in twin.parameters():
            rounded = weight.half().to(weight.dtype)
            changed, total = changed + int((rounded != weight).sum()), total + weight.numel()
            weight.copy_(rounded)
        return Transformed(twin, parameters={"bits": 16, "changed": changed / total})
