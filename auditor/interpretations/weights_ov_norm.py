"""The size of a head's OV circuit."""

from __future__ import annotations

from auditor.measures.circuits import frobenius_norms
from auditor.measures.weights import ELHAGE, OvCircuitNorm


class OvNorm(OvCircuitNorm):
    """‖W_V W_O‖_F per head; without an output map ‖W_V‖_F, as the head then writes its values unchanged."""

    version = 1
    smallest_plan = "quick"
    summary = "Frobenius norm of the head's value–output circuit W_V W_O"
    unit = "weight norm"
    higher_means = "the head can write more"
    source = ELHAGE + "OV circuits"
    norm = staticmethod(frobenius_norms)
