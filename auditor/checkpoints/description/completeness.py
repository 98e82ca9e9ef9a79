"""All facts that a description lacks, found in one go: each missing one is replaced by a stand-in until none is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from auditor.canonical.model import CanonicalTransformer
from auditor.checkpoints.description.reading import MissingFactError, missing_facts
from auditor.checkpoints.description.schema import SECTIONS
from auditor.contracts import ArchitectureAdapter, Weights
from auditor.errors import AuditorError, ConfigurationError
from auditor.records import Json
from auditor.records.values import texts

MAX_FACTS = 100
_VOCABULARY = "vocabulary."
_IGNORE = "names.ignore"
_STAND_INS: Mapping[str, Json] = {
    "task.max_length": 2,
    "model.max_positions": 64,
    "model.attention": "bidirectional",
    "model.positions": "sinusoidal",
}
"""Where the first value of the kind would contradict the others, or keep further facts from being asked for."""

_SPELLED = ("vocabulary.tokens", "vocabulary.pairs")


@dataclass(frozen=True)
class Asked:
    """Facts that are missing, and why the search ended before a model was made, if it did."""

    names: tuple[str, ...]
    then: AuditorError | None = None


def convert(adapter: ArchitectureAdapter, weights: Weights) -> CanonicalTransformer:
    """The canonical model, or a refusal that names all missing facts of --config at once.

    Raises:
        ConfigurationError: facts are missing, or one contradicts the weights.
        FormatError: a tensor that is unknown or missing, by name.
        CheckpointError: weights that are not finite.
    """
    try:
        return adapter.convert(weights)
    except MissingFactError as missing:
        if not missing.belongs_to_config:
            raise
        names = asked(adapter, weights).names or (missing.name,)
    raise missing_facts(names, has_template=bool(adapter.reads))


def asked(adapter: ArchitectureAdapter, weights: Weights) -> Asked:
    """The facts of --config that a format asks for and that the description does not state."""
    recognised = adapter.recognised_facts(weights)
    facts: Mapping[str, Json] = _with_optional(
        dict(weights.configuration or {}), recognised, adapter.facts_read(weights)
    )
    ignored = texts(recognised, _IGNORE)
    weights = replace(weights, tensors={name: t for name, t in weights.tensors.items() if name not in ignored})
    names: list[str] = []
    while len(names) < MAX_FACTS:
        try:
            adapter.convert(replace(weights, configuration=facts))
        except MissingFactError as missing:
            if not missing.belongs_to_config or missing.name in names:
                return Asked(tuple(names), missing)
            names += [name for name in _together(missing.name, facts) if name not in names]
            facts = _filled(facts, missing, recognised, adapter.vocabulary_rows(weights) or _rows(weights, recognised))
        except AuditorError as wrong:
            return Asked(tuple(names), wrong)
        else:
            return Asked(tuple(names))
    return Asked(tuple(names))


def _with_optional(
    facts: dict[str, Json], recognised: Mapping[str, Json], read: Mapping[str, tuple[str, ...]]
) -> dict[str, Json]:
    """Facts with those recognised that no format asks for: without them the search would end early."""
    for name, value in recognised.items():
        section, _, key = name.rpartition(".")
        group = facts.get(section, {})
        is_read = key in read.get(section, ()) and SECTIONS[section][key].absent
        if is_read and isinstance(group, Mapping) and key not in group:
            facts = with_fact(facts, name, value)
    return facts


def _together(name: str, facts: Mapping[str, Json]) -> Iterator[str]:
    """A fact, and those that belong with it: a vocabulary without tokens has no pairs either."""
    yield name
    stated = facts.get("vocabulary", {})
    if name in _SPELLED and isinstance(stated, Mapping):
        yield from (other for other in _SPELLED if other != name and other.removeprefix(_VOCABULARY) not in stated)


def _filled(
    facts: Mapping[str, Json], missing: MissingFactError, recognised: Mapping[str, Json], rows: int
) -> Mapping[str, Json]:
    if missing.name.startswith(_VOCABULARY):
        return {**facts, "vocabulary": stand_in_vocabulary(rows)}
    value = recognised.get(missing.name, _STAND_INS.get(missing.name, missing.stand_in))
    return with_fact(facts, missing.name, value)


def with_fact(facts: Mapping[str, Json], name: str, value: Json) -> dict[str, Json]:
    """Facts with one more, by dotted name.

    Raises:
        ConfigurationError: its section is no group.
    """
    section, _, key = name.rpartition(".")
    group = facts.get(section, {}) if section else facts
    if not isinstance(group, Mapping):
        raise ConfigurationError(f"{section} is not a group of facts", expected="names and values")
    return {**facts, section: {**group, key: value}} if section else {**facts, key: value}


def stand_in_vocabulary(rows: int) -> dict[str, Json]:
    """A vocabulary of so many tokens, of which two are brackets, and a third is PAD."""
    listed = [f"token{index}" for index in range(2 if rows < 3 else 3)]
    pad = {"pad": listed[2]} if len(listed) > 2 else {}
    return {"tokens": listed, "pairs": [listed[:2]], "unused": max(rows - len(listed), 0), **pad}


def _rows(weights: Weights, recognised: Mapping[str, Json]) -> int:
    """Rows of the token table that a description, or else a guess, names."""
    names = (weights.configuration or {}).get("names")
    stated = names.get("embedding") if isinstance(names, Mapping) else None
    table = weights.tensors.get(str(stated or recognised.get("names.embedding")))
    return 2 if table is None or not table.dim() else max(len(table), 2)
