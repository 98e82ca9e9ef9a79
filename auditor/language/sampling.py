"""Random words and prefixes of Dyck(k, D), vectorised over the batch. Numpy only.

The generator of Hewitt et al. 2020 as corrected in use by Wen et al. 2023: walk the reference distribution; a draw of
END before the wanted minimum length is drawn again; a complete string over the maximum length is thrown away whole.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from auditor.errors import LanguageError
from auditor.language.grammar import Dyck, Ids

MAX_ROUNDS = 200
"""Rounds of rejection before the request is refused as practically impossible."""

FEW_TYPES = 26
"""Up to here codes of brackets are bytes, which keeps the walk in the processor's cache."""

Codes = NDArray[np.int8 | np.int16]


@dataclass(frozen=True, slots=True)
class Sample:
    """Sequences as the model sees them, with the labels that follow.

    ``tokens`` int64 [batch, position] = START t1 … tn (END), right-padded; ``lengths`` counts the tokens before the
    padding. Model input is ``tokens[:, :-1]``, the label of position j is ``tokens[:, j + 1]``.
    """

    tokens: Ids
    lengths: Ids

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def inputs(self) -> Ids:
        """Everything but the last column, which is only ever a label."""
        return self.tokens[:, :-1]

    @property
    def input_mask(self) -> NDArray[np.bool_]:
        """[batch, position] True where an input position has a real label after it."""
        return np.arange(self.tokens.shape[1] - 1)[None, :] < (self.lengths - 1)[:, None]

    def rows(self, index: NDArray[np.int64] | slice) -> Sample:
        """Some of the sequences, trimmed to the longest."""
        lengths = self.lengths[index]
        return Sample(self.tokens[index][:, : int(lengths.max(initial=2))], lengths)

    def with_label(self) -> Sample:
        """The same sequences with one more column, a label without meaning: their last token becomes an input."""
        return Sample(np.concatenate([self.tokens, self.tokens[:, -1:]], axis=1), self.lengths + 1)


def sample(
    language: Dyck,
    *,
    count: int,
    generator: np.random.Generator,
    min_length: int,
    max_length: int,
    prefixes: bool = False,
    open_probability: float = 0.5,
) -> Sample:
    """Draw ``count`` sequences. Lengths count brackets only, not START and END.

    Complete strings end with END (where the vocabulary has one) and have min ≤ length ≤ max. Prefixes are cut at a
    length drawn uniformly from min … max and have no END.

    Raises:
        LanguageError: impossible lengths or probabilities.
    """
    _check(count=count, min_length=min_length, max_length=max_length, open_probability=open_probability)
    if prefixes:
        lengths = generator.integers(min_length, max_length + 1, size=count)
        body, _ = _walk(language, count, max_length, None, open_probability, generator)
        return _assemble(language, body, lengths, complete=False)
    if max_length < 2:
        raise LanguageError(f"maximum length {max_length}", expected="at least 2 for complete strings")
    if min_length > max_length - max_length % 2:
        raise LanguageError(
            f"lengths {min_length} to {max_length}",
            expected="an even length in the range",
            action="balanced strings are even",
        )
    bodies, lengths_found, missing = [], [], count
    rate = 0.5
    for _ in range(MAX_ROUNDS):
        batch = int(min(max(64, missing / max(rate, 0.01) * 1.1), max(4096, 2 * count)))
        body, lengths = _walk(language, batch, max_length, max(min_length, 2), open_probability, generator)
        kept = np.flatnonzero(lengths <= max_length)[:missing]
        rate = max(0.5 * rate, float(np.mean(lengths <= max_length)))
        bodies.append(body[kept])
        lengths_found.append(lengths[kept])
        missing -= len(kept)
        if missing == 0:
            return _assemble(language, np.concatenate(bodies), np.concatenate(lengths_found), complete=True)
    raise LanguageError(
        f"only {count - missing} of {count} strings of length {min_length} to {max_length} after {MAX_ROUNDS} rounds",
        expected="lengths that the generator reaches",
        action="widen the length range, lower the open probability, or draw prefixes",
    )


def _check(*, count: int, min_length: int, max_length: int, open_probability: float) -> None:
    if count < 1:
        raise LanguageError(f"{count} sequences", expected="at least 1")
    if not 1 <= min_length <= max_length:
        raise LanguageError(f"lengths {min_length} to {max_length}", expected="1 ≤ minimum ≤ maximum")
    if not 0.0 < open_probability < 1.0:
        raise LanguageError(f"open probability {open_probability}", expected="a number between 0 and 1")


def _walk(
    language: Dyck,
    count: int,
    steps: int,
    end_from: int | None,
    open_probability: float,
    generator: np.random.Generator,
) -> tuple[Codes, Ids]:
    """Codes [count, steps] (0 … k−1 opens that type, k … 2k−1 closes it, −1 after the end) and lengths.

    ``end_from`` is the least length at which an empty stack may end; None never ends. A string that has not
    ended within ``steps`` gets length steps + 1. One uniform draw per step decides both the move and the type.
    """
    k, depth_bound = language.types, language.depth
    code = np.int8 if k <= FEW_TYPES else np.int16
    codes = np.full((steps, count), -1, dtype=code)  # step first: each step writes one contiguous row
    stack = np.zeros((depth_bound + 1, count), dtype=code)
    height = np.zeros(count, dtype=np.int64)
    flat_stack = stack.reshape(-1)
    lengths = np.full(count, steps + 1, dtype=np.int64)
    active = np.arange(count)
    for t in range(steps + 1):
        draw = generator.random(len(active), dtype=np.float32)
        if end_from is not None and t >= end_from:
            over = (height == 0) & (draw >= open_probability)
            if over.any():
                lengths[active[over]] = t
                going = ~over
                active, height, draw = active[going], height[going], draw[going]
                if len(active) == 0:
                    break
        if t == steps:
            break
        empty = height == 0
        opens = (draw < open_probability) & (height < depth_bound)
        kind = np.minimum(draw * np.float32(k / open_probability), k - 1).astype(code)
        if empty.any():  # an empty stack must open: END was refused or is not yet allowed, so draw the move again
            redrawn = generator.integers(0, k, size=int(empty.sum()), dtype=code)
            kind[empty] = np.where(opens[empty], kind[empty], redrawn)
            opens |= empty
        slot = height * count + active
        top = flat_stack[slot]
        codes[t, active] = np.where(opens, kind, top + k)
        height = height + np.where(opens, 1, -1)
        flat_stack[slot[opens] + count] = kind[opens]
    return np.ascontiguousarray(codes.T), lengths


def _assemble(language: Dyck, body: Codes, lengths: Ids, *, complete: bool) -> Sample:
    vocabulary = language.vocabulary
    has_end = complete and vocabulary.end is not None
    first = 0 if vocabulary.start is None else 1
    longest = int(lengths.max())
    filler = vocabulary.pad if vocabulary.pad is not None else vocabulary.opening[0]
    spelling = np.asarray([*vocabulary.opening, *vocabulary.closing], dtype=np.int64)
    tokens = np.full((len(lengths), first + longest + has_end), filler, dtype=np.int64)
    if vocabulary.start is not None:
        tokens[:, 0] = vocabulary.start
    inside = np.arange(longest)[None, :] < lengths[:, None]
    tokens[:, first : first + longest] = np.where(inside, spelling[body[:, :longest]], filler)
    if has_end and vocabulary.end is not None:
        tokens[np.arange(len(lengths)), first + lengths] = vocabulary.end
    return Sample(tokens, lengths + first + has_end)
