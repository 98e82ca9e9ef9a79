"""Mean ablation of an MLP neuron: replace its activation by its mean."""

from __future__ import annotations

from auditor.measures.ablation.method import NeuronAblation


class NeuronMeanAblation(NeuronAblation):
    """KL(untouched ‖ ablated) when a neuron's activation is set to its mean, mean over the scored outputs.

    The mean is over all positions of the sequences that are ablated.
    """

    version = 1
    summary = "how much the output distribution moves when a neuron's activation is set to its mean"
    source = "Wang et al. 2022, arXiv 2211.00593, section 2.1"
    substitute = "mean"
