"""Frozen values that pass between the stages. Rows, sessions, hooks and models never do.

No torch here: the store, the statistics and the report read these records and nothing below them but errors and
settings.
"""

from __future__ import annotations

from auditor.records.behaviour import Behaviour, ClassifierMetrics, LanguageMetrics, Metrics
from auditor.records.calibration import CalibrationFacts, MeasuredRates, Rate, Rates
from auditor.records.cell import Cell
from auditor.records.finding import Claim, Finding
from auditor.records.headers import AuditHeader, Exclusion, ModelHeader
from auditor.records.interpretation import (
    Agreement,
    Component,
    Interpretation,
    MethodCard,
    NotApplicable,
    Relabelling,
)
from auditor.records.missing import Missing
from auditor.records.record import LEFT_OUT_IF_NONE, NOT_WRITTEN, Record, named
from auditor.records.report import AuditReport, Illustration, ScoreTable
from auditor.records.spread import FlipRate, RashomonInterval
from auditor.records.states import (
    AuditState,
    Basis,
    CellState,
    Compared,
    Expected,
    Kind,
    Multiplicity,
    Priority,
    Stage,
    VariantState,
    Verdict,
)
from auditor.records.strings import BY_WEIGHT, IN_ORDER, SPLIT, StringsFacts, StringsFile
from auditor.records.summary import ClaimCounts, MethodSummary, Summary, VerdictCounts
from auditor.records.values import ALL_OTHERS, BEFORE, ORIGINAL, RERUN, SAME_LENGTH, Json, variant_of
from auditor.records.variant import Certificate, CertificateRow, Variant, WorstString

__all__ = [
    "ALL_OTHERS",
    "BEFORE",
    "BY_WEIGHT",
    "IN_ORDER",
    "LEFT_OUT_IF_NONE",
    "NOT_WRITTEN",
    "ORIGINAL",
    "RERUN",
    "SAME_LENGTH",
    "SPLIT",
    "Agreement",
    "AuditHeader",
    "AuditReport",
    "AuditState",
    "Basis",
    "Behaviour",
    "CalibrationFacts",
    "Cell",
    "CellState",
    "Certificate",
    "CertificateRow",
    "Claim",
    "ClaimCounts",
    "ClassifierMetrics",
    "Compared",
    "Component",
    "Exclusion",
    "Expected",
    "Finding",
    "FlipRate",
    "Illustration",
    "Interpretation",
    "Json",
    "Kind",
    "LanguageMetrics",
    "MeasuredRates",
    "MethodCard",
    "MethodSummary",
    "Metrics",
    "Missing",
    "ModelHeader",
    "Multiplicity",
    "NotApplicable",
    "Priority",
    "RashomonInterval",
    "Rate",
    "Rates",
    "Record",
    "Relabelling",
    "ScoreTable",
    "Stage",
    "StringsFacts",
    "StringsFile",
    "Summary",
    "Variant",
    "VariantState",
    "Verdict",
    "VerdictCounts",
    "WorstString",
    "named",
    "variant_of",
]
