"""How well a model does its task: the metrics of Wen et al. 2023 (arXiv 2312.01429), section 5, and two of our own.

Closing accuracy: over positions with a non-empty stack, the share where p(correct closing) / Σ p(all closing) > 0.8.
Only positions that the training objective covers are scored; the report says which.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from auditor.behaviour.input_batch import InputBatch, draw_inputs
from auditor.canonical.model import CanonicalTransformer
from auditor.errors import LanguageError
from auditor.language.grammar import Dyck, legal_tokens, states
from auditor.language.task import Task
from auditor.records import Behaviour, ClassifierMetrics, LanguageMetrics

CLOSING_THRESHOLD = 0.8
"""Share of the closing mass that the right bracket must exceed (Wen et al. 2023, their released evaluation)."""

LONGER = (400, 500)
"""Lengths of the paper's out-of-distribution test set."""

CERTIFICATE_LONGER = 3.6
"""Longest inputs of a certificate, and of what a twin learns on, in training lengths (28 → 100 tokens)."""

DEEPER_BY = 2
"""How far beyond the depth bound the deeper evaluation nests."""

DEEPER_DRAWN = 8
"""Sequences drawn for each deeper one that is wanted: not every one reaches that deep."""


@torch.no_grad()
def evaluate(model: CanonicalTransformer, inputs: InputBatch) -> LanguageMetrics:
    """Metrics over ``inputs``; the model runs without materialising attention.

    Raises:
        LanguageError: the model is a classifier, whose read-out is no next-token distribution.
    """
    if model.architecture.is_classifier:
        raise LanguageError("a classifier", expected="a language model for next-token metrics")
    sums = np.zeros(6)
    for _, part in inputs.batches():
        sums += _sums(model, part)
    right, largest, open_positions, kl, illegal, scored = sums
    return _with_reason(
        LanguageMetrics(
            closing_accuracy=_share(right, open_positions),
            argmax_accuracy=_share(largest, open_positions),
            kl_nats=_share(kl, scored),
            illegal_mass=_share(illegal, scored),
            sequences=len(inputs),
            tokens=int(open_positions),
        )
    )


def _with_reason(found: LanguageMetrics) -> LanguageMetrics:
    """The same numbers, and why some are missing."""
    missing = [name for name, value in found.to_json().items() if value is None]
    return replace(found, reason=f"{', '.join(missing)} undefined: no scored position") if missing else found


def _share(part: float, whole: float) -> float | None:
    share = float(part / whole) if whole else float("nan")
    return share if np.isfinite(share) else None


def _sums(model: CanonicalTransformer, part: InputBatch) -> np.ndarray:
    log_p = model(part.tokens, fast=True).log_softmax(-1)
    is_open = part.not_padding & (part.depth > 0)
    closing = torch.tensor(part.task.language.vocabulary.closing)
    log_closing = log_p[is_open][:, closing]
    top = part.stack_top_type[is_open]
    share = log_closing.softmax(-1).gather(1, top[:, None]).squeeze(1)
    truth = torch.from_numpy(part.task.reference(part.states))
    allowed = torch.from_numpy(legal_tokens(part.task.language, part.states))
    scored = part.scored
    if part.task.objective == "closing_bracket":
        chosen = closing[part.stack_top_type[scored].clamp_min(0)]
        kl = -log_p[scored].gather(1, chosen[:, None]).sum()
    else:
        p = truth[scored].to(log_p)
        kl = (torch.special.xlogy(p, p) - p * log_p[scored]).sum()
    illegal = (log_p[scored].exp() * ~allowed[scored]).sum()
    values = (
        (share > CLOSING_THRESHOLD).sum(),
        (log_closing.argmax(-1) == top).sum(),
        is_open.sum(),
        kl,
        illegal,
        scored.sum(),
    )
    return np.asarray([float(v) for v in values])


def longer_lengths(model: CanonicalTransformer, wanted: tuple[int, int]) -> tuple[int, int] | None:
    """``wanted`` lengths cut to the model's positions; None when nothing longer than the training lengths fits."""
    limit = model.architecture.max_positions
    low, high = wanted
    if limit is not None and high > limit - 2:
        high = limit - 2
        low = min(low, high - 10)
    return (low, high) if low > model.task.max_length else None


def certificate_lengths(model: CanonicalTransformer) -> tuple[int, int] | None:
    """Lengths of the longer inputs of a certificate; None where none fits the model's positions."""
    high = int(CERTIFICATE_LONGER * model.task.max_length)
    return longer_lengths(model, (high - 8, high))


def deeper_task(task: Task) -> Task:
    """The same task with a higher depth bound and room to reach it."""
    deeper = Dyck(task.language.vocabulary, task.language.depth + DEEPER_BY)
    return replace(task, language=deeper, max_length=max(task.max_length, 2 * deeper.depth + 2))


def too_deep(model: CanonicalTransformer) -> str | None:
    """Why a model cannot read inputs beyond its depth bound, or None."""
    limit = model.architecture.max_positions
    if model.architecture.embedding == "token_and_depth":
        return "the input table holds no vectors for greater depths"
    if limit is not None and limit < deeper_task(model.task).max_length + 2:
        return f"the model has {limit} positions"
    return None


def draw_deeper(model: CanonicalTransformer, count: int, generator: np.random.Generator) -> InputBatch | None:
    """Up to ``count`` sequences that do nest beyond the depth bound; None where the model cannot read them."""
    if too_deep(model) is not None:
        return None
    drawn = draw_inputs(deeper_task(model.task), DEEPER_DRAWN * count, generator)
    kept = drawn.rows((drawn.depth * drawn.not_padding).amax(1) > model.task.language.depth)
    return kept.rows(slice(count)) if len(kept) else None


def full_behaviour(
    model: CanonicalTransformer,
    *,
    sequences: int,
    longer_sequences: int,
    generator: np.random.Generator,
    given: InputBatch | None = None,
    classes: NDArray[np.int64] | None = None,
) -> Behaviour:
    """In distribution, longer and deeper, as the report prints it; None with a reason where it cannot be.

    Inputs that are ``given`` stand in place of those in distribution; ``classes`` are the right ones of a classifier.
    """
    task = model.task
    usual_inputs = draw_inputs(task, sequences, generator) if given is None else given
    if model.architecture.is_classifier:
        return _classifier_behaviour(model, usual_inputs, classes, longer_sequences, generator)
    usual = evaluate(model, usual_inputs)
    longer = deeper = None
    lengths = longer_lengths(model, (max(LONGER[0], 2 * task.max_length), max(LONGER[1], 3 * task.max_length)))
    reasons = []
    if lengths is None:
        reasons.append(f"longer: the model has {model.architecture.max_positions} positions")
    else:
        inputs = draw_inputs(task, longer_sequences, generator, lengths=lengths)
        longer = replace(evaluate(model, inputs), lengths=lengths)
    if (excuse := too_deep(model)) is not None:
        reasons.append(f"deeper: {excuse}")
    else:
        nested = draw_inputs(deeper_task(task), longer_sequences * 4, generator)
        deeper = replace(evaluate(model, nested), depth=nested.task.language.depth)
    scored = "positions with an open bracket" if task.objective == "closing_bracket" else "every position"
    if given is not None:
        scored += " of the given strings in place of the task's; KL is to the task's generator"
    return Behaviour(usual, longer, deeper, scored=scored, reason="; ".join(reasons))


def _classifier_behaviour(
    model: CanonicalTransformer,
    inputs: InputBatch,
    classes: NDArray[np.int64] | None,
    longer_sequences: int,
    generator: np.random.Generator,
) -> Behaviour:
    """How often the class is right: as it is given, else on words of the language and on corrupted ones."""
    why = "deeper: a classifier is measured on strings within its depth bound only"
    usual, longer = _classified(model, inputs, classes), None
    lengths = longer_lengths(model, (2 * model.task.max_length, 3 * model.task.max_length))
    if lengths is None:
        why = f"longer: the model has {model.architecture.max_positions} positions; {why}"
    else:
        inputs = draw_inputs(model.task, longer_sequences, generator, lengths=lengths)
        longer = replace(_classified(model, inputs), lengths=lengths)
    scored = "one decision a string" if classes is None else "one decision a string, by the classes that were given"
    return Behaviour(usual, longer, None, scored=scored, reason=why)


@torch.no_grad()
def _classified(
    model: CanonicalTransformer, inputs: InputBatch, classes: NDArray[np.int64] | None = None
) -> ClassifierMetrics:
    """Accuracy by the given classes; else with the better choice of the class that means "word"."""
    chosen = torch.empty(len(inputs), dtype=torch.int64)
    for rows, part in inputs.batches():
        chosen[rows] = model(part.tokens, fast=True).argmax(-1)
    words = torch.from_numpy(_are_words(inputs))
    right = [float(((chosen == cls) == words).double().mean()) for cls in range(model.architecture.outputs)]
    best = int(np.argmax(right))
    accuracy = right[best] if classes is None else float((chosen == torch.from_numpy(classes)).double().mean())
    return ClassifierMetrics(accuracy=accuracy, word_class=best, sequences=len(inputs))


def _are_words(inputs: InputBatch) -> np.ndarray:
    """[sequence] whether the string is a word of the language."""
    found = states(inputs.task.language, inputs.tokens.numpy())
    last = inputs.not_padding.sum(1).numpy() - 1
    rows = np.arange(len(inputs))
    words: np.ndarray = found.legal[rows, last] & (found.depth[rows, last] == 0)
    return words


def decision_positions(inputs: InputBatch) -> Tensor:
    """[sequence, position] True where the model decides which bracket closes: scored, with an open bracket."""
    return inputs.scored & (inputs.depth > 0)
