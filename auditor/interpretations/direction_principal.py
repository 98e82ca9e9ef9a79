"""Causal ablation of the first principal direction of the residual stream."""

from __future__ import annotations

from torch import Tensor

from auditor.behaviour.input_batch import InputBatch
from auditor.measures.attention import with_choice
from auditor.measures.directions import Array, DirectionAblation, Found
from auditor.measures.principal import first_direction


class PrincipalDirection(DirectionAblation):
    """KL(untouched ‖ without the first principal direction), minus that of controls of equal size.

    The direction in which the stream varies most need not be one that later layers read.
    """

    version = 1
    summary = "what the outputs lose without the stream's first principal direction, above a control of equal size"
    source = "Elazar et al. 2021, arXiv 2006.00995, section 3 (the control); Pearson 1901 (the direction)"

    def where(self, inputs: InputBatch) -> Tensor:
        """Every position but the first."""
        return with_choice(inputs)

    def directions(self, features: Array, inputs: InputBatch, where: Tensor) -> Found:
        """The first principal direction; its sign does not matter, for every control is used with both."""
        del inputs, where
        direction, why_not = first_direction(features)
        return Found(None, why_not) if why_not else Found(direction[:, None])
