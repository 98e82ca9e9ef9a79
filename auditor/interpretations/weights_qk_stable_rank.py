"""How many directions a head's QK circuit uses."""

from __future__ import annotations

from auditor.measures.circuits import stable_ranks
from auditor.measures.weights import QkCircuitNorm


class QkStableRank(QkCircuitNorm):
    """‖M‖²_F / σ₁² of M = W_Q W_Kᵀ per head, from 1 to the query width."""

    version = 1
    summary = "stable rank of the head's query–key circuit W_Q W_Kᵀ"
    unit = "directions"
    higher_means = "the head matches more features at once"
    source = "Rudelson & Vershynin 2007, arXiv math/0503442, section 1 (stable rank)"
    norm = staticmethod(stable_ranks)
