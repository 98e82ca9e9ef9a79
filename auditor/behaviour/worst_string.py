"""A search for the string of the language on which two models differ most: the mean of a sample may hide it.

Beam search: the strings of the sample with the largest mean KL are edited at random within the language (of a
classifier, words are edited, and half of them then corrupted), and the worst ones go on. The budget is fixed, so what
is found is a lower bound of what exists.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from auditor.behaviour.answers import answered
from auditor.behaviour.comparison import Comparison, compare
from auditor.behaviour.input_batch import InputBatch, Rewritten, inputs_of
from auditor.canonical.model import CanonicalTransformer
from auditor.language.corruption import corrupted
from auditor.language.editing import edited
from auditor.language.grammar import Ids, states, token_roles
from auditor.language.sampling import Sample
from auditor.language.task import Task
from auditor.records import WorstString

BEAM = 8
"""Strings that go on to the next round."""

CHILDREN = 8
"""Edits of each of them in a round."""

ROUNDS = 8
"""Rounds; in all as many strings are run as a beam has children."""


@dataclass(frozen=True)
class _Found:
    """One string that was run: ``word`` is what further edits start from, ``shown`` what the models read."""

    word: Ids
    shown: Ids
    kl: float  # mean over its scored outputs, nats
    numbers: WorstString


def worst_string(
    original: CanonicalTransformer,
    variant: CanonicalTransformer,
    inputs: InputBatch,
    found: Comparison,
    generator: np.random.Generator,
    *,
    rounds: int = ROUNDS,
) -> WorstString:
    """The worst string found from ``inputs``, whose comparison is ``found``, within the lengths of these.

    Without rounds it is the worst of ``inputs``.
    """
    row = int(_row_means(found).argmax())
    worst, read = _numbers(inputs, found, row), inputs.tokens[row][inputs.not_padding[row]].numpy()
    if not rounds:
        return worst
    beam = _start(inputs, found)
    lengths = (int(inputs.not_padding.sum(1).min()), int(inputs.not_padding.sum(1).max()))
    searched, known = len(inputs), {one.shown.tobytes() for one in beam}
    for _ in range(rounds):
        pairs = []
        for parent in beam:
            for _ in range(CHILDREN):
                word, shown = _child(inputs.task, parent.word, lengths, generator)
                if shown.tobytes() not in known:
                    known.add(shown.tobytes())
                    pairs.append((word, shown))
        if not pairs:
            break
        searched += len(pairs)
        beam = sorted([*beam, *_run(original, variant, inputs.task, pairs)], key=lambda one: -one.kl)[:BEAM]
    if beam and beam[0].kl > worst.kl_nats:
        worst, read = beam[0].numbers, beam[0].shown
    return answered(replace(worst, searched=searched), original, variant, read)


def _start(inputs: InputBatch, found: Comparison) -> list[_Found]:
    """The strings of the language with the largest mean KL. Others, such as corrupted words, cannot be edited."""
    last = inputs.not_padding.sum(1).numpy() - 1
    checked, rows = states(inputs.task.language, inputs.tokens.numpy()), np.arange(len(inputs))
    fits = checked.legal[rows, last]
    if inputs.task.objective == "classifier" and not inputs.task.prefixes:
        fits &= checked.depth[rows, last] == 0
    means = np.where(fits, _row_means(found), -1.0)
    chosen = [int(row) for row in np.argsort(-means, kind="stable")[:BEAM] if fits[row]]
    tokens = [inputs.tokens[row, : last[row] + 1].numpy() for row in chosen]
    return [
        _Found(one, one, float(means[row]), _numbers(inputs, found, row))
        for row, one in zip(chosen, tokens, strict=True)
    ]


def _child(task: Task, word: Ids, lengths: tuple[int, int], generator: np.random.Generator) -> tuple[Ids, Ids]:
    """An edited word, and the string that is shown of it."""
    mark = word[len(word) - task.reads_end :]  # END
    body = word[: len(word) - len(mark)]
    low, high = (length - len(mark) for length in lengths)
    body = edited(task.language, body, (low, high), generator)
    shown = body
    if task.objective == "classifier" and not task.prefixes and generator.random() < 0.5:
        brackets = np.flatnonzero(token_roles(task.language.vocabulary).change[body])
        shown = corrupted(task.language, body, brackets, generator)
    return np.concatenate([body, mark]), np.concatenate([shown, mark])


def _run(
    original: CanonicalTransformer, variant: CanonicalTransformer, task: Task, pairs: list[tuple[Ids, Ids]]
) -> list[_Found]:
    inputs = _as_inputs(task, [shown for _, shown in pairs])
    if not bool(inputs.scored.any()):
        return []
    found = compare(original, variant, Rewritten(inputs, inputs))
    means = _row_means(found)
    return [
        _Found(word, shown, float(means[row]), _numbers(inputs, found, row))
        for row, (word, shown) in enumerate(pairs)
        if means[row] >= 0.0
    ]


def _as_inputs(task: Task, strings: list[Ids]) -> InputBatch:
    """Inputs that are these strings; the label behind each is never read."""
    lengths = np.asarray([len(one) + 1 for one in strings])
    tokens = np.zeros((len(strings), int(lengths.max())), dtype=np.int64)
    for row, one in enumerate(strings):
        tokens[row, : len(one)], tokens[row, len(one)] = one, one[-1]
    return inputs_of(task, Sample(tokens, lengths))


def _row_means(found: Comparison) -> np.ndarray:
    """Mean KL over the scored outputs of each sequence, nats; −1 where nothing is scored."""
    totals = np.bincount(found.owner, weights=found.kl, minlength=found.sequences)
    sizes = np.bincount(found.owner, minlength=found.sequences)
    return np.where(sizes > 0, totals / np.maximum(sizes, 1), -1.0)


def _numbers(inputs: InputBatch, found: Comparison, row: int) -> WorstString:
    its = found.where(found.owner == row)
    vocabulary = inputs.task.language.vocabulary
    marks = (vocabulary.start, vocabulary.end)
    tokens = inputs.tokens[row][inputs.not_padding[row]].tolist()
    return WorstString(
        text=" ".join(vocabulary.decode([token for token in tokens if token not in marks])),
        kl_nats=float(its.kl.mean()),
        kl_largest_nats=float(its.kl.max()),
        position=int(its.position[its.kl.argmax()]),
        decisions=int(its.decides.sum()),
        decisions_differ=int(its.differs.sum()),
        searched=found.sequences,
    )
