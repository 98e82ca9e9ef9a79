"""A batch as entries: from a TOML or CSV manifest, or from a folder of checkpoints."""

from __future__ import annotations

import csv
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from auditor.errors import PlanError
from cli.checkpoints import PREFIX, bundled_name

FIELDS = ("checkpoint", "config", "name", "plan", "seed", "format", "entry")
CHECKPOINTS = (".safetensors", ".params", ".pt", ".bin", ".ckpt")
"""Endings of the files that a folder is searched for."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One audit to be made. ``problem`` says why it cannot even be tried."""

    where: str
    checkpoint: str
    config: Path | None = None
    name: str | None = None
    plan: str | None = None
    seed: int | None = None
    format: str = "auto"
    entry: str | None = None
    problem: str = ""


def read_manifest(path: Path) -> list[Entry]:
    """The entries in their order; paths in a manifest are relative to it.

    Raises:
        PlanError: no such manifest or folder, not TOML or CSV, or nothing in it.
    """
    if path.is_dir():
        entries = _from_folder(path)
    elif not path.is_file():
        raise PlanError(f"no manifest {path}", expected="a TOML or CSV file, or a folder", action="check the path")
    elif path.suffix == ".toml":
        entries = [_entry(f"audit {n}", fields, path.parent) for n, fields in enumerate(_toml(path), start=1)]
    elif path.suffix == ".csv":
        entries = [_entry(f"line {n}", fields, path.parent) for n, fields in _csv(path)]
    else:
        raise PlanError(f"{path.name}: not a manifest", expected="a .toml or .csv file, or a folder")
    if not entries:
        kinds = ", ".join(f"*{ending}" for ending in CHECKPOINTS)
        raise PlanError(f"{path}: no audits", expected=f"[[audit]] tables, CSV lines, or a folder with {kinds}")
    return entries


def _from_folder(folder: Path) -> list[Entry]:
    files = sorted(file for file in folder.iterdir() if file.suffix in CHECKPOINTS and file.is_file())
    return [Entry(where=file.name, checkpoint=str(file)) for file in files]


def _toml(path: Path) -> list[Any]:
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as wrong:
        raise PlanError(f"{path.name}: {wrong}", expected="a TOML file with [[audit]] tables") from None
    tables = data.pop("audit", [])
    if data:
        raise PlanError(f"{path.name}: unknown field {min(data)!r}", expected="only [[audit]] tables")
    if not isinstance(tables, list):
        raise PlanError(f"{path.name}: audit is one value", expected="[[audit]] tables, with two brackets")
    return tables


def _csv(path: Path) -> list[tuple[int, dict[str, str]]]:
    """Line number and filled fields of each line; an empty cell is a field that is not given."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True, restkey="")
            rows = [(reader.line_num, row) for row in reader]
            header = reader.fieldnames or ()
    except (csv.Error, UnicodeDecodeError) as wrong:
        raise PlanError(f"{path.name}: {wrong}", expected="a CSV file with a header") from None
    if "checkpoint" not in header:
        raise PlanError(f"{path.name}: no column checkpoint", expected=f"a header with some of {', '.join(FIELDS)}")
    filled = [(n, {name: value for name, value in row.items() if value not in ("", None)}) for n, row in rows]
    return [(n, row) for n, row in filled if row]


def _entry(where: str, fields: Any, base: Path) -> Entry:
    """One entry; a wrong field makes it one that says so, and leaves the others alone."""
    if not isinstance(fields, Mapping):
        return Entry(where, "", problem=f"{fields!r}; expected a table of {', '.join(FIELDS)}")
    problem = "; ".join(_problems(fields))
    checkpoint = str(fields.get("checkpoint", ""))
    if problem:
        return Entry(where, checkpoint, problem=problem)
    config, plan, seed = fields.get("config"), fields.get("plan"), fields.get("seed")
    return Entry(
        where=where,
        checkpoint=_located(checkpoint, base),
        config=None if config is None else base / config,
        name=fields.get("name"),
        plan=str(base / plan) if plan is not None and plan.endswith(".toml") else plan,
        seed=None if seed is None else int(seed),
        format=fields.get("format", "auto"),
        entry=fields.get("entry"),
    )


def _problems(fields: Mapping[str, Any]) -> Iterable[str]:
    for name, value in fields.items():
        if name not in FIELDS:
            yield f"unknown field {name!r}; expected {', '.join(FIELDS)}"
        elif name == "seed" and not _is_seed(value):
            yield f"seed = {value!r}; expected a whole number from 0"
        elif name != "seed" and (not isinstance(value, str) or not value):
            yield f"{name} = {value!r}; expected a text"
    if "checkpoint" not in fields:
        yield "no checkpoint; expected a file or the name of a bundled model"


def _is_seed(value: Any) -> bool:
    if isinstance(value, str):
        return value.isdecimal() and int(value) < 2**31
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31


def _located(checkpoint: str, base: Path) -> str:
    if checkpoint.startswith(PREFIX) or (base / checkpoint).exists() or bundled_name(checkpoint) is None:
        return checkpoint if checkpoint.startswith(PREFIX) else str(base / checkpoint)
    return PREFIX + checkpoint
