"""Causal ablation of the directions in which a linear probe reads the bracket on top of the stack."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from auditor.behaviour.input_batch import InputBatch
from auditor.canonical.model import CanonicalTransformer
from auditor.measures.attention import with_open_bracket
from auditor.measures.directions import Array, DirectionAblation, Found, orthonormal
from auditor.measures.probing import ridge_weights


class StackTopDirection(DirectionAblation):
    """KL(untouched ‖ without the directions of the top type's ridge regression), minus that of controls of equal size.

    One direction fewer than there are types: the differences of the types' weights.
    """

    version = 1
    smallest_plan = "standard"
    summary = "what the outputs lose without the directions of a linear stack-top probe, above a control of equal size"
    source = "Elazar et al. 2021, arXiv 2006.00995, section 3 (amnesic probing, with a control of random directions)"

    def not_applicable(self, model: CanonicalTransformer) -> str | None:
        """Needs two types to tell apart."""
        return "with one bracket type there is nothing to tell apart" if model.task.language.types == 1 else None

    def where(self, inputs: InputBatch) -> Tensor:
        """Where a bracket is open."""
        return with_open_bracket(inputs)

    def directions(self, features: Array, inputs: InputBatch, where: Tensor) -> Found:
        """Differences of the weights of the ridge regression of one-hot types on the stream."""
        kinds, answers = np.unique(inputs.stack_top_type[where].numpy(), return_inverse=True)
        if len(kinds) < 2:
            return Found(None, "the same type is on top at all positions that are read")
        weights = ridge_weights(features, (answers[:, None] == np.arange(len(kinds))).astype(float))
        basis = orthonormal(weights[:, 1:] - weights[:, :1])
        return Found(basis, "" if basis is not None else "the probe's directions depend on each other")
