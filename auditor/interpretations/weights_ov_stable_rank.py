"""How many directions a head's OV circuit uses."""

from __future__ import annotations

from typing import ClassVar

from auditor.measures.circuits import stable_ranks
from auditor.measures.expectations import HEAD_READINGS
from auditor.measures.weights import READS_AND_WRITES, OvCircuitNorm
from auditor.records.theory import Dependence


class OvStableRank(OvCircuitNorm):
    """‖M‖²_F / σ₁² of M = W_V W_O per head, from 1 to the value width."""

    version = 1
    summary = "stable rank of the head's value–output circuit W_V W_O"
    unit = "directions"
    higher_means = "the head moves more kinds of information"
    source = "Rudelson & Vershynin 2007, arXiv math/0503442, section 1 (stable rank)"
    depends_on: ClassVar[Dependence] = {**HEAD_READINGS, **READS_AND_WRITES}  # copies differ in size, not in shape
    norm = staticmethod(stable_ranks)
