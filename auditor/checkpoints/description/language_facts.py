"""The vocabulary, the language and the read-out that a description states.

Every token has a role or is listed as unused: a START, END or PAD that was forgotten would change the inputs of
the model without any error.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import get_args

from auditor.canonical.switches import Pooling
from auditor.checkpoints.description.reading import Description
from auditor.errors import ConfigurationError
from auditor.language.grammar import Dyck
from auditor.language.task import OBJECTIVES, Objective, Task
from auditor.language.vocabulary import Vocabulary, standard_vocabulary
from auditor.records import Json

MAX_PADDING = 100_000
_SPECIALS = ("start", "end", "pad", "mask")


@dataclass(frozen=True, slots=True)
class ReadOut:
    """Where a classifier is read, and its number of classes."""

    position: int | Pooling
    classes: int


def read_out_of(description: Description) -> ReadOut | None:
    """The read-out of a classifier; None for a language model.

    Raises:
        ConfigurationError: half a read-out, or fewer than two classes.
    """
    if not description.section("read_out"):
        return None
    return ReadOut(_position(description), description.whole("read_out.classes", at_least=2))


def _position(description: Description) -> int | Pooling:
    name = "read_out.position"
    found = description.fact(name, stand_in=0)
    for pooling in get_args(Pooling):
        if found == pooling:
            return pooling  # type: ignore[no-any-return]
    if isinstance(found, str):
        raise ConfigurationError(f"{name} = {ascii(found)[:40]}", expected="a position from 0 on, mean or last")
    return description.whole(name, at_least=0)


def task_of(description: Description) -> Task:
    """The language a model was trained on, and how.

    Raises:
        ConfigurationError: a missing or contradictory fact, by name.
    """
    is_classifier = read_out_of(description) is not None
    objective = _objective(description, is_classifier=is_classifier)
    language = Dyck(vocabulary_of(description), description.whole("task.depth"))
    reads_end = description.truth("task.reads_end") if description.has("task.reads_end") else False
    return Task(
        language=language,
        objective=objective,
        min_length=description.whole("task.min_length") if description.has("task.min_length") else 2,
        max_length=description.whole("task.max_length"),
        prefixes=description.truth("task.prefixes") if description.has("task.prefixes") else False,
        open_probability=description.positive("task.open_probability")
        if description.has("task.open_probability")
        else 0.5,
        reads_end=reads_end,
    )


def _objective(description: Description, *, is_classifier: bool) -> Objective:
    if not description.has("task.objective"):
        return "classifier" if is_classifier else "next_token"
    found = description.choice("task.objective", OBJECTIVES)
    if (found == "classifier") != is_classifier:
        raise ConfigurationError(
            f"task.objective = {found!r} {'with' if is_classifier else 'without'} read_out",
            expected="objective classifier and read_out.position with read_out.classes, or neither",
        )
    return next(name for name in OBJECTIVES if name == found)


def vocabulary_of(description: Description) -> Vocabulary:
    """Which id means what.

    Raises:
        ConfigurationError: no tokens, two meanings for one, or a token without a meaning, by name.
    """
    if description.has("vocabulary.brackets"):
        description.only("vocabulary", ("brackets",))
        return standard_vocabulary(description.whole("vocabulary.brackets"))
    listed = description.texts("vocabulary.tokens")
    unused, more = _unused(description, len(listed))
    tokens = {token: index for index, token in enumerate((*listed, *more))}
    if len(tokens) != len(listed) + len(more):
        twice = next(token for token, times in Counter((*listed, *more)).items() if times > 1)
        raise ConfigurationError(f"vocabulary.tokens spells {ascii(twice)[:40]} twice", expected="distinct spellings")
    pairs = _pairs(description)
    opening, closing = (tuple(_id(tokens, pair[side], "vocabulary.pairs") for pair in pairs) for side in (0, 1))
    specials = {name: _special(description, tokens, name) for name in _SPECIALS}
    used = {*opening, *closing, *specials.values(), *(_id(tokens, name, "vocabulary.unused") for name in unused)}
    forgotten = [token for token, index in tokens.items() if index not in used]
    if forgotten:
        raise ConfigurationError(
            f"token {ascii(forgotten[0])[:40]} without a meaning",
            expected="a place in vocabulary.pairs, start, end, pad, mask or unused",
        )
    return Vocabulary(spellings=tuple(tokens), opening=opening, closing=closing, **specials)


def _unused(description: Description, listed: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(spellings of all tokens without a meaning, those of them that a number adds behind the listed ones)."""
    if not description.has("vocabulary.unused"):
        return (), ()
    if type(description.fact("vocabulary.unused")) is not int:
        return description.texts("vocabulary.unused"), ()
    count = description.whole("vocabulary.unused", at_least=0)
    if count > MAX_PADDING:
        raise ConfigurationError(f"vocabulary.unused = {count}", expected=f"at most {MAX_PADDING:,}")
    more = tuple(f"<unused{index}>" for index in range(listed, listed + count))
    return more, more


def check_vocabulary(vocabulary: Vocabulary, rows: int, *, table: str) -> None:
    """Raise ConfigurationError unless the embedding has one row per token. ``table`` is the name of their source."""
    missing = rows - len(vocabulary)
    if not missing:
        return
    padded = f"if they only pad the table, set vocabulary.unused = {missing}; else list them in vocabulary.tokens"
    raise ConfigurationError(
        f"{len(vocabulary)} tokens in the vocabulary, {rows} rows in {table}"
        + (f": {missing} rows without a token" if missing > 0 else ""),
        expected=f"{rows} tokens",
        action=f"{padded}, each without a meaning also in vocabulary.unused" if missing > 0 else "list one per row",
    )


def _pairs(description: Description) -> tuple[tuple[str, str], ...]:
    found = description.fact("vocabulary.pairs")
    pairs = [_pair(one) for one in found] if isinstance(found, list) else []
    if not pairs:
        raise ConfigurationError(
            f"vocabulary.pairs = {ascii(found)[:40]}", expected='one pair per bracket type, such as ["()", "[]"]'
        )
    return tuple(pairs)


def _pair(one: Json) -> tuple[str, str]:
    sides = list(one) if isinstance(one, str | list) else []
    if len(sides) != 2 or not all(isinstance(side, str) for side in sides):
        raise ConfigurationError(
            f"vocabulary.pairs has {ascii(one)[:40]}", expected="an opening and a closing spelling"
        )
    return str(sides[0]), str(sides[1])


def _special(description: Description, tokens: Mapping[str, int], name: str) -> int | None:
    dotted = f"vocabulary.{name}"
    found = description.fact(dotted) if description.has(dotted) else None
    if found is None:
        return None
    if type(found) is int and 0 <= found < len(tokens):
        return found
    return _id(tokens, found, dotted)


def _id(tokens: Mapping[str, int], spelling: Json, name: str) -> int:
    if not isinstance(spelling, str) or spelling not in tokens:
        raise ConfigurationError(
            f"{name} names {ascii(spelling)[:40]}", expected=f"one of the {len(tokens)} spellings of vocabulary.tokens"
        )
    return tokens[spelling]
