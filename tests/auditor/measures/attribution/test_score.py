"""The explained score, from its definition, by loops."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from auditor.behaviour.input_batch import InputBatch
from auditor.canonical.model import CanonicalTransformer
from auditor.measures.attribution.score import explained, has_score, log_odds, why_no_score
from auditor.testing.families import FAMILIES, task_for
from tests.handmade import TASK, inputs_for, inputs_from, random_model

EXACT = 1e-12


def _subject(family: str) -> tuple[CanonicalTransformer, InputBatch]:
    model = random_model(FAMILIES[family], task_for(FAMILIES[family]))
    inputs = inputs_for(model, 6)
    return model, inputs.rows(has_score(model, inputs))


@pytest.mark.parametrize("family", FAMILIES)
@torch.no_grad()
def test_tokens_rows_and_vectors_give_one_score(family: str) -> None:
    model, inputs = _subject(family)
    batch = explained(model, inputs)
    row = torch.tensor([2, 0, 0, 1])
    expected = batch.of_rows(batch.row)[row]
    torch.testing.assert_close(batch.of_rows(row), expected, rtol=0, atol=EXACT)
    torch.testing.assert_close(batch.of_tokens(inputs.tokens[row], row), expected, rtol=0, atol=EXACT)
    torch.testing.assert_close(batch.of_vectors(batch.vectors[row], row), expected, rtol=0, atol=EXACT)


@torch.no_grad()
def test_a_language_model_is_scored_where_a_bracket_is_open() -> None:
    model, inputs = _subject("plain")
    scores = explained(model, inputs).of_rows(torch.arange(len(inputs)))
    for row, score in enumerate(scores.tolist()):
        log_p = model(inputs.tokens[row : row + 1, : int(inputs.not_padding[row].sum())])[0].log_softmax(-1)
        answers = [
            float(log_p[j, TASK.language.vocabulary.closing[int(inputs.stack_top_type[row, j])]])
            for j in range(len(log_p))
            if inputs.depth[row, j] > 0
        ]
        assert score == pytest.approx(sum(answers) / len(answers), abs=EXACT)


@torch.no_grad()
def test_a_classifier_is_scored_by_the_odds_of_its_answer() -> None:
    model, inputs = _subject("bidirectional classifier, RMS norm")
    p = model(inputs.tokens).softmax(-1).max(-1).values
    scores = explained(model, inputs).of_rows(torch.arange(len(inputs)))
    torch.testing.assert_close(scores, (p / (1 - p)).log(), rtol=0, atol=1e-9)
    assert (scores >= 0).all()


def test_log_odds_of_three_classes() -> None:
    """p = (1/6, 2/6, 3/6): the odds of the last are even, of the first one to five."""
    logits = torch.tensor([1.0, 2.0, 3.0]).log().repeat(2, 1)
    assert log_odds(logits, torch.tensor([2, 0])).tolist() == pytest.approx([0.0, -math.log(5)], abs=1e-6)


def test_a_blank_input_keeps_start_and_padding() -> None:
    batch = explained(random_model(), inputs_from(TASK, ["()", "([])"]))
    assert batch.blank_tokens.tolist() == [[2, 1, 1, 0, 0], [2, 1, 1, 1, 1]]


def test_the_padding_mask_is_that_of_the_input() -> None:
    """PAD as the blank token of a model that masks padding: its brackets are hidden, their places are not."""
    vocabulary = replace(TASK.language.vocabulary, mask=None)
    task = replace(TASK, language=replace(TASK.language, vocabulary=vocabulary))
    model = random_model(replace(FAMILIES["plain"], causal=False, pad_masked=True), task)
    batch = explained(model, inputs_from(task, ["()", "([])"]))
    assert batch.blank_tokens.tolist() == [[2, 0, 0, 0, 0], [2, 0, 0, 0, 0]]
    seen = []
    batch.of_tokens(batch.blank_tokens, batch.row, lambda site, _, value: seen.append((site, value)) or value)
    pattern = next(value for site, value in seen if site == "pattern")
    assert (pattern[0, :, :, :3] > 0).all()
    assert (pattern[0, :, :, 3:] == 0).all()
    assert (pattern[1] > 0).all()


def test_one_class_has_no_odds() -> None:
    family = FAMILIES["bidirectional classifier, RMS norm"]
    assert why_no_score(random_model(replace(family, classes=1), task_for(family))) is not None
    assert why_no_score(random_model(family, task_for(family))) is None
