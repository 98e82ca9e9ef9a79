"""The plan of a sealed folder: its settings in the facts, and a user's strings as a file beside them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from auditor.errors import WitnessError
from auditor.plans.plan import Plan, foreign_plan
from auditor.records import Json, StringsFile
from auditor.records.values import group

STRINGS_FILE = "strings"


def strings_files(strings: StringsFile | None) -> dict[str, bytes]:
    """The file that holds the strings of a plan, where it has some."""
    return {} if strings is None else {STRINGS_FILE: strings.data}


def names_with_strings(directory: Path, names: tuple[str, ...]) -> tuple[str, ...]:
    """The files of a folder, with the strings where there are some."""
    return (*names, STRINGS_FILE) if (directory / STRINGS_FILE).exists() else names


def sealed_plan(facts: Mapping[str, Json], files: Mapping[str, bytes], where: str) -> Plan:
    """The plan that the facts write down, with the strings of the folder.

    Raises:
        WitnessError: it names other strings than those of the folder.
        PlanError, RecordError: it is no plan.
    """
    settings = dict(group(facts, "plan"))
    if "strings" not in settings:
        return foreign_plan(settings, where)
    named = StringsFile.from_json(group({"strings": settings.pop("strings")}, "strings"))
    data = files.get(STRINGS_FILE, b"")
    if hashlib.sha256(data).hexdigest() != named.sha256:
        raise WitnessError(
            f"{where} names strings with the SHA-256 {ascii(named.sha256)[:70]}",
            expected=f"that of the file {STRINGS_FILE} beside it",
            action="export it again",
        )
    return replace(foreign_plan(settings, where), strings=replace(named, size=len(data), data=data))
