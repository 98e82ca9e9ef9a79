"""Frozen values that pass between the stages. Rows, sessions, hooks and models never do.

No torch here: the store, the statistics and the report read these records and nothing below them but errors and
settings.
"""

from __future__ import annotations

from auditor.records.cell import Cell
from auditor.records.finding import Claim, Finding
from auditor.records.interpretation import (
    Agreement,
    Component,
    Interpretation,
    MethodCard,
    NotApplicable,
    Relabelling,
)
from auditor.records.report import AuditReport, Illustration
from auditor.records.spread import FlipRate, RashomonInterval
from auditor.records.states import (
    AuditState,
    CellState,
    Compared,
    Expected,
    Kind,
    Multiplicity,
    Stage,
    VariantState,
    Verdict,
)
from auditor.records.values import ALL_OTHERS, ORIGINAL, RERUN, Json
from auditor.records.variant import Certificate, Variant

__all__ = [
    "ALL_OTHERS",
    "ORIGINAL",
    "RERUN",
    "Agreement",
    "AuditReport",
    "AuditState",
    "Cell",
    "CellState",
    "Certificate",
    "Claim",
    "Compared",
    "Component",
    "Expected",
    "Finding",
    "FlipRate",
    "Illustration",
    "Interpretation",
    "Json",
    "Kind",
    "MethodCard",
    "Multiplicity",
    "NotApplicable",
    "RashomonInterval",
    "Relabelling",
    "Stage",
    "Variant",
    "VariantState",
    "Verdict",
]
