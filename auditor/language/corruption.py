"""Strings for a classifier of membership: half of them words of the language, half of them corrupted by one edit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from auditor.language.grammar import Dyck, Ids, is_member, token_roles
from auditor.language.sampling import Sample, sample

MEMBER, OTHER = 1, 0
"""Classes: 1 for a word of the language, 0 for any other string."""


@dataclass(frozen=True, slots=True)
class LabelledStrings:
    """Whole strings with their classes. ``tokens`` int64 [batch, position], right-padded; START first."""

    tokens: Ids
    mask: NDArray[np.bool_]  # [batch, position] False on padding
    classes: Ids  # [batch]

    def __len__(self) -> int:
        return len(self.classes)

    def rows(self, index: slice) -> LabelledStrings:
        """Some of the strings, trimmed to the longest."""
        width = int(self.mask[index].sum(1).max(initial=1))
        return LabelledStrings(self.tokens[index][:, :width], self.mask[index][:, :width], self.classes[index])


def labelled_strings(
    language: Dyck,
    *,
    count: int,
    generator: np.random.Generator,
    min_length: int,
    max_length: int,
    open_probability: float = 0.5,
    reads_end: bool = False,
) -> LabelledStrings:
    """Words of the language, the first, third … of them corrupted, so that the length does not give the class away.

    A corrupted string differs from a word in one edit: a closing bracket of another type (where there are several
    types), a bracket turned round, or two brackets exchanged. That it is outside the language is checked.

    Raises:
        LanguageError: lengths that no word has.
    """
    given = sample(
        language,
        count=count,
        generator=generator,
        min_length=min_length,
        max_length=max_length,
        open_probability=open_probability,
    )
    given = every_second_corrupted(language, given, generator)
    tokens, mask = whole_strings(language, given, reads_end=reads_end)
    return LabelledStrings(tokens, mask, np.arange(count) % 2)


def every_second_corrupted(language: Dyck, given: Sample, generator: np.random.Generator) -> Sample:
    """The first, third … sequence of complete strings with one edit that takes it out of the language."""
    tokens, lengths = given.tokens.copy(), given.lengths
    for row in range(0, len(given), 2):
        brackets = np.flatnonzero(token_roles(language.vocabulary).change[tokens[row, : lengths[row]]])
        tokens[row] = corrupted(language, tokens[row], brackets, generator)
    return Sample(tokens, lengths)


def whole_strings(language: Dyck, given: Sample, *, reads_end: bool) -> tuple[Ids, NDArray[np.bool_]]:
    """Complete strings as a classifier reads them, and where they are: START and all brackets.

    END becomes padding unless the classifier ``reads_end``.
    """
    lengths = given.lengths - (language.vocabulary.end is not None and not reads_end)
    width = int(lengths.max(initial=1))
    mask = np.arange(width)[None, :] < lengths[:, None]
    pad = language.vocabulary.pad
    filler = language.vocabulary.opening[0] if pad is None else pad
    return np.where(mask, given.tokens[:, :width], filler), mask


def corrupted(language: Dyck, tokens: Ids, brackets: NDArray[np.int64], generator: np.random.Generator) -> Ids:
    """A word [position] with one random edit that takes it out of the language; ``brackets`` are its positions."""
    edits = [_exchange, _turn] if language.types == 1 else [_exchange, _turn, _retype]
    edited = edits[int(generator.integers(len(edits)))](language, tokens, brackets, generator)
    if is_member(language, edited[brackets].tolist()):
        return _turn(language, tokens, brackets, generator)  # one turned bracket can never balance
    return edited


def _exchange(_language: Dyck, tokens: Ids, brackets: NDArray[np.int64], generator: np.random.Generator) -> Ids:
    one, other = generator.choice(brackets, size=2, replace=False)
    edited = tokens.copy()
    edited[[one, other]] = tokens[[other, one]]
    return edited


def _turn(language: Dyck, tokens: Ids, brackets: NDArray[np.int64], generator: np.random.Generator) -> Ids:
    place = int(generator.choice(brackets))
    vocabulary, kind = language.vocabulary, int(token_roles(language.vocabulary).type[tokens[place]])
    opens = tokens[place] == vocabulary.opening[kind]
    edited = tokens.copy()
    edited[place] = vocabulary.closing[kind] if opens else vocabulary.opening[kind]
    return edited


def _retype(language: Dyck, tokens: Ids, brackets: NDArray[np.int64], generator: np.random.Generator) -> Ids:
    roles = token_roles(language.vocabulary)
    place = int(generator.choice(brackets[roles.change[tokens[brackets]] < 0]))
    others = [kind for kind in range(language.types) if kind != roles.type[tokens[place]]]
    edited = tokens.copy()
    edited[place] = language.vocabulary.closing[int(generator.choice(others))]
    return edited
