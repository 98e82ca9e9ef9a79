"""What a model says after each of a person's own strings, beside what the language allows there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch

from auditor.canonical.model import CanonicalTransformer
from auditor.errors import LanguageError
from auditor.language.encoding import as_read, encoded, too_long
from auditor.language.grammar import is_member, states

Numbered = tuple[str, str]
"""(where it stands, the string)."""


def predictions(
    model: CanonicalTransformer, strings: Sequence[Numbered], *, all_positions: bool
) -> Iterator[dict[str, Any]]:
    """One record for each string, in order; strings of one length run together, so none is padded."""
    encoded = [_encode(model, where, text) for where, text in strings]
    lengths: dict[int, list[int]] = {}
    for index, ids in enumerate(encoded):
        lengths.setdefault(len(ids), []).append(index)
    rows: dict[int, Any] = {}
    for indices in lengths.values():
        rows.update(zip(indices, _probabilities(model, [encoded[i] for i in indices]), strict=True))
    for index, ids in enumerate(encoded):
        yield _record(model, ids, rows[index], all_positions=all_positions)


def _encode(model: CanonicalTransformer, where: str, text: str) -> list[int]:
    limit = model.architecture.max_positions
    ids = as_read(model.task, encoded(model.task.language.vocabulary, text, where))
    if not ids:
        raise LanguageError(f"{where}: an empty string", expected="at least one token, as the vocabulary has no START")
    if limit is not None and len(ids) > limit:
        raise too_long(where, len(ids), limit)
    return ids


def _probabilities(model: CanonicalTransformer, batch: list[list[int]]) -> Any:
    """[string, position, token], or [string, class] of a classifier."""
    with torch.no_grad():
        return model(torch.tensor(batch, dtype=torch.int64)).double().softmax(-1).tolist()


def _record(model: CanonicalTransformer, ids: list[int], rows: Any, *, all_positions: bool) -> dict[str, Any]:
    language = model.task.language
    spellings = language.vocabulary.spellings
    legal = states(language, np.asarray([ids], dtype=np.int64)).legal[0].tolist()
    stacks = _stacks(model, ids, legal)
    record: dict[str, Any] = {
        "tokens": language.vocabulary.decode(ids),
        "legal": legal[-1],
        "complete": is_member(language, ids),
        "stack": stacks[-1],
    }
    if model.architecture.is_classifier:
        return record | {"classes": rows}
    if not all_positions:
        return record | {"next": dict(zip(spellings, rows[-1], strict=True))}
    positions = [
        {"token": spellings[token], "legal": ok, "stack": stack, "next": dict(zip(spellings, row, strict=True))}
        for token, ok, stack, row in zip(ids, legal, stacks, rows, strict=True)
    ]
    return record | {"positions": positions}


def _stacks(model: CanonicalTransformer, ids: list[int], legal: list[bool]) -> list[list[str] | None]:
    """The unmatched opening brackets after each token, the innermost last; null once the string is illegal."""
    vocabulary = model.task.language.vocabulary
    stack: list[str] = []
    found: list[list[str] | None] = []
    for token, ok in zip(ids, legal, strict=True):
        if token in vocabulary.opening:
            stack.append(vocabulary.spellings[token])
        elif ok and token in vocabulary.closing:
            stack.pop()
        found.append(list(stack) if ok else None)
    return found
