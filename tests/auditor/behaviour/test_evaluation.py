"""Metrics on models whose answers are known, and against the accuracies of the original code."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch

from auditor import zoo
from auditor.behaviour.evaluation import evaluate, full_behaviour, longer_lengths
from auditor.behaviour.input_batch import InputBatch, draw_inputs, inputs_of
from auditor.canonical.interventions import run_with_cache
from auditor.canonical.model import CanonicalTransformer
from auditor.canonical.sites import Site
from auditor.checkpoints.intake.detection import load
from auditor.errors import LanguageError
from auditor.language.sampling import Sample
from auditor.seeds import numpy_generator
from auditor.testing.families import FAMILIES, task_for
from tests.handmade import TASK, counting_model, inputs_for, naive_stacks, random_model, stack_model
from tests.wen2023_files import FOLDER, NAMES, checkpoint, reference

EXACT = 1e-10


def _drawn(model: CanonicalTransformer, lengths: tuple[int, int] | None = None) -> InputBatch:
    return draw_inputs(model.task, 60, numpy_generator(0, "evaluation"), lengths=lengths)


@pytest.mark.parametrize("lengths", [None, (100, 140)])
def test_the_stack_model_is_right_at_every_length(lengths: tuple[int, int] | None) -> None:
    """Docstring of the model: closing accuracy 1; with logits ±10√7 the loss is e^−26.5 per wrong token."""
    model = stack_model()
    found = evaluate(model, _drawn(model, lengths))
    assert found.closing_accuracy == found.argmax_accuracy == 1.0
    assert found.kl_nats == pytest.approx(6 * math.exp(-10 * math.sqrt(7)), rel=0.1)


def test_a_model_that_closes_one_bracket_is_right_where_it_tops_the_stack() -> None:
    """Without head 1 the counting model gives ``a)`` 3 / (3 + 1) = 0.75 of the closing mass; with ln 30, 30 / 31."""
    model = counting_model()
    W_O, _ = model.attentions[0].output
    with torch.no_grad():
        W_O[1] = 0.0
    inputs = _drawn(model)
    tops = [
        stack[-1][0]
        for row, length in zip(inputs.tokens.tolist(), inputs.not_padding.sum(1).tolist(), strict=True)
        for stack in naive_stacks(row[:length])
        if stack
    ]
    below = evaluate(model, inputs)
    assert (below.closing_accuracy, below.tokens) == (0.0, len(tops))
    assert below.argmax_accuracy == pytest.approx(tops.count(0) / len(tops))
    with torch.no_grad():
        model.attentions[0].b_V[0] = math.log(30)
    assert evaluate(model, inputs).closing_accuracy == pytest.approx(tops.count(0) / len(tops))


def test_the_divergence_from_the_generator_and_the_illegal_mass_by_enumeration() -> None:
    model = counting_model()
    inputs = _drawn(model)
    truth = TASK.reference(inputs.states)
    kl, illegal = [], []
    for row, length in enumerate(inputs.not_padding.sum(1).tolist()):
        for position, stack in enumerate(naive_stacks(inputs.tokens[row, :length].tolist())):
            logits = np.zeros(8)
            logits[6], logits[7] = math.log(3), 2 / (position + 1)
            q, p = np.exp(logits) / np.exp(logits).sum(), truth[row, position]
            kl.append(sum(a * math.log(a / b) for a, b in zip(p, q, strict=True) if a > 0))
            legal = {6 + stack[-1][0]} if stack else {3}
            legal |= {4, 5} if len(stack) < 3 else set()
            illegal.append(1 - sum(q[token] for token in legal))
    found = evaluate(model, inputs)
    assert found.kl_nats == pytest.approx(np.mean(kl), abs=EXACT)
    assert found.illegal_mass == pytest.approx(np.mean(illegal), abs=EXACT)


def test_a_classifier_is_scored_by_its_classes_and_not_as_a_language_model() -> None:
    name = "bidirectional classifier, RMS norm"
    model = random_model(FAMILIES[name], task_for(FAMILIES[name]))
    with pytest.raises(LanguageError, match="classifier"):
        evaluate(model, _drawn(model))
    report = full_behaviour(model, sequences=5, longer_sequences=5, generator=numpy_generator(0, "x"))
    assert 0.5 <= report.in_distribution.accuracy <= 1.0  # half are words, and the better naming counts
    assert (report.longer, report.deeper) == (None, None) or report.reason


def test_the_bundled_classifier_separates_words_from_corrupted_ones() -> None:
    model = load(zoo.path("dyck2x4-3layer-classifier")).model
    report = full_behaviour(model, sequences=300, longer_sequences=5, generator=numpy_generator(0, "x"))
    assert report.in_distribution.accuracy > 0.97
    assert report.in_distribution.word_class == 1


def test_numbers_that_do_not_exist_are_null_with_a_reason() -> None:
    unasked = dataclasses.replace(inputs := inputs_for(random_model()), scored=inputs.scored & False)
    found = evaluate(random_model(), unasked)
    assert found.kl_nats is None
    assert found.closing_accuracy is not None
    assert found.reason == "kl_nats, illegal_mass undefined: no scored position"


def test_longer_inputs_fit_the_positions_or_are_left_out() -> None:
    free, tight = random_model(), random_model(FAMILIES["post-norm, learned positions, tied"])
    assert longer_lengths(free, (400, 500)) == (400, 500)
    assert tight.architecture.max_positions == 16
    assert longer_lengths(tight, (400, 500)) is None
    report = full_behaviour(tight, sequences=5, longer_sequences=5, generator=numpy_generator(0, "x"))
    assert report.longer is None
    assert "16 positions" in report.reason


def test_deeper_and_longer_are_evaluated_where_they_can_be() -> None:
    report = full_behaviour(random_model(), sequences=8, longer_sequences=2, generator=numpy_generator(0, "x"))
    assert report.longer.lengths == (400, 500)
    assert report.deeper.depth == TASK.language.depth + 2


WEN_SETS = [
    (name, entry, file)
    for name in NAMES
    for entry, file in (
        ("train_dist", "train_dist_prefix" if "prefix" in name else "train_dist"),
        ("dev_long", "dev_long"),
        ("complete_sentences", "train_dist"),
    )
    if entry in reference()["models"][name]
]


@pytest.mark.parametrize(("name", "entry", "file"), WEN_SETS)
def test_closing_accuracies_are_those_of_the_original_code(name: str, entry: str, file: str) -> None:
    """Within one position: where a share is 0.8 to the last bit of float32, the two may fall on other sides."""
    model, expected = load(checkpoint(name)).model, reference()["models"][name][entry]
    inputs = _sentences(model, file)
    found = evaluate(model, inputs)
    assert found.sequences == expected["n_sentences"]
    assert int(inputs.not_padding.sum()) == expected["n_positions_scored_over"]
    assert abs(found.closing_accuracy - expected["acc"]) * found.tokens <= 1 + EXACT


@torch.no_grad()
def test_the_attention_variation_between_seeds_is_that_of_the_original_code() -> None:
    """‖A₁ − A₂‖²_F of the last layer on each fixed sentence."""
    pair = "example_baseline_seed0|example_baseline_seed1"
    expected = reference()["attention_variation_last_layer"][pair]
    models = [load(checkpoint(name)).model.double() for name in pair.split("|")]
    found, per_row = [], []
    for sentence in reference()["fixed_sentences"]:
        tokens = torch.tensor([sentence])
        one, other = (run_with_cache(m, tokens, sites=(Site.PATTERN,))[1][Site.PATTERN, 1] for m in models)
        found.append(float((one - other).square().sum()))
        per_row.append(found[-1] / len(sentence))
    assert found == pytest.approx(expected["per_sentence"], rel=1e-4)
    assert np.mean(found) == pytest.approx(expected["mean"], rel=1e-4)
    assert np.mean(per_row) == pytest.approx(expected["mean_per_row"], rel=1e-4)


def _sentences(model: CanonicalTransformer, file: str) -> InputBatch:
    """A file of sentences as the model reads them: START in front, the last token only a label."""
    vocabulary = model.task.language.vocabulary
    lines = (FOLDER / f"{file}.txt").read_text(encoding="utf-8").splitlines()
    rows = [[vocabulary.start, *vocabulary.encode(line)] for line in lines]
    tokens = np.zeros((len(rows), max(map(len, rows))), dtype=np.int64)
    for row, ids in enumerate(rows):
        tokens[row, : len(ids)] = ids
    return inputs_of(model.task, Sample(tokens, np.asarray([len(ids) for ids in rows])))
