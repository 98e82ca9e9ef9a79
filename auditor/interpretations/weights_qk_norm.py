"""The size of a head's QK circuit."""

from __future__ import annotations

from auditor.measures.circuits import frobenius_norms
from auditor.measures.weights import ELHAGE, QkCircuitNorm


class QkNorm(QkCircuitNorm):
    """‖W_Q W_Kᵀ‖_F per head."""

    version = 1
    summary = "Frobenius norm of the head's query–key circuit W_Q W_Kᵀ"
    unit = "weight norm"
    higher_means = "the head can choose more sharply"
    source = ELHAGE + "QK circuits"
    norm = staticmethod(frobenius_norms)
