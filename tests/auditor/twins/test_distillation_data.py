"""Which strings a twin is taught on."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from auditor.seeds import numpy_generator
from auditor.twins.distillation_data import distillation_data
from tests.handmade import PLAIN, TASK, random_model


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
