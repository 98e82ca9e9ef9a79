"""A plan whose sequences are a user's own: are there enough of them?"""

from __future__ import annotations

from dataclasses import replace

from auditor.canonical.model import CanonicalTransformer
from auditor.errors import LanguageError
from auditor.plans.plan import Plan
from auditor.records import StringsFile
from auditor.strings.parts import SHARE, require_fit


def with_strings(plan: Plan, model: CanonicalTransformer, file: StringsFile, where: str) -> Plan:
    """The plan on the strings of a file. ``where`` names the file in messages.

    Raises:
        LanguageError: a string that the model cannot be asked, by its line; or too few strings for the plan.
    """
    found, least = require_fit(model, file, where), needed(plan)
    if found.distinct < least:
        raise LanguageError(
            f"{where}: {found.distinct:,} distinct strings",
            expected=f"at least {least:,} for the plan {plan.name}, which asks for {plan.sequences:,} in the eighth "
            f"for search and in that for interpretation, and for {plan.certificate_sequences:,} in the rest",
            action="give more strings, or a plan file with fewer sequences and certificate_sequences",
        )
    return replace(plan, strings=file)


def needed(plan: Plan) -> int:
    """The fewest distinct strings from which on all parts of a plan are filled."""
    found = max(SHARE * plan.sequences, plan.certificate_sequences * SHARE // (SHARE - 2) - SHARE)
    while min(_rest(found), _rest(-(-found // SHARE) * SHARE)) < plan.certificate_sequences:
        found += 1  # at a multiple of SHARE the rest loses one
    return found


def _rest(count: int) -> int:
    return count - 2 * (count // SHARE)
