"""A description to fill in: what was recognised is filled in, what is missing is a comment with its choices."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from auditor.checkpoints.description.completeness import Asked, asked, with_fact
from auditor.checkpoints.description.schema import SCHEMA, SECTIONS, Fact
from auditor.checkpoints.intake.detection import AUTO, choose, prepared
from auditor.checkpoints.intake.gathering import Gathered
from auditor.contracts import ArchitectureAdapter, Weights
from auditor.errors import ConfigurationError
from auditor.records import Json

_ALWAYS = ("vocabulary", "task")
_KINDS: Mapping[str, str] = {
    "whole": "a whole number",
    "positive": "a positive number",
    "truth": "true or false",
    "text": "a text",
    "texts": "a list of texts",
    "pairs": "a list of pairs",
    "token": "a spelling or an id",
    "unused": "a list of texts, or a number",
    "position": 'a whole number or "mean" or "last"',
}
_EXAMPLES: Mapping[str, str] = {
    "whole": "0", "positive": "1.0", "truth": "true", "text": '""', "texts": "[]", "pairs": "[]", "token": '""',
    "unused": "0", "position": "0",
}  # fmt: skip
_MAX_FACTS_SHOWN = 40


@dataclass(frozen=True)
class _Draft:
    """What is known of a description, and what is not."""

    weights: Weights
    recognised: Mapping[str, Json]
    asked: Asked


def template(found: Gathered, format: str = AUTO) -> str:  # noqa: A002 - as in --format
    """TOML for --config.

    Raises:
        FormatError: no format, or several, read the tensors.
        ConfigurationError: a checkpoint that needs no such description.
    """
    adapter = choose(found.weights, format)
    if not adapter.reads:
        raise ConfigurationError(
            f"{adapter.name} checkpoints are not described by a file of this kind",
            expected="the description that was saved with them",
            action="give it with --config, or put it beside the checkpoint under the same name",
        )
    weights, notes = prepared(adapter, found.weights)
    draft = _draft(adapter, weights)
    lines = [f"# {found.name}: read as {adapter.name}"]
    lines += [f"# {_plain(note)}" for note in (*found.notes, *notes, *adapter.notes(draft.weights))]
    if draft.asked.names:
        lines.append(f"# Missing: {', '.join(draft.asked.names)}")
    if draft.asked.then is not None:
        lines.append(f"# With them: {_plain(str(draft.asked.then))}")
    lines += ["#", *listing(found), "", f'schema = "{SCHEMA}"']
    for section, names in _sections(adapter, draft):
        lines += ["", f"[{section}]", *(_line(section, name, draft, adapter) for name in names)]
    return "\n".join(lines)


def listing(found: Gathered) -> list[str]:
    """Every tensor with its shape and type, and the plain values beside the weights, as comments."""
    tensors = found.weights.tensors
    width = max((len(name) for name in tensors), default=0)
    lines = [f"# {len(tensors)} tensors:"]
    lines += [
        f"#   {_plain(name):{min(width, 60)}}  {list(tensor.shape)}  {str(tensor.dtype).removeprefix('torch.')}"
        for name, tensor in sorted(tensors.items(), key=lambda item: _natural(item[0]))
    ]
    for group, facts in found.facts.items():
        lines.append(f"# Beside them, in {_plain(group)}:")
        lines += [
            f"#   {_plain(name)} = {_plain(_toml(value))}" for name, value in list(facts.items())[:_MAX_FACTS_SHOWN]
        ]
    return lines


def _natural(name: str) -> list[tuple[int, str]]:
    """A key that sorts layer 10 behind layer 2."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in name.split(".")]


def _draft(adapter: ArchitectureAdapter, weights: Weights) -> _Draft:
    stated = dict(weights.configuration or {})
    recognised = {}
    for name, value in adapter.recognised_facts(weights).items():
        section, _, key = name.rpartition(".")
        if key in adapter.facts_read(weights).get(section, ()) and not _has(stated, name):
            recognised[name] = value
            stated = with_fact(stated, name, value)
    completed, _ = prepared(adapter, replace(weights, configuration=stated))
    return _Draft(completed, recognised, asked(adapter, completed))


def _sections(adapter: ArchitectureAdapter, draft: _Draft) -> Iterator[tuple[str, list[str]]]:
    """Each section that the format reads, with its facts in the order of the schema."""
    read = adapter.facts_read(draft.weights)
    for section, facts in SECTIONS.items():
        known = tuple(facts) if section in _ALWAYS else read.get(section, ())
        if known:
            yield section, [name for name in facts if name in known and _is_shown(f"{section}.{name}", draft)]


def _is_shown(dotted: str, draft: _Draft) -> bool:
    """Whether a fact is stated, asked for, or may be left out; what is neither belongs to another kind of model."""
    section, _, name = dotted.partition(".")
    is_stated = _has(draft.weights.configuration or {}, dotted)
    return is_stated or dotted in draft.asked.names or bool(SECTIONS[section][name].absent)


def _line(section: str, name: str, draft: _Draft, adapter: ArchitectureAdapter) -> str:
    dotted, fact = f"{section}.{name}", SECTIONS[section][name]
    stated = draft.weights.configuration or {}
    meaning = fact.meaning
    if dotted in draft.asked.names:
        if dotted == "vocabulary.tokens" and (rows := _rows(adapter, draft)) is not None:
            meaning = f"{meaning}; the table has {rows} rows"
        return f"# {name} = {_example(fact)}  # NEEDED, {_choices(fact)}: {meaning}"
    if _has(stated, dotted):
        found = stated[section]
        group = found if isinstance(found, Mapping) else {}
        origin = "recognised: " if dotted in draft.recognised else ""
        return f"{name} = {_toml(group[name])}  # {origin}{meaning}"
    return f"# {name} = {_example(fact)}  # {_choices(fact)}: {meaning}; without it: {fact.absent}"


def _rows(adapter: ArchitectureAdapter, draft: _Draft) -> int | None:
    known = adapter.vocabulary_rows(draft.weights)
    if known is not None:
        return known
    names = (draft.weights.configuration or {}).get("names")
    table = draft.weights.tensors.get(str(names.get("embedding"))) if isinstance(names, Mapping) else None
    return None if table is None or not table.dim() else len(table)


def _has(facts: Mapping[str, Json], dotted: str) -> bool:
    section, _, name = dotted.rpartition(".")
    group = facts.get(section)
    return isinstance(group, Mapping) and name in group


def _choices(fact: Fact) -> str:
    return " or ".join(f'"{choice}"' for choice in fact.choices) or _KINDS.get(fact.kind, fact.kind)


def _example(fact: Fact) -> str:
    if re.fullmatch(r"true|false|[\d.e-]+", fact.absent):
        return fact.absent
    return f'"{fact.choices[0]}"' if fact.choices else _EXAMPLES.get(fact.kind, '""')


def _toml(value: Json) -> str:
    """A value in TOML; the escapes of JSON are its escapes too, but for pairs of surrogates."""
    if isinstance(value, list):
        return f"[{', '.join(_toml(inner) for inner in value)}]"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{json.dumps(str(k))} = {_toml(v)}' for k, v in value.items())}}}"
    if isinstance(value, str):
        text = json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
        return "".join(one if one.isascii() else f"\\U{ord(one):08x}" for one in text)
    return json.dumps(value)


def _plain(text: str) -> str:
    """One line of ASCII."""
    return ascii(text)[1:-1]
