"""Description files: JSON, TOML, or YAML without its dangerous and ambiguous parts.

YAML aliases are refused, because nine lines of them can expand to a billion values. Doubled keys are refused too:
other readers silently take one of the two. YAML 1.1 reads ``3e-3`` as text; the readers of numbers convert it.
"""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from auditor.checkpoints.intake.file_checks import read_plain_file
from auditor.errors import ConfigurationError
from auditor.files.text_file import decoded
from auditor.records import Json

MAX_JSON_BYTES = 1_000_000
MAX_YAML_BYTES = 100_000
"""The YAML reader takes seconds per megabyte; real descriptions are a kilobyte."""

MAX_NESTING = 20
SUFFIXES = (".json", ".toml", ".yaml", ".yml")
_KINDS: dict[type, str] = {type(None): "nothing in it", list: "a list", str: "one text", bool: "one truth value"}


def read_configuration(path: Path) -> dict[str, Json]:
    """The facts of a description file.

    Raises:
        ConfigurationError: no such file, another file type, or text that is not a plain map of names to values.
        UnsafeFileError: a link, directory or device, or a file over the size limit.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise ConfigurationError(f"description {path.name!a}", expected="a file in " + ", ".join(SUFFIXES))
    kind = path.suffix.lower()
    limit = MAX_JSON_BYTES if kind == ".json" else MAX_YAML_BYTES
    data = read_plain_file(path, limit=limit, missing=ConfigurationError, holds="a description")
    try:
        found = _parsed(decoded(data), kind)
        _check_plain(found, 0)
    except ConfigurationError as wrong:
        raise ConfigurationError(f"{path.name}: {wrong.found}", expected=wrong.expected, action=wrong.action) from None
    except yaml.MarkedYAMLError as wrong:
        line = "" if wrong.problem_mark is None else f" (line {wrong.problem_mark.line + 1})"
        raise ConfigurationError(f"{path.name}: {wrong.problem}{line}", expected="plain YAML") from None
    except (ValueError, yaml.YAMLError, RecursionError) as wrong:
        reason = ascii(str(wrong).splitlines()[0] if str(wrong) else type(wrong).__name__)[1:-1][:80]
        raise ConfigurationError(f"{path.name}: {reason}", expected="JSON, TOML or YAML in UTF-8") from None
    if not isinstance(found, dict):
        raise ConfigurationError(
            f"{path.name}: {_KINDS.get(type(found), 'a value')}", expected="a map of names to values"
        )
    return found


def _parsed(text: str, kind: str) -> object:
    if kind == ".json":
        return json.loads(text, object_pairs_hook=_distinct)
    if kind == ".toml":
        return tomllib.loads(text)
    return yaml.load(text, Loader=_StrictLoader)  # noqa: S506 - a SafeLoader with fewer powers


def configuration_beside(checkpoint: Path) -> Path | None:
    """The one description with the checkpoint's name and another ending, if there is one. A folder keeps its name.

    Raises:
        ConfigurationError: several of them.
    """
    stem = checkpoint.name if checkpoint.is_dir() else checkpoint.stem
    kinds = [suffix for suffix in SUFFIXES if checkpoint.is_dir() or checkpoint.suffix.lower() != suffix]
    beside = [checkpoint.with_name(stem + suffix) for suffix in kinds if checkpoint.name]
    found = [path for path in beside if path.is_file()]
    if len(found) > 1:
        raise ConfigurationError(
            f"{len(found)} descriptions beside {checkpoint.name}: {', '.join(path.name for path in found)}",
            expected="one",
            action="choose one with --config",
        )
    return found[0] if found else None


class _StrictLoader(yaml.SafeLoader):
    """SafeLoader without aliases and with distinct keys."""

    _depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """The next node, refusing aliases and deep nesting."""
        if self.check_event(yaml.AliasEvent):
            raise ConfigurationError("a YAML alias", expected="every value written out")
        self._depth += 1
        _check_depth(self._depth - 1)
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """The map, refusing doubled keys."""
        names = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        _distinct([(name, None) for name in names])
        return super().construct_mapping(node, deep=deep)


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ConfigurationError(f"{ascii(name)[:60]} twice in one group", expected="each name once")
        found[name] = value
    return found


def _check_depth(depth: int) -> None:
    if depth > MAX_NESTING:
        raise ConfigurationError("groups nested too deeply", expected=f"at most {MAX_NESTING} levels")


def _check_plain(value: object, depth: int) -> None:
    _check_depth(depth)
    if isinstance(value, dict):
        for name, inner in value.items():
            if not isinstance(name, str):
                raise ConfigurationError(f"the name {ascii(name)[:60]} is not text", expected="text")
            _check_plain(inner, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            _check_plain(inner, depth + 1)
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise ConfigurationError("a number that is not finite", expected="finite numbers")
    elif value is not None and not isinstance(value, str | int):
        raise ConfigurationError(f"a value of type {type(value).__name__}", expected="text, numbers, true or false")
