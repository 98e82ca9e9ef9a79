"""Which strings a twin is taught on, of language models and of classifiers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from auditor.language.grammar import states
from auditor.seeds import numpy_generator
from auditor.testing.families import FAMILIES, task_for
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


def test_a_classifier_is_taught_on_words_corrupted_words_and_strings_near_its_boundary() -> None:
    family = FAMILIES["bidirectional classifier, RMS norm"]
    model = random_model(family, task_for(family), dtype=torch.float32)
    short, _, long = distillation_data(model, numpy_generator(0, "lessons"), first_layer=0, shortest=0.7)
    assert (len(short), len(long)) == (800 + 100, 200 + 25)
    assert short.log_p.shape[1:] == (1, 2)
    lead = short.log_p[:, 0].topk(2, dim=-1).values
    certainty = lead[:, 0] - lead[:, 1]
    assert float(certainty[800:].max()) <= 1.2 * float(certainty[:800].median())  # the nearer half of 200 others
    found = states(model.task.language, short.tokens[:800].numpy())
    last = short.not_padding[:800].sum(1).numpy() - 1
    rows = np.arange(800)
    words = found.legal[rows, last] & (found.depth[rows, last] == 0)
    assert words.tolist() == [False, True] * 400
    assert int(short.not_padding.sum(1).min()) < 0.7 * TASK.max_length  # every length, since none begins another


def test_a_users_strings_are_every_third_batch() -> None:
    model = random_model(PLAIN, dtype=torch.float32)
    own = inputs_for(model, 7)
    _, second, _ = distillation_data(model, numpy_generator(0, "lessons"), first_layer=0, own=own)
    torch.testing.assert_close(second.tokens, own.tokens)


def test_where_padding_is_read_pools_are_not_trimmed_and_hold_like_lengths() -> None:
    family = replace(FAMILIES["bidirectional classifier, RMS norm"], pad_masked=False)
    model = random_model(family, task_for(family), dtype=torch.float32)
    for pool in distillation_data(model, numpy_generator(0, "lessons"), first_layer=0):
        lengths = pool.not_padding.sum(1)
        assert int(lengths.max()) <= 2 * int(lengths.min())
        assert pool.rows(lengths.argsort()[:3]).tokens.shape[1] == pool.tokens.shape[1]
