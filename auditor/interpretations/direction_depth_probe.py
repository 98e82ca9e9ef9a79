"""Causal ablation of the direction in which a linear probe reads the depth of the stack."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from auditor.behaviour.input_batch import InputBatch
from auditor.measures.attention import with_choice
from auditor.measures.directions import Array, DirectionAblation, Found, orthonormal
from auditor.measures.probing import ridge_weights


class DepthDirection(DirectionAblation):
    """KL(untouched ‖ without the direction of the depth's ridge regression), minus that of controls of equal size.

    Zero or less says that the depth can be read there, perhaps, but that the model does not read it there.
    """

    version = 1
    summary = "what the outputs lose without the direction of a linear depth probe, above a control of equal size"
    source = "Elazar et al. 2021, arXiv 2006.00995, section 3 (amnesic probing, with a control of random directions)"

    def where(self, inputs: InputBatch) -> Tensor:
        """Every position but the first."""
        return with_choice(inputs)

    def directions(self, features: Array, inputs: InputBatch, where: Tensor) -> Found:
        """The weights of the ridge regression of the depth on the stream."""
        depth = inputs.depth[where].double().numpy()
        if np.ptp(depth) == 0:
            return Found(None, "the depth is the same at all positions that are read")
        basis = orthonormal(ridge_weights(features, depth[:, None]))
        return Found(basis, "" if basis is not None else "the stream is the same at all positions that are read")
