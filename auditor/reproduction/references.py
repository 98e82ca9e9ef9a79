"""Numbers to compare with: measured with the authors' code, or stated by a study. None is a figure of the paper."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

from auditor.records import Record
from auditor.reproduction.results import Row


@dataclass(frozen=True, slots=True)
class Reference(Record):
    """A band, both ends in it, and where it is from."""

    band: tuple[float, float]
    source: str


@cache
def references(study: str) -> Mapping[str, Reference]:
    """The references of a study, by ``cohort/quantity``."""
    text = resources.files("auditor.reproduction").joinpath("references.json").read_text("utf-8")
    return {name: Reference.from_json(entry) for name, entry in json.loads(text)[study].items()}


def row(
    study: str,
    key: str,
    values: Sequence[float | None],
    *,
    part: str,
    quantity: str,
    unit: str,
    counted: int | None = None,
    reason: str = "",
) -> Row:
    """Mean over the models beside the reference of that key, where there is one.

    ``counted`` says of how many models the values are, where there is not one for each.
    """
    known = [value for value in values if value is not None]
    reference = references(study).get(key)
    return Row(
        part=part,
        quantity=quantity,
        unit=unit,
        ours=sum(known) / len(known) if known else None,
        range=(min(known), max(known)) if known else None,
        models=len(known) if counted is None else counted,
        band=None if reference is None else reference.band,
        source="" if reference is None else reference.source,
        reason="" if known else reason or "not defined for these models",
    )
