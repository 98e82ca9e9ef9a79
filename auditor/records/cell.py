"""The unit of delivery of an audit."""

from __future__ import annotations

from dataclasses import dataclass

from auditor.records.states import Stage
from auditor.records.values import ORIGINAL


@dataclass(frozen=True, slots=True)
class Cell:
    """One idempotent piece of an audit, the unit of delivery. Keyed by (audit, key)."""

    key: str  # "behaviour", "build/<variant>", "measure/<variant>", "conclude"
    stage: Stage
    needs: str | None = None  # key of the cell that must be done first; ALL_OTHERS for the conclusion
    variant: str = ORIGINAL  # key of the variant that is built or measured
    methods: tuple[str, ...] = ()  # what it is measured with
