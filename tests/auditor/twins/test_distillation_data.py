"""Which strings a twin is taught on, of language models and of classifiers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from auditor.language.grammar import is_member, states
from auditor.seeds import numpy_generator
from auditor.testing.families import FAMILIES, task_for
from auditor.twins.distillation import Pool
from auditor.twins.distillation_data import distillation_data
from tests.handmade import PLAIN, TASK, inputs_for, random_model


@pytest.fixture(autouse=True)
def _small_pools(monkeypatch: pytest.MonkeyPatch) -> None:
    """Enough to see every length."""
    monkeypatch.setattr("auditor.twins.distillation_data.SEQUENCES", 200)
    monkeypatch.setattr("auditor.twins.distillation_data.LONG_SEQUENCES", 50)


@pytest.mark.parametrize(("shortest", "least", "longer"), [(0.0, 2, 18), (0.7, 7, 25)])
def test_the_shortest_strings_may_be_left_out(shortest: float, least: int, longer: int) -> None:
    """Strings of 2 to 10 brackets, longer ones up to 36; inputs are one more, START."""
    model = random_model(PLAIN, dtype=torch.float32)
    short, again, long = distillation_data(model, numpy_generator(0, "lessons"), first_layer=0, shortest=shortest)
    assert short is again
    known, beyond = short.not_padding.sum(1) - 1, long.not_padding.sum(1) - 1
    assert int(known.min()) >= least
    assert int(known.max()) == TASK.max_length
    assert int(beyond.min()) >= longer
    assert int(beyond.max()) <= 36


def test_where_positions_end_early_all_strings_have_the_training_lengths() -> None:
    tight = replace(PLAIN, positions="learned", max_positions=TASK.max_length + 1)
    _, _, long = distillation_data(
        random_model(tight, dtype=torch.float32), numpy_generator(0, "lessons"), first_layer=0
    )
    assert int(long.not_padding.sum(1).max()) == TASK.max_length + 1


def test_a_classifier_is_taught_on_words_and_corrupted_words_of_every_length() -> None:
    family = FAMILIES["bidirectional classifier, RMS norm"]
    model = random_model(family, task_for(family), dtype=torch.float32)
    drawn, *_ = distillation_data(model, numpy_generator(0, "lessons"), first_layer=0, shortest=0.7)
    assert drawn.log_p.shape[1:] == (1, 2)
    found = states(model.task.language, drawn.tokens.numpy())
    rows, last = np.arange(400), drawn.not_padding[:400].sum(1).numpy() - 1
    words = found.legal[rows, last] & (found.depth[rows, last] == 0)
    assert words.tolist() == [False, True] * 200
    assert int(drawn.not_padding[:400].sum(1).min()) < 0.7 * TASK.max_length  # every length, since none begins another
    short = drawn.rows(torch.arange(400, len(drawn)))
    assert int(short.not_padding.sum(1).max()) - 1 <= 0.4 * TASK.max_length
    assert 20 < len(short) == len({tuple(row) for row in short.tokens.tolist()})


def test_half_of_its_batches_are_different_strings_that_are_not_short() -> None:
    """More of them are corrupted than words, where twins err. Longer ones have pools of their own."""
    family = FAMILIES["bidirectional classifier, RMS norm"]
    model = random_model(family, task_for(family), dtype=torch.float32)
    drawn, different, long = distillation_data(model, numpy_generator(0, "lessons"), first_layer=1)
    assert (drawn.batch, different.batch) == (96, 256)
    assert int(different.not_padding.sum(1).min()) - 1 >= 0.3 * TASK.max_length
    assert int(long.not_padding.sum(1).min()) - 1 >= TASK.max_length
    for pool in (different, long):
        assert len({tuple(row) for row in pool.tokens.tolist()}) == len(pool) > 20
    language = model.task.language
    words = [
        is_member(language, row[: int(n)].tolist())
        for row, n in zip(different.tokens, different.not_padding.sum(1), strict=True)
    ]
    assert 0.2 < sum(words) / len(words) < 0.5
    every_layer = distillation_data(model, numpy_generator(0, "lessons"), first_layer=0)
    assert every_layer[1].batch == 96  # a step through more layers costs more


def test_a_users_strings_are_every_third_batch() -> None:
    model = random_model(PLAIN, dtype=torch.float32)
    own = inputs_for(model, 7)
    _, second, _ = distillation_data(model, numpy_generator(0, "lessons"), first_layer=0, own=own)
    torch.testing.assert_close(second.tokens, own.tokens)


def test_a_users_strings_have_batches_of_their_own_for_a_classifier() -> None:
    family = FAMILIES["bidirectional classifier, RMS norm"]
    model = random_model(family, task_for(family), dtype=torch.float32)
    own = inputs_for(model, 7)
    *_, last = distillation_data(model, numpy_generator(0, "lessons"), first_layer=0, own=own)
    torch.testing.assert_close(last.tokens, own.tokens)


def test_where_padding_is_read_pools_are_not_trimmed_and_hold_like_lengths() -> None:
    family = replace(FAMILIES["bidirectional classifier, RMS norm"], pad_masked=False)
    model = random_model(family, task_for(family), dtype=torch.float32)
    for pool in distillation_data(model, numpy_generator(0, "lessons"), first_layer=0):
        lengths = pool.not_padding.sum(1)
        assert int(lengths.max()) <= 2 * int(lengths.min())
        assert pool.rows(lengths.argsort()[:3]).tokens.shape[1] == pool.tokens.shape[1]


def test_sequences_that_reach_a_rare_state_may_be_added(monkeypatch: pytest.MonkeyPatch) -> None:
    """100 that reach the depth bound, beside the 200 that are drawn as they come."""
    monkeypatch.setattr("auditor.twins.distillation_data.RARE_SEQUENCES", 100)
    model = random_model(PLAIN, dtype=torch.float32)

    def deep(pool: Pool) -> list[bool]:
        found = states(model.task.language, pool.tokens.numpy())
        reached: list[bool] = (found.depth == model.task.language.depth).any(1).tolist()
        return reached

    usual, *_ = distillation_data(model, numpy_generator(0, "lessons"), first_layer=0)
    more, *_ = distillation_data(model, numpy_generator(0, "lessons"), first_layer=0, rare=True)
    assert (len(usual), len(more)) == (200, 300)
    assert deep(more)[:200] == deep(usual)
    assert not all(deep(usual))
    assert all(deep(more)[200:])
