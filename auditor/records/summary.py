"""The counts of a report and its one sentence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from auditor.records.record import Record


@dataclass(frozen=True, slots=True)
class ClaimCounts(Record):
    """How many distinct claims fall into each group."""

    overturned: int
    undecided: int
    surviving: int
    total: int
    unresolved: int | None = None  # of the undecided, those that nothing leaves open but the original itself


@dataclass(frozen=True, slots=True)
class VerdictCounts(Record):
    """How many verdicts there are of each kind."""

    stable: int
    unstable: int
    inconclusive: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.stable + self.unstable + self.inconclusive


@dataclass(frozen=True, slots=True)
class MethodSummary(Record):
    """Verdicts on the claims of one method, and how its equivalences agree with theory."""

    stable: int
    unstable: int
    inconclusive: int
    expected_agreement: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Summary(Record):
    """The counts of a report: verdicts, variants, claims; its headline."""

    stable: int
    unstable: int
    inconclusive: int
    not_certified: int
    not_applicable: int
    contradicts_theory: int
    claims: ClaimCounts
    methods: Mapping[str, MethodSummary]
    headline: str
    by_basis: Mapping[str, VerdictCounts] | None = None  # by ``Basis``, each of them; None in older reports, as below
    behavioural_twins: tuple[str, ...] | None = None  # equivalences of that kind with a certified variant
