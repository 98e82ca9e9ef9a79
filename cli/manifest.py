"""A batch as entries: from a TOML or CSV manifest, or from a folder of checkpoints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from auditor.errors import PlanError
from auditor.files.csv_table import Row, read_table
from auditor.files.text_file import read_text, read_toml
from cli.checkpoints import PREFIX, bundled_name
from cli.folder import CHECKPOINTS, look_through

FIELDS = ("checkpoint", "config", "name", "plan", "seed", "format", "entry", "strings", "strings_format")
_MANIFEST = "a .toml, .csv or .tsv file, or a folder"


@dataclass(frozen=True, slots=True)
class Entry:
    """One audit to be made. ``problem`` is the reason why it cannot be submitted."""

    where: str
    checkpoint: str
    config: Path | None = None
    name: str | None = None
    plan: str | None = None
    seed: int | None = None
    format: str = "auto"
    entry: str | None = None
    strings: Path | None = None
    strings_format: str = "auto"
    problem: str = ""


def read_manifest(path: Path) -> list[Entry]:
    """The entries in their order; paths in a manifest are relative to it.

    Raises:
        PlanError: no such manifest or folder, not TOML or CSV, or nothing in it.
    """
    if path.is_dir():
        return _from_folder(path)
    kind = path.suffix.lower()
    if not path.exists():
        raise PlanError(f"no manifest {path}", expected=_MANIFEST, action="check the path")
    if kind == ".toml":
        entries = [_entry(f"audit {n}", fields, path.parent) for n, fields in enumerate(_toml(path), start=1)]
    elif kind in (".csv", ".tsv"):
        rows = _rows(path)
        entries = [_entry(f"line {row.line}", row.cells, path.parent, problem=row.problem) for row in rows]
    else:
        raise PlanError(f"{path.name}: not a manifest", expected=_MANIFEST)
    if not entries:
        raise PlanError(f"{path}: no audits", expected="[[audit]] tables, or lines under the header of a CSV file")
    return entries


def _from_folder(folder: Path) -> list[Entry]:
    found, skipped = look_through(folder)
    if not found:
        first = f", the first {skipped[0].name}: {skipped[0].reason}" if skipped else ""
        raise PlanError(
            f"{folder}: no audits, as none of its {len(skipped)} entries is a checkpoint{first}",
            expected=f"{', '.join(f'*{ending}' for ending in CHECKPOINTS)}, or folders of save_pretrained",
            action="check the path",
        )
    return [Entry(where=path.name, checkpoint=str(path)) for path in found]


def _toml(path: Path) -> list[Any]:
    expected = "a TOML file with [[audit]] tables"
    data = read_toml(read_text(path, PlanError, expected=expected), path.name, PlanError, expected=expected)
    tables = data.pop("audit", [])
    if data:
        raise PlanError(f"{path.name}: unknown field {min(data)!r}", expected="only [[audit]] tables")
    if not isinstance(tables, list):
        raise PlanError(f"{path.name}: audit is one value", expected="[[audit]] tables, with two brackets")
    return tables


def _rows(path: Path) -> list[Row]:
    expected = f"a CSV file whose header has checkpoint and some of {', '.join(FIELDS[1:])}"
    text = read_text(path, PlanError, expected=expected)
    return read_table(text, path.name, PlanError, column="checkpoint", expected=expected)


def _entry(where: str, fields: Any, base: Path, *, problem: str = "") -> Entry:
    """One entry; a wrong field becomes its ``problem`` and does not affect the others."""
    if not isinstance(fields, Mapping):
        return Entry(where, "", problem=f"{fields!r}; expected a table of {', '.join(FIELDS)}")
    problem = problem or "; ".join(_problems(fields))
    checkpoint = str(fields.get("checkpoint", ""))
    if problem:
        return Entry(where, checkpoint, problem=problem)
    config, plan, seed = fields.get("config"), fields.get("plan"), fields.get("seed")
    return Entry(
        where=where,
        checkpoint=_located(checkpoint, base),
        config=None if config is None else base / config,
        name=fields.get("name"),
        plan=str(base / plan) if plan is not None and plan.lower().endswith(".toml") else plan,
        seed=None if seed is None else int(seed),
        format=fields.get("format", "auto"),
        entry=fields.get("entry"),
        strings=base / fields["strings"] if "strings" in fields else None,
        strings_format=fields.get("strings_format", "auto"),
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
