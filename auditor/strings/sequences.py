"""A user's strings as sequences of a task: checked, and equal ones put together."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from auditor.behaviour.input_batch import InputBatch, inputs_of
from auditor.errors import LanguageError
from auditor.language.encoding import encoded, encoded_names, too_long
from auditor.language.grammar import States, states, token_roles
from auditor.language.sampling import Sample
from auditor.language.task import MAX_LENGTH, Task
from auditor.language.vocabulary import Vocabulary
from auditor.records import StringsFile
from auditor.strings.reading import Line, lines_of_strings

TOGETHER = 2**20
"""Tokens that are checked at a time, padding included."""


@dataclass(frozen=True)
class Sequences:
    """Distinct sequences in the order of their first lines.

    ``tokens`` are those that the model reads and one label behind them. ``task`` covers the lengths of all strings.
    """

    task: Task
    tokens: tuple[NDArray[np.int64], ...]
    weights: NDArray[np.float64]  # [sequence] sums over equal strings
    classes: NDArray[np.int64] | None  # [sequence] as the file labels them
    numbers: NDArray[np.int64]  # [sequence] first line
    lines: int  # strings in the file

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def weighted(self) -> bool:
        """Whether some count more than others."""
        return bool((self.weights != self.weights[0]).any())

    def inputs(self, rows: NDArray[np.int64]) -> InputBatch:
        """Some of them as inputs, in the order given."""
        return inputs_of(self.task, _sample(self.task, [self.tokens[row] for row in rows]))

    def require_room(self, positions: int | None) -> None:
        """Refuse a sequence that a model with so many positions cannot read.

        Raises:
            LanguageError: the first that is too long, by its line.
        """
        for tokens, number in zip(self.tokens, self.numbers, strict=True):
            if positions is not None and len(tokens) - 1 > positions:
                raise too_long(f"line {number}", len(tokens) - 1, positions)

    def require_classes(self, count: int) -> None:
        """Refuse a class that a classifier does not have.

        Raises:
            LanguageError: the first such class, by its line.
        """
        for label, number in zip(() if self.classes is None else self.classes, self.numbers, strict=False):
            if label >= count:
                raise LanguageError(f"line {number}: label {label}", expected=f"a class from 0 to {count - 1}")


@lru_cache(maxsize=4)
def sequences_of(task: Task, file: StringsFile) -> Sequences:
    """The strings of a file under a task.

    A language model is given words of the language and beginnings of them, a classifier any string of brackets. The
    last token (END behind a word, where training has it) is predicted by language models, not read.

    Raises:
        LanguageError: a string that is not of the vocabulary or the language, by its line; labels where a model has
            no classes; one string with two labels.
    """
    lines, by_name = lines_of_strings(file), file.format == "princeton"
    if task.objective != "classifier" and lines[0].label is not None:
        raise LanguageError(
            f"line {lines[0].number}: a label", expected="none, as a language model has no classes", action="drop them"
        )
    first: dict[str, Line] = {}
    for line in lines:
        first.setdefault(line.text, line)
    once = {text: _tokens(task, line, by_name=by_name) for text, line in first.items()}
    written = [once[line.text][0] for line in lines]
    lengths = [once[line.text][1] for line in lines]
    longest = max(lengths)
    if longest > MAX_LENGTH:
        number = lines[lengths.index(longest)].number
        raise LanguageError(f"line {number}: {longest:,} brackets", expected=f"at most {MAX_LENGTH:,}")
    wider = replace(task, min_length=max(1, min(task.min_length, *lengths)), max_length=max(task.max_length, longest))
    together = max(1, TOGETHER // (longest + 3))
    checked = list(first.values())
    for start in range(0, len(checked), together):
        chosen = checked[start : start + together]
        _check(wider, chosen, [once[line.text][0] for line in chosen])
    return _distinct(wider, lines, written)


def _tokens(task: Task, line: Line, *, by_name: bool) -> tuple[NDArray[np.int64], int]:
    """START, brackets, END where training has it behind them, and for classifiers one more, which is not read; and how
    many brackets there are."""
    vocabulary, where = task.language.vocabulary, f"line {line.number}"
    ids = (encoded_names if by_name else encoded)(vocabulary, line.text, where)
    body = ids[1:] if vocabulary.start is not None and ids[:1] == [vocabulary.start] else ids
    ended = vocabulary.end is not None and body[-1:] == [vocabulary.end]
    body = body[:-1] if ended else body
    change = _changes(vocabulary)
    other = next((one for one in body if not change[one]), None)
    if other is not None:
        raise LanguageError(
            f"{where}: {ascii(vocabulary.spellings[other])[:40]} within a string",
            expected="brackets only, between START and END",
        )
    depth = sum(change[one] for one in body)
    if ended and depth != 0 and task.objective != "classifier":
        raise LanguageError(f"{where}: END behind {depth} open brackets", expected="END behind a balanced string")
    is_classifier = task.objective == "classifier"
    has_end = vocabulary.end is not None and not task.prefixes and depth == 0
    tokens = [] if vocabulary.start is None else [vocabulary.start]
    tokens += body
    if vocabulary.end is not None and (task.reads_end or (has_end and not is_classifier)):
        tokens.append(vocabulary.end)
    if is_classifier and tokens:
        tokens.append(tokens[-1])
    if len(tokens) < 2:
        raise LanguageError(f"{where}: an empty string", expected="at least one token that is read")
    return np.asarray(tokens, dtype=np.int64), len(body)


@lru_cache(maxsize=4)
def _changes(vocabulary: Vocabulary) -> tuple[int, ...]:
    """What each token does to the depth."""
    return tuple(token_roles(vocabulary).change.tolist())


def _check(task: Task, lines: list[Line], written: list[NDArray[np.int64]]) -> None:
    """Refuse the first string that is not of the language, or at which the model is nowhere judged."""
    given = _sample(task, written)
    if task.objective != "classifier":
        found, inside = states(task.language, given.tokens), _inside(given)
        wrong = (~found.legal & inside).any(1)
        if wrong.any():
            row = int(np.argmax(wrong))
            raise _illegal(task, lines[row], given, found, row)
    scored = inputs_of(task, given).scored.numpy().any(1)
    if not scored.all():
        line = lines[int(np.argmin(scored))]
        raise LanguageError(
            f"line {line.number}: {ascii(line.text)[:40]} has no output that is trained",
            expected="a string that leaves a bracket open before its last token",
        )


def _illegal(task: Task, line: Line, given: Sample, found: States, row: int) -> LanguageError:
    place = int(np.argmax(~found.legal[row]))
    before = place - (task.language.vocabulary.start is not None) + 1
    token = task.language.vocabulary.spellings[int(given.tokens[row, place])]
    if found.depth[row, place] > task.language.depth:
        why, expected = "nests deeper than the language", f"a depth of at most {task.language.depth}"
    else:
        why, expected = "does not close the last open bracket", "words of the language or beginnings of them"
    return LanguageError(f"line {line.number}: {ascii(token)[:40]} at position {before} {why}", expected=expected)


def _inside(given: Sample) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = np.arange(given.tokens.shape[1])[None, :] < given.lengths[:, None]
    return found


def _sample(task: Task, rows: list[NDArray[np.int64]]) -> Sample:
    vocabulary = task.language.vocabulary
    lengths = np.asarray([len(row) for row in rows], dtype=np.int64)
    filler = vocabulary.opening[0] if vocabulary.pad is None else vocabulary.pad
    tokens = np.full((len(rows), int(lengths.max())), filler, dtype=np.int64)
    for place, row in enumerate(rows):
        tokens[place, : len(row)] = row
    return Sample(tokens, lengths)


def _distinct(task: Task, lines: list[Line], written: list[NDArray[np.int64]]) -> Sequences:
    """Strings of which the model reads the same tokens become one, with the sum of their weights."""
    place: dict[bytes, int] = {}
    weights: list[float] = []
    kept: list[int] = []
    for index, (line, tokens) in enumerate(zip(lines, written, strict=True)):
        row = place.setdefault(tokens[:-1].tobytes(), len(kept))
        if row == len(kept):
            kept.append(index)
            weights.append(0.0)
        first = lines[kept[row]]
        if first.label != line.label:
            raise LanguageError(
                f"line {line.number}: label {line.label}",
                expected=f"label {first.label}, as the same string has on line {first.number}",
            )
        weights[row] += line.weight
    labels = [lines[index].label for index in kept]
    return Sequences(
        task=task,
        tokens=tuple(written[index] for index in kept),
        weights=np.asarray(weights),
        classes=None if labels[0] is None else np.asarray(labels, dtype=np.int64),
        numbers=np.asarray([lines[index].number for index in kept], dtype=np.int64),
        lines=len(lines),
    )
