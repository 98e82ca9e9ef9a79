"""Integrated gradients of each head's output, along z."""

from __future__ import annotations

from auditor.measures.attribution.by_path import ByPath
from auditor.measures.attribution.method import HeadAttribution
from auditor.measures.attribution.path_integrals import Way


class HeadIntegratedGradients(HeadAttribution, ByPath):
    """Σ over positions and d_v of (z − z₀) ∫ ∂score/∂z along the straight path, layer by layer.

    z₀ is the z of a baseline input (every bracket replaced by MASK, else PAD). The heads of a layer add up to score −
    score with the layer's z at z₀: what goes past the layer stays that of the real input.
    """

    version = 2
    smallest_plan = "quick"
    summary = "integrated gradients of the score along the head's output z, from its z on an input without brackets"
    higher_means = "the head raises the score"
    source = "Sundararajan et al. 2017, arXiv 1703.01365, equation 1; Captum LayerIntegratedGradients at equal points"
    way = Way.HEADS
