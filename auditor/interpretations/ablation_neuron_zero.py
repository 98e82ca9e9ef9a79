"""Zero ablation of an MLP neuron: replace its activation by 0."""

from __future__ import annotations

from auditor.measures.ablation.method import NeuronAblation


class NeuronZeroAblation(NeuronAblation):
    """KL(untouched ‖ ablated) when a neuron's activation is set to zero, mean over the scored outputs.

    With a rectifier, scaling a neuron leaves its zero where it is.
    """

    version = 1
    summary = "how much the output distribution moves when a neuron's activation is set to zero"
    source = "Morcos et al. 2018, arXiv 1803.06959"
    substitute = "zero"
