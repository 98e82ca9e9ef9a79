"""Where a report comes from, and what it could not do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from auditor.records.calibration import CalibrationFacts
from auditor.records.record import LEFT_OUT_IF_NONE, Record
from auditor.records.states import AuditState
from auditor.records.strings import StringsFacts
from auditor.records.values import Json


@dataclass(frozen=True, slots=True)
class AuditHeader(Record):
    """The audit that a report is of. Times are UTC ISO-8601."""

    id: str
    created_at: str | None
    finished_at: str | None
    plan: str  # its name
    plan_settings: Mapping[str, Json]  # every field of the plan
    seed: int
    state: AuditState
    versions: Mapping[str, Json]  # of this package, of libraries and of plug-ins
    weights_sha256: str
    sequences: int  # seen by the methods
    device: str
    calibration: CalibrationFacts | None = None  # None: no rates were measured with these versions and settings
    strings: StringsFacts | None = field(default=None, metadata=LEFT_OUT_IF_NONE)  # None: drawn from the task


@dataclass(frozen=True, slots=True)
class ModelHeader(Record):
    """The model that a report is about."""

    id: str
    name: str
    format: str
    sha256: str
    function_fingerprint: str | None
    architecture: Mapping[str, Json]
    task: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class Exclusion(Record):
    """A method or an equivalence that this model does not allow, or a method under one equivalence only."""

    what: Literal["method", "equivalence"]
    name: str
    why: str
    equivalence: str | None = field(default=None, metadata=LEFT_OUT_IF_NONE)  # where a method fails one only

    @property
    def label(self) -> str:
        """The name, and the equivalence where it is one only."""
        return self.name if self.equivalence is None else f"{self.name} under {self.equivalence}"
