"""The stability matrix folded: only what was tested, methods that nothing moves on one line, theory in one sentence."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

from auditor.records import Verdict
from auditor.report.matrix import Agreement, Column, Field, FieldState, Matrix, Row

MARKS = "abcdefghijklmnopqrstuvwxyz0123456789"
"""Short names of columns, in order; they repeat where there are more."""


UNTESTED = {
    FieldState.NOT_APPLICABLE: "·",
    FieldState.NOT_CERTIFIED: "x",
    FieldState.NO_CLAIM: "·",
    FieldState.MISSING: "?",
}
"""Signs of fields without verdicts."""


@dataclass(frozen=True, slots=True)
class Folded:
    """What is left of a matrix for a reader."""

    columns: tuple[Column, ...]  # equivalences under which anything was tested
    rows: tuple[Row, ...]  # methods that something moves or leaves undecided
    calm: tuple[str, ...]  # methods that are stable under everything tested
    failed: tuple[str, ...]  # equivalences with a variant that is not certified
    theory: str  # what was predicted and confirmed
    has_holes: bool  # a cell failed whose result a field needs

    @property
    def legend(self) -> str:
        """What the letters mean."""
        holes = ", ? missing" if self.has_holes else ""
        return f"U unstable, I inconclusive, S stable, ! against theory, x not certified, · not tested{holes}."

    @property
    def marks(self) -> tuple[str, ...]:
        """One letter or digit for each column."""
        return tuple(MARKS[place % len(MARKS)] for place in range(len(self.columns)))


def folded(matrix: Matrix) -> Folded:
    """Fold a matrix."""
    rows = [row for row in matrix.rows if any(field.total for field in row.fields)]
    places = [place for place, _ in enumerate(matrix.columns) if any(row.fields[place].total for row in rows)]
    tested = [replace(row, fields=tuple(row.fields[place] for place in places)) for row in rows]
    calm = [row.method for row in tested if all(field.verdict in (None, Verdict.STABLE) for field in row.fields)]
    failed = [
        column.equivalence
        for place, column in enumerate(matrix.columns)
        if any(row.fields[place].state is FieldState.NOT_CERTIFIED for row in matrix.rows)
    ]
    return Folded(
        columns=tuple(matrix.columns[place] for place in places),
        rows=tuple(row for row in tested if row.method not in calm),
        calm=tuple(calm),
        failed=tuple(failed),
        theory=_theory([field for row in tested for field in row.fields]),
        has_holes=any(field.state is FieldState.MISSING for row in tested for field in row.fields),
    )


def _theory(fields: list[Field]) -> str:
    """What theory predicted and was confirmed, in one line."""
    counts = Counter(field.agreement for field in fields if field.total)
    confirmed, contradicted, unseen = (
        counts[one] for one in (Agreement.AGREES, Agreement.CONTRADICTS, Agreement.NOT_SEEN)
    )
    return (
        f"Theory predicted {confirmed + unseen + contradicted} of these fields: {confirmed} confirmed, "
        f"{contradicted} contradicted, {unseen} where a change was allowed and not seen"
    )
