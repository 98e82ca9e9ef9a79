"""What a step of distillation sees: the KL of each sequence, the attention of several layers, the drilled rows."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from auditor.behaviour.input_batch import inputs_of
from auditor.canonical.interventions import run_with_cache
from auditor.canonical.sites import Site
from auditor.seeds import numpy_generator
from auditor.twins.distillation import Pool, Schedule, _drawn, distil, kl_to_teacher, make_pool
from tests.handmade import PLAIN, TASK, random_model


def test_the_kl_of_a_sequence_is_summed_over_what_is_covered() -> None:
    """Certain teacher, uniform student over 4 outputs: ln 4 per scored output; 2 of 3 and 1 of 3 are covered."""
    log_p = torch.tensor([0.0, -100.0, -100.0, -100.0]).expand(2, 3, 4)
    scored = torch.tensor([[True, True, False], [False, False, True]])
    pool = Pool(torch.zeros(2, 3, dtype=torch.int64), torch.zeros(2, 3, 1), log_p, scored, scored | True, 2)
    found = kl_to_teacher(pool, torch.full((2, 3, 4), -math.log(4)))
    assert found.tolist() == pytest.approx([2 * math.log(4), math.log(4)])


def test_drilled_rows_are_drawn_by_what_was_last_seen() -> None:
    """KL 0, 3, 1: with drill ½ rows come with probabilities 1/6, 1/6 + 3/8 and 1/6 + 1/8."""
    rows = _drawn(np.array([0.0, 3.0, 1.0]), 40_000, 0.5, numpy_generator(0, "drill"))
    shares = np.bincount(rows, minlength=3) / len(rows)
    assert shares == pytest.approx([1 / 6, 1 / 6 + 3 / 8, 1 / 6 + 1 / 8], abs=0.015)


def test_full_drill_draws_only_sequences_with_kl_and_none_draws_uniformly() -> None:
    last_seen = np.array([0.0, 0.0, 2.0, 0.0])
    assert set(_drawn(last_seen, 100, 1.0, numpy_generator(0, "x"))) == {2}
    assert set(_drawn(last_seen, 100, 0.0, numpy_generator(0, "x"))) == {0, 1, 2, 3}
    assert set(_drawn(np.zeros(4), 100, 0.5, numpy_generator(0, "x"))) == {0, 1, 2, 3}


def test_the_penalty_sees_both_models_attention_in_every_penalised_layer() -> None:
    """With learning rate 0 the student stays the teacher, and both patterns are those of a whole run."""
    model = random_model(PLAIN, dtype=torch.float32)
    pool = make_pool(model, inputs_of(TASK, TASK.draw(6, numpy_generator(0, "pool"))), first_layer=0, batch=6)
    seen: list[tuple[Tensor, Tensor]] = []

    def penalty(ours: Tensor, theirs: Tensor, _real: Tensor) -> Tensor:
        seen.append((ours.detach(), theirs))
        return ours.sum() * 0

    drawn: list[Pool] = []
    rows = Pool.rows

    def watching(self: Pool, index: Tensor) -> Pool:
        drawn.append(rows(self, index))
        return drawn[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Pool, "rows", watching)
        distil(
            model.clone(),
            model,
            (pool,),
            first_layer=0,
            schedule=Schedule(steps=1, peak=1e-30),
            generator=numpy_generator(0, "distil"),
            progress=lambda _share, _words: None,
            penalty=penalty,
            weight=1.0,
            penalised=(0, 1),
        )
    assert len(seen) == 2
    with torch.no_grad():
        _, cache = run_with_cache(model, drawn[0].tokens, sites=(Site.PATTERN,))
    for layer, (ours, theirs) in enumerate(seen):
        torch.testing.assert_close(ours, cache[Site.PATTERN, layer])
        torch.testing.assert_close(theirs, cache[Site.PATTERN, layer])
