"""Conductance of the MLP neurons."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from captum.attr import LayerConductance
from torch import Tensor

from auditor.behaviour.input_batch import InputBatch
from auditor.canonical.model import CanonicalTransformer
from auditor.measures.attribution.method import STEPS, Attributor, NeuronAttribution
from auditor.measures.attribution.score import Explained
from auditor.measures.expectations import NEURON_SCORES
from auditor.records.theory import Dependence


class NeuronConductance(NeuronAttribution):
    """Σ over positions and steps of ∂score/∂a · Δa, as the token vectors go from a blank input to the real one.

    What flows through the neuron: completeness shares the rise of the score among the neurons of a layer that has
    no bypass.
    """

    version = 1
    summary = "integrated gradients of the score that flow through the neuron, from an input without brackets"
    higher_means = "more of the rise of the score passes through the neuron"
    source = "Dhamdhere et al. 2018, arXiv 1805.12233, equation 2; Captum LayerConductance"
    depends_on: ClassVar[Dependence] = NEURON_SCORES
    copies = STEPS + 1
    needs_blank = True

    def attributor(self, model: CanonicalTransformer, seen: InputBatch, generator: np.random.Generator) -> Attributor:
        """Captum's conductance of each layer in turn, summed over positions."""
        del seen, generator

        def attribute(batch: Explained) -> Tensor:
            columns = []
            for mlp in model.mlps:
                found: Tensor = LayerConductance(batch.of_vectors, mlp.neuron_site).attribute(
                    batch.vectors, baselines=batch.blank_vectors, additional_forward_args=(batch.row,), n_steps=STEPS
                )
                columns.append(found.detach().sum(dim=1))
            return torch.cat(columns, dim=1)

        return attribute
