"""Internal influence of the MLP neurons."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from captum.attr import InternalInfluence
from torch import Tensor

from auditor.behaviour.input_batch import InputBatch
from auditor.canonical.model import CanonicalTransformer
from auditor.measures.attribution.method import STEPS, Attributor, NeuronAttribution
from auditor.measures.attribution.score import Explained
from auditor.measures.expectations import NEURON_SCORES
from auditor.records import Expected
from auditor.records.theory import Aspect, Dependence


class NeuronInternalInfluence(NeuronAttribution):
    """Σ over positions of ∫ ∂score/∂a, as the token vectors go from a blank input to the real one.

    A slope, not a share: it is measured per unit of an activation whose unit ReLU leaves open.
    """

    version = 1
    summary = (
        "mean slope of the score in the neuron's activation, along token vectors from a blank input to the real one"
    )
    unit = "nats per unit of the activation"
    higher_means = "the score rises faster with the neuron's activation"
    source = "Leino et al. 2018, arXiv 1802.03788, definition 1; Captum InternalInfluence"
    depends_on: ClassVar[Dependence] = {**NEURON_SCORES, Aspect.NEURON_SCALE: Expected.CHANGES}
    copies = STEPS
    needs_blank = True

    def attributor(self, model: CanonicalTransformer, seen: InputBatch, generator: np.random.Generator) -> Attributor:
        """Captum's influence of each layer in turn, summed over positions."""
        del seen, generator

        def attribute(batch: Explained) -> Tensor:
            columns = []
            for mlp in model.mlps:
                found: Tensor = InternalInfluence(batch.of_vectors, mlp.neuron_site).attribute(
                    batch.vectors, baselines=batch.blank_vectors, additional_forward_args=(batch.row,), n_steps=STEPS
                )
                columns.append(found.detach().sum(dim=1))
            return torch.cat(columns, dim=1)

        return attribute
