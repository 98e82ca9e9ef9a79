"""The losses that make another head the most important one by mean ablation."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from auditor.behaviour.input_batch import inputs_of
from auditor.canonical.model import CanonicalTransformer
from auditor.canonical.sites import Site
from auditor.language.sampling import Sample
from auditor.measures.ablation.substitutes import mean
from auditor.measures.ablation.sweep import head_effects
from auditor.measures.untouched import Untouched
from auditor.testing.families import FAMILIES, task_for
from auditor.twins.distillation import Pool, make_pool
from auditor.twins.importance import MARGIN, SMALLEST_EFFECT, Promotion
from tests.handmade import TASK, counting_model, inputs_for, random_model, sentence

COPIES = 12


def _copies(model: CanonicalTransformer, text: str) -> tuple[Sample, Pool]:
    """One string many times over: it does not matter then which head is ablated in which copy."""
    tokens = np.tile(np.asarray([*sentence(text), 3], dtype=np.int64), (COPIES, 1))
    given = Sample(tokens, np.full(COPIES, tokens.shape[1]))
    return given, make_pool(model, inputs_of(TASK, given), first_layer=0, batch=64)


@pytest.mark.parametrize("target", range(4))
def test_the_penalty_is_the_hinge_on_the_effects_of_mean_ablation(target: int) -> None:
    model = random_model()
    given, pool = _copies(model, "([()])")
    inputs = inputs_of(TASK, given)
    effects = head_effects(model, inputs, mean(Untouched(model, inputs), Site.Z)).mean(axis=0) + SMALLEST_EFFECT
    hinge = [max(0.0, math.log(MARGIN * e / effects[target])) for h, e in enumerate(effects) if h != target]
    kl, penalty = Promotion(model, target, TASK.max_length)(pool)
    assert float(kl.detach().abs().max()) == pytest.approx(0, abs=1e-12)
    assert float(penalty.detach()) == pytest.approx(sum(hinge), rel=1e-9)


@pytest.mark.parametrize("family", ["bidirectional classifier, RMS norm", "causal classifier, last token"])
def test_the_effects_on_a_classifier_are_those_of_mean_ablation(family: str) -> None:
    model = random_model(FAMILIES[family], task_for(FAMILIES[family]))
    one = inputs_for(model, 1)
    inputs = one.rows(torch.zeros(COPIES, dtype=torch.int64))
    effects = head_effects(model, inputs, mean(Untouched(model, inputs), Site.Z)).mean(axis=0) + SMALLEST_EFFECT
    hinge = [max(0.0, math.log(MARGIN * e / effects[0])) for e in effects[1:]]
    _, penalty = Promotion(model, 0, 20)(make_pool(model, inputs, first_layer=0, batch=COPIES))
    assert float(penalty.detach()) == pytest.approx(sum(hinge), rel=1e-9)


def test_a_head_without_effect_is_far_from_the_top_and_the_other_is_there() -> None:
    """Head 0 of the counting model is its mean: effect 0, so that SMALLEST_EFFECT alone is left of it."""
    model = counting_model()
    _, pool = _copies(model, "([])")
    _, lifts_idle = Promotion(model, 0, TASK.max_length)(pool)
    _, keeps_top = Promotion(model, 1, TASK.max_length)(pool)
    assert float(lifts_idle.detach()) > math.log(MARGIN) + 2
    assert float(keeps_top.detach()) == 0


def test_longer_sequences_only_add_to_the_kl() -> None:
    model = random_model()
    _, pool = _copies(model, "([()])")
    kl, penalty = Promotion(model, 0, 4)(pool)
    assert float(kl.detach().abs().max()) == pytest.approx(0, abs=1e-12)
    assert torch.equal(penalty, torch.zeros(()))
