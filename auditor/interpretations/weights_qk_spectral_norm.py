"""The strongest direction of a head's QK circuit."""

from __future__ import annotations

from auditor.measures.circuits import spectral_norms
from auditor.measures.weights import ELHAGE, QkCircuitNorm


class QkSpectralNorm(QkCircuitNorm):
    """σ₁ of W_Q W_Kᵀ per head: the largest score between a query's and a key's vector of length 1."""

    version = 1
    summary = "largest singular value of the head's query–key circuit W_Q W_Kᵀ"
    unit = "weight norm"
    higher_means = "the head can choose more sharply along its strongest direction"
    source = ELHAGE + "QK circuits"
    norm = staticmethod(spectral_norms)
