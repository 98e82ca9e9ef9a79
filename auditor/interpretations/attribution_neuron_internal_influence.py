"""Internal influence of the MLP neurons."""

from __future__ import annotations

from typing import ClassVar

from auditor.measures.attribution.by_path import ByPath
from auditor.measures.attribution.method import NeuronAttribution
from auditor.measures.attribution.path_integrals import PathIntegrals, Way
from auditor.measures.expectations import NEURON_SCORES
from auditor.records import Expected
from auditor.records.theory import Aspect, Dependence


class NeuronInternalInfluence(NeuronAttribution, ByPath):
    """Σ over positions of ∫ ∂score/∂a, as the token vectors go from a blank input to the real one.

    A slope, not a share: it is measured per unit of an activation whose unit ReLU leaves open.
    """

    version = 2
    summary = (
        "mean slope of the score in the neuron's activation, along token vectors from a blank input to the real one"
    )
    unit = "nats per unit of the activation"
    higher_means = "the score rises faster with the neuron's activation"
    source = "Leino et al. 2018, arXiv 1802.03788, definition 1; Captum InternalInfluence at equal points"
    depends_on: ClassVar[Dependence] = {**NEURON_SCORES, Aspect.NEURON_SCALE: Expected.CHANGES}
    way = Way.NEURONS

    def own(self, found: PathIntegrals) -> PathIntegrals:
        """The second half: slopes."""
        return found.columns(slice(found.values.shape[1] // 2, None))
