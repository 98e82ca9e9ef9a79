"""``--strings``: a user's own sequences in place of drawn ones."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from auditor.checkpoints.intake.detection import Loaded
    from auditor.plans.plan import Plan
    from auditor.records import StringsFacts, StringsFile


def planned(plan: Plan, loaded: Loaded, path: Path | None, format_name: str = "auto") -> Plan:
    """The plan on the strings of a file, checked against the model; the plan itself without one.

    Raises:
        LanguageError: a file that cannot be read, a string that the model cannot be asked, or too few of them.
    """
    if path is None:
        return plan
    from auditor.plans.own_strings import with_strings
    from auditor.strings.reading import open_strings

    return with_strings(plan, loaded.model, open_strings(path, format_name), path.name)


def fitting(loaded: Loaded, path: Path, format_name: str = "auto") -> tuple[StringsFile, StringsFacts]:
    """The strings of a file, however few, and what is in it, checked against the model.

    Raises:
        LanguageError: a file that cannot be read, or a string that the model cannot be asked.
    """
    from auditor.strings.parts import require_fit
    from auditor.strings.reading import open_strings

    file = open_strings(path, format_name)
    return file, require_fit(loaded.model, file, path.name)
