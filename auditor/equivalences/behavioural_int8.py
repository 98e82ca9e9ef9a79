"""Every matrix in eight bits: what a quantised deployment of the model computes."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from auditor.contracts import Equivalence, Transformed, TransformRequest
from auditor.records import Kind

LEVELS = 127
"""Positive levels of a symmetric signed byte; −128 is not used."""

SUMMED_OVER: Mapping[str, tuple[int, ...]] = {
    "W_E": (-1,),  # one scale for each row that is looked up
    "W_pos": (-1,),
    "W_Q": (0,),  # one scale for each output of a map
    "W_K": (0,),
    "W_V": (0,),
    "W_O": (0, 1),
    "W_in": (0,),
    "W_out": (0,),
    "W_U": (0,),
}
"""The axes of each matrix that share one scale."""


class Int8(Equivalence):
    """w ↦ s · round(w / s) with s = max|w| / 127 over the weights of one output channel; dequantised.

    Biases and norms stay as they are, as integer kernels keep them. Nothing is calibrated or trained.
    """

    version = 1
    kind = Kind.BEHAVIOURAL
    smallest_plan = "standard"
    summary = "every matrix rounded to 8-bit integers, one scale for each output channel"
    needs = "nothing"
    source = "Jacob et al. 2018, arXiv 1712.05877; per channel as in Krishnamoorthi 2018, arXiv 1806.08342, section 3"

    @torch.no_grad()
    def transform(self, request: TransformRequest) -> Transformed:
        """The rounded model; ``parameters["largest_relative_error"]`` is the largest change over its matrix's largest
        weight.
        """
        model = request.model
        twin, largest = model.clone(), 0.0
        for name, weight in twin.named_parameters():
            axes = SUMMED_OVER.get(name.rsplit(".", 1)[-1])
            size = float(weight.abs().max()) if axes is not None and weight.numel() else 0.0
            if axes is None or size == 0.0:
                continue
            rounded = _rounded(weight, axes)
            largest = max(largest, float((rounded - weight).abs().max()) / size)
            weight.copy_(rounded)
        return Transformed(twin, parameters={"bits": 8, "largest_relative_error": largest})


def _rounded(weight: Tensor, axes: tuple[int, ...]) -> Tensor:
    scale = weight.abs().amax(axes, keepdim=True) / LEVELS
    scale = torch.where(scale > 0, scale, torch.ones_like(scale))
    return (weight / scale).round() * scale
