"""What an audit that finished with failures has not computed."""

from __future__ import annotations

from dataclasses import dataclass

from auditor.records.record import Record
from auditor.records.states import Stage
from auditor.records.values import variant_of


@dataclass(frozen=True, slots=True)
class Missing(Record):
    """A cell without a result: it failed, or it could not begin because the cell that it needs did."""

    cell: str  # its key
    stage: Stage
    variant: str  # key of what it builds or measures
    methods: tuple[str, ...]  # of a cell that measures: those that gave no result
    why: str

    @property
    def equivalence(self) -> str:
        """The equivalence of its variant, or "original"."""
        return variant_of(self.variant).split("/", maxsplit=1)[0]
