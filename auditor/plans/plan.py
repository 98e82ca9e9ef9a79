"""quick / standard / full / a user's TOML: what an audit computes and how much of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from auditor.contracts import equivalences
from auditor.errors import PlanError
from auditor.files.documents import Table, shown
from auditor.files.text_file import read_text, read_toml
from auditor.readings import why_unknown
from auditor.records import LEFT_OUT_IF_NONE, Json, Multiplicity, Record, StringsFile
from auditor.verdicts.claims import KINDS_ASKED


@dataclass(frozen=True, slots=True)
class Plan(Record):
    """What an audit computes. Sizes count sequences."""

    name: str
    sequences: int  # seen by the methods
    certificate_sequences: int
    behaviour_sequences: int
    longer_sequences: int
    exact_variants: int  # per equivalence, besides its worst cases
    behavioural_variants: int
    twin_steps: int  # optimiser steps of one attempt at a behavioural twin
    twin_restarts: int = 1  # times as many steps for all attempts; the first that passes is taken
    breadth: str = "quick"  # plug-ins whose smallest plan this is, or a smaller one, run unless others are named
    bootstrap_draws: int = 9_999
    alpha: float = 0.05
    multiplicity: str = "bh"  # how the false discovery rate over all claims is held: bh or by
    methods: tuple[str, ...] = ()  # empty: all
    equivalences: tuple[str, ...] = ()  # empty: all
    claims: tuple[str, ...] = ()  # kinds that are made automatically; empty: all but values
    look: int = 0  # which of several looks at growing numbers of sequences, from 1; 0: the only one
    continues: str | None = field(default=None, metadata=LEFT_OUT_IF_NONE)  # the audit of the look before
    strings: StringsFile | None = field(default=None, metadata=LEFT_OUT_IF_NONE)  # None: drawn from the task


_QUICK = Plan(
    name="quick",
    sequences=128,
    certificate_sequences=2_000,
    behaviour_sequences=1_000,
    longer_sequences=64,
    exact_variants=1,
    behavioural_variants=1,
    twin_steps=2_000,
    twin_restarts=2,
)
PLANS: Mapping[str, Plan] = {
    "quick": _QUICK,
    "standard": replace(
        _QUICK,
        name="standard",
        breadth="standard",
        sequences=500,
        certificate_sequences=4_000,
        longer_sequences=128,
        exact_variants=3,
        behavioural_variants=2,
        twin_restarts=3,
    ),
    "full": replace(
        _QUICK,
        name="full",
        breadth="full",
        sequences=500,
        certificate_sequences=10_000,
        behaviour_sequences=4_000,
        longer_sequences=256,
        exact_variants=3,
        behavioural_variants=2,
        twin_restarts=3,
    ),
}


MAX_VARIANTS = 1_000
MAX_SIZE = 10_000_000
"""Above the size of any audit that ends; a mistyped number must not make millions of cells."""


def read_plan(name_or_file: str) -> Plan:
    """A plan by name, or from a TOML file whose ``base`` names the plan it starts from.

    Raises:
        PlanError: no such plan or file, an unknown field, a value of the wrong type.
    """
    if name_or_file in PLANS:
        return PLANS[name_or_file]
    path = Path(name_or_file)
    if path.suffix.lower() != ".toml" or not path.is_file():
        raise PlanError(
            f"unknown plan {name_or_file!r}",
            expected=", ".join(PLANS) + " or a TOML file",
            action="see `dyck-audit submit --help`",
        )
    text = read_text(path, PlanError, expected="a TOML file")
    data = read_toml(text, path.name, PlanError, expected="a TOML file", action="see `dyck-audit submit --help`")
    return plan_from_table(data, name=path.stem, where=path.name)


def plan_from_table(data: Mapping[str, Json], *, name: str, where: str) -> Plan:
    """A plan from the entries of a plan file. ``where`` is for messages.

    Raises:
        PlanError: an unknown field, a value of the wrong type.
    """
    for field_name in ("look", "continues"):
        if field_name in data:
            raise PlanError(f"{where}: {field_name} is no setting", action="type `dyck-audit submit --decide`")
    base = data.get("base", "quick")
    if not isinstance(base, str) or base not in PLANS:
        raise PlanError(f"{where}: base = {shown(base)}", expected=" or ".join(PLANS))
    given = {field_name: value for field_name, value in data.items() if field_name != "base"}
    return _with_fields(replace(PLANS[base], name=name), given, where)


def foreign_plan(data: Mapping[str, Json], where: str) -> Plan:
    """A plan from an untrusted file: every field is checked by name, type and bounds. ``where`` is for the message.

    Raises:
        PlanError: an unknown field, a value of the wrong type or out of bounds, an unknown method or equivalence.
    """
    return _with_fields(PLANS["quick"], data, where)


def _with_fields(plan: Plan, data: Mapping[str, Json], where: str) -> Plan:
    table = Table(data, PlanError, where=f"{where}: ")
    known = {one.name: getattr(plan, one.name) for one in fields(plan) if one.name != "strings"}
    table.no_others(known)
    changed: dict[str, Any] = {name: _value(table, name, known[name]) for name in data}
    plan = replace(plan, **changed)
    check_plan(plan)
    return plan


def _value(table: Table, name: str, example: object) -> object:
    """One field of the kind that it has in another plan."""
    if name == "multiplicity":
        return str(table.choice(name, Multiplicity))
    if name == "breadth":
        return table.choice(name, PLANS)
    if isinstance(example, tuple):
        return table.texts(name)
    if isinstance(example, float):
        return table.share(name)
    if isinstance(example, int):
        least, most = (0, MAX_VARIANTS) if name.endswith("_variants") or name == "look" else (1, MAX_SIZE)
        return table.whole(name, at_least=least, at_most=most)
    return table.text(name)


def check_plan(plan: Plan) -> None:
    """Raise PlanError for an unknown or doubled name, or a p-value that could never pass."""
    for names in (plan.methods, plan.equivalences, plan.claims):
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise PlanError(f"{twice!r} twice in the plan", expected="each name once")
    for name in plan.methods:
        if why_not := why_unknown(name):
            raise PlanError(why_not, action="see dyck-audit methods")
    for name in plan.equivalences:
        if name not in equivalences():
            raise PlanError(f"unknown equivalence {name!r}", action="see dyck-audit equivalences")
    for kind in plan.claims:
        if kind not in KINDS_ASKED:
            raise PlanError(f"unknown kind of claim {kind!r}", expected=", ".join(KINDS_ASKED))
    if 1 / (plan.bootstrap_draws + 1) > plan.alpha / 100:
        raise PlanError(
            f"{plan.bootstrap_draws} bootstrap draws",
            expected=f"at least {int(100 / plan.alpha)} so that the smallest p-value can pass a correction",
        )
