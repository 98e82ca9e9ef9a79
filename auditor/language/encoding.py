"""From a person's own strings to token ids, with START and END where a model of the task reads them."""

from __future__ import annotations

from auditor.errors import LanguageError
from auditor.language.task import Task
from auditor.language.vocabulary import Vocabulary, type_name, type_of_name


def encoded(vocabulary: Vocabulary, text: str, where: str) -> list[int]:
    """The ids of what is written; ``where`` names its place in the message.

    Raises:
        LanguageError: a token that is not in the vocabulary.
    """
    try:
        return vocabulary.encode(text)
    except LanguageError as error:
        raise LanguageError(f"{where}: {error.found}", expected=error.expected, action=error.action) from None


def encoded_names(vocabulary: Vocabulary, text: str, where: str) -> list[int]:
    """The ids of brackets that are written by the names of their types, ``(a`` and ``a)``, however they are spelled.

    Where the vocabulary spells a bracket ``(a`` itself, its own spellings hold.

    Raises:
        LanguageError: a type that the vocabulary does not have.
    """
    if f"({type_name(0)}" in vocabulary.spellings:
        return encoded(vocabulary, text, where)
    marks = {"START": vocabulary.start, "END": vocabulary.end}
    ids = []
    for token in text.split():
        if token in marks:
            found = marks[token]
            if found is not None:
                ids.append(found)
            continue
        kind = type_of_name(token.strip("()"))
        if kind is None or kind >= vocabulary.types:
            names = f"types a to {type_name(vocabulary.types - 1)}"
            raise LanguageError(f"{where}: unknown token {ascii(token)[:40]}", expected=names)
        ids.append((vocabulary.opening if token.startswith("(") else vocabulary.closing)[kind])
    return ids


def as_read(task: Task, ids: list[int]) -> list[int]:
    """A whole string as a model of the task reads it: behind START, and before END for classifiers that read it."""
    vocabulary = task.language.vocabulary
    if vocabulary.start is not None and ids[:1] != [vocabulary.start]:
        ids = [vocabulary.start, *ids]
    if task.reads_end and vocabulary.end is not None and ids[-1:] != [vocabulary.end]:
        ids = [*ids, vocabulary.end]
    return ids


def too_long(where: str, tokens: int, limit: int) -> LanguageError:
    """The error about a string that does not fit a model."""
    return LanguageError(f"{where}: {tokens} tokens with START and END", expected=f"at most {limit}")
