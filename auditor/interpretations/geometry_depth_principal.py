"""Depth in the first principal component of the residual stream."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from auditor.contracts import InterpretationMethod, Request
from auditor.measures.attention import with_choice
from auditor.measures.expectations import RAW_STREAM
from auditor.measures.principal import first_direction
from auditor.measures.streams import activations_at, stream_components
from auditor.records import Interpretation
from auditor.records.theory import Dependence

Array = NDArray[np.float64]


class DepthPrincipalCorrelation(InterpretationMethod):
    """|r| of the depth of the stack and the first principal component of the stream, over all positions but the first.

    For the stream as embedded and after each layer. r = Σ z d / N over the N positions of all sequences, with component
    z and depth d standardised. The score of a sequence is what its positions add to that, times the number of
    sequences: the mean over sequences is |r|. Reads the raw stream: a mean over features that every LayerNorm removes
    may lead.
    """

    version = 1
    smallest_plan = "standard"
    family = "geometry"
    summary = "correlation of the depth of the stack with the first principal component of the residual stream"
    unit = "correlation"
    higher_means = "the stream varies most with the depth"
    source = "Pearson 1901, On lines and planes of closest fit; beside the depth of Dyck stacks as in Steinberg 2026"
    claims = ("value", "rank")
    distance = "relative_change"
    depends_on: ClassVar[Dependence] = RAW_STREAM

    @torch.no_grad()
    def interpret(self, request: Request) -> Interpretation:
        """Scores [sequence, part]. Sequences without a second position are left out."""
        inputs, components = request.inputs, stream_components(request.model)
        where = with_choice(inputs)
        chosen = where.any(1)
        row = (torch.cumsum(chosen, 0) - 1)[:, None].expand_as(where)[where].numpy()
        depth = inputs.depth[where].double().numpy()
        features = activations_at(request, where)
        count = max(1, int(chosen.sum()))
        values = np.full((count, len(components)), np.nan)
        undefined: dict[int, str] = {}
        for column, component in enumerate(components):
            scores, why_not = _contributions(features.get(component), depth, row, count)
            values[:, column] = scores
            if why_not:
                undefined[column] = why_not
        return Interpretation(self.name, ("sequence", "part"), components, values, undefined)


def _contributions(features: Array | None, depth: Array, row: NDArray[np.int64], count: int) -> tuple[Array, str]:
    """What each sequence adds to |r|, times their number, [sequence]; or why there is no correlation."""
    nothing = np.full(count, np.nan)
    if features is None or not len(depth) or np.ptp(depth) == 0:
        return nothing, "the depth is the same at all positions that are read"
    direction, why_not = first_direction(features)
    if why_not:
        return nothing, why_not
    component, depth = ((x - x.mean()) / x.std() for x in (features @ direction, depth))
    products = component * depth / len(depth)
    sign = -1.0 if products.sum() < 0 else 1.0
    totals = np.zeros(count)
    np.add.at(totals, row, sign * products)
    return totals * count, ""
