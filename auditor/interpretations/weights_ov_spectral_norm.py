"""The strongest direction of a head's OV circuit."""

from __future__ import annotations

from auditor.measures.circuits import spectral_norms
from auditor.measures.weights import ELHAGE, OvCircuitNorm


class OvSpectralNorm(OvCircuitNorm):
    """σ₁ of W_V W_O per head: the longest vector that it writes for a vector of length 1."""

    version = 1
    summary = "largest singular value of the head's value–output circuit W_V W_O"
    unit = "weight norm"
    higher_means = "the head can write more along its strongest direction"
    source = ELHAGE + "OV circuits"
    norm = staticmethod(spectral_norms)
