"""Conductance of the MLP neurons."""

from __future__ import annotations

from auditor.measures.attribution.by_path import ByPath
from auditor.measures.attribution.method import NeuronAttribution
from auditor.measures.attribution.path_integrals import PathIntegrals, Way


class NeuronConductance(NeuronAttribution, ByPath):
    """Σ over positions of ∫ ∂score/∂a · da/dt, as the token vectors go from a blank input to the real one.

    What flows through the neuron: completeness shares the rise of the score among the neurons of a layer that has
    no bypass. da/dt is exact, where Captum takes differences between its points.
    """

    version = 2
    summary = "integrated gradients of the score that flow through the neuron, from an input without brackets"
    higher_means = "more of the rise of the score passes through the neuron"
    source = "Dhamdhere et al. 2018, arXiv 1805.12233, equation 2; Captum LayerConductance in the limit of many points"
    way = Way.NEURONS

    def own(self, found: PathIntegrals) -> PathIntegrals:
        """The first half: flows."""
        return found.columns(slice(0, found.values.shape[1] // 2))
