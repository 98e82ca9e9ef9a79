"""When two models count as one function: each margin passes and fails by name."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from auditor.behaviour.bounds import ratio
from auditor.behaviour.certificate import (
    BEHAVIOURAL_MARGINS,
    LONGER_SEQUENCES,
    certify_behavioural,
    certify_exact,
)
from auditor.behaviour.evaluation import draw_deeper
from auditor.behaviour.input_batch import InputBatch, Rewritten, draw_inputs
from auditor.binomial import upper_bound
from auditor.canonical.model import CanonicalTransformer
from auditor.records import Certificate
from auditor.seeds import numpy_generator
from auditor.testing.families import FAMILIES, task_for
from tests.handmade import PLAIN, random_model, stack_model

ENOUGH = 800
"""Sequences at which 3/n lies below every margin."""


def _inputs(model: CanonicalTransformer, count: int = ENOUGH, lengths: tuple[int, int] | None = None) -> InputBatch:
    return draw_inputs(model.task, count, numpy_generator(0, "certificate"), lengths=lengths)


def _behavioural(
    ours: CanonicalTransformer, theirs: CanonicalTransformer, *, count: int = ENOUGH, longer: InputBatch | None = None
) -> Certificate:
    generator = numpy_generator(0, "decisions")
    return certify_behavioural(
        ours, theirs, _same(_inputs(ours, count)), None if longer is None else _same(longer), generator=generator
    )


def _same(inputs: InputBatch) -> Rewritten:
    return Rewritten(inputs, inputs)


@torch.no_grad()
def _with_output_bias(model: CanonicalTransformer, token: int, amount: float) -> CanonicalTransformer:
    twin = model.clone()
    twin.b_U[token] += amount
    return twin


def _one_nan(model: CanonicalTransformer) -> CanonicalTransformer:
    return _with_output_bias(model, 5, float("nan"))


@pytest.mark.parametrize(("amount", "passes"), [(0.0, True), (9e-10, True), (1.1e-9, False), (1.0, False)])
def test_an_exact_certificate_allows_rounding_and_no_more(amount: float, passes: bool) -> None:
    model = random_model(PLAIN)
    found = certify_exact(model, _with_output_bias(model, 4, amount), _inputs(model, 20))
    assert found.passed is passes
    assert found.max_abs_logit_difference == pytest.approx(amount, rel=1e-3, abs=1e-15)
    assert [text.split()[0] for text in found.failures] == ([] if passes else ["max|Δlogit|"])


def test_a_shift_of_all_logits_is_no_exact_equality() -> None:
    model = random_model(PLAIN)
    twin = model.clone()
    with torch.no_grad():
        twin.b_U += 0.1
    found = certify_exact(model, twin, _inputs(model, 20))
    assert not found.passed
    assert found.kl_mean_nats == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("weight", ["b_U", "layers.0.attention.W_Q", "W_E"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_not_finite_certifies_nothing_and_reports_no_number(weight: str, value: float) -> None:
    model = random_model(PLAIN)
    twin = model.clone()
    with torch.no_grad():
        twin.get_parameter(weight).flatten()[-1] = value
    for one, other in ((model, twin), (twin, model), (twin, twin)):
        for found in (certify_exact(one, other, _inputs(one, 120)), _behavioural(one, other, count=120)):
            assert not found.passed
            assert found.failures
            json.dumps(found.to_json(), allow_nan=False)


def test_nan_on_longer_inputs_alone_is_seen() -> None:
    model = random_model(FAMILIES["post-norm, learned positions, tied"])
    twin = model.clone()
    with torch.no_grad():
        twin.W_pos[13:] = float("nan")
    longer = _inputs(model, 20, lengths=(14, 14))
    found = _behavioural(model, twin, count=120, longer=longer)
    assert not found.passed
    json.dumps(found.to_json(), allow_nan=False)


def test_a_copy_is_certified_on_enough_sequences_only() -> None:
    model = stack_model()
    longer = _inputs(model, LONGER_SEQUENCES, lengths=(30, 40))
    found = _behavioural(model, model.clone(), longer=longer)
    assert found.passed
    assert found.failures == ()
    assert (found.kl_mean_nats, found.disagreement, found.closing_accuracy) == (0.0, 0.0, (1.0, 1.0))
    assert found.longer is not None
    assert found.longer["closing_accuracy_difference"] == 0.0
    assert found.longer["closing_accuracy_upper95"] == pytest.approx(3 / LONGER_SEQUENCES)
    assert found.closing_accuracy_upper95 == pytest.approx(3 / ENOUGH)
    assert found.uncovered is not None
    few = _behavioural(model, model.clone(), count=99)
    assert not few.passed
    assert "99 sequences < 100" in few.failures


def test_no_disagreement_still_gives_a_positive_bound() -> None:
    """0 of n decisions: the bound is 1 − 0.05^(1/n), and the accuracies may differ by 3/n."""
    model = stack_model()
    for count, passes in ((ENOUGH, True), (200, False)):
        found = _behavioural(model, model.clone(), count=count)
        assert found.disagreement_upper95 == pytest.approx(1 - 0.05 ** (1 / count))
        assert found.passed is passes
    assert {text.split()[0] for text in found.failures} == {"disagreement_upper95", "closing_accuracy"}


def test_few_longer_inputs_are_no_evidence_of_equality() -> None:
    """Without a difference in 20 sequences one of up to 3/20 is still possible: above the margin of two points."""
    model = stack_model()
    found = _behavioural(model, model.clone(), longer=_inputs(model, 20, lengths=(30, 40)))
    assert [text.split()[0] for text in found.failures] == ["longer_disagreement_upper95", "longer_closing_accuracy"]
    assert found.longer is not None
    assert found.longer["closing_accuracy_upper95"] == pytest.approx(3 / 20)


def test_deeper_inputs_are_reported_under_no_margin() -> None:
    """Biased towards ``a)`` by 1 nat, another random model errs everywhere; no failure is about deeper inputs."""
    model = random_model(PLAIN)
    twin = _with_output_bias(model, 6, 1.0)
    deeper = draw_deeper(model, 30, numpy_generator(0, "deeper"))
    assert deeper is not None
    assert bool((deeper.depth.amax(1) > model.task.language.depth).all())
    found = certify_behavioural(
        model, twin, _same(_inputs(model, 200)), None, deeper=_same(deeper), generator=numpy_generator(0, "x")
    )
    assert found.deeper is not None
    assert found.deeper["depth"] == model.task.language.depth + 2
    assert found.deeper["kl_mean_nats"] > 1e-3
    assert not any("deeper" in text for text in found.failures)
    assert Certificate.from_json(json.loads(json.dumps(found.to_json()))) == found


@pytest.mark.parametrize("family", ["minimal first layer, no output map", "one head, no norm, learned positions"])
def test_where_nothing_deeper_can_be_read_nothing_is_drawn(family: str) -> None:
    architecture = replace(FAMILIES[family], max_positions=11) if "positions" in family else FAMILIES[family]
    assert draw_deeper(random_model(architecture), 5, numpy_generator(0, "deeper")) is None


def test_a_twin_that_decides_otherwise_fails_by_name() -> None:
    model, twin = stack_model(), stack_model()
    assert twin.W_U is not None
    with torch.no_grad():
        twin.W_U[:2, 6:8] = twin.W_U[:2, 6:8].flip(1)
    found = _behavioural(model, twin, longer=_inputs(model, 260, lengths=(60, 70)))
    assert found.disagreement == found.disagreement_upper95 == 1.0
    assert found.closing_accuracy == (1.0, 0.0)
    assert {text.split()[0] for text in found.failures} == set(BEHAVIOURAL_MARGINS)


def test_a_twin_that_cannot_decide_fails_by_its_divergence() -> None:
    """With ``(a`` on top x is (√7, −1/√7, …) and the logit of ``b)`` is √7 (10 + 10/7) − 10/√7 = 10√7, that of ``a)``.

    So the twin gives each 1/2 against a certain answer: KL = ln 2 wherever ``(a`` is on top, and 0 elsewhere.
    """
    model, twin = stack_model(), stack_model()
    assert twin.W_U is not None
    with torch.no_grad():
        twin.W_U[0, 7] = 10 + 10 / 7
    found = _behavioural(model, twin)
    inputs = _inputs(model)
    share = float((inputs.stack_top_type[inputs.scored] == 0).double().mean())
    assert found.kl_q999_nats == pytest.approx(math.log(2), abs=1e-6)
    assert found.kl_mean_nats == pytest.approx(share * math.log(2), abs=1e-6)
    assert "kl_upper95_nats" in {text.split()[0] for text in found.failures}


def test_divergences_are_means_over_the_covered_positions() -> None:
    model = random_model(PLAIN)
    twin, inputs = _with_output_bias(model, 4, 0.5), _inputs(model, 200)
    with torch.no_grad():
        p, q = (m(inputs.tokens).softmax(-1)[inputs.scored].numpy() for m in (model, twin))
    kl = (p * np.log(p / q)).sum(1)
    found = certify_behavioural(model, twin, _same(inputs), None, generator=numpy_generator(0, "x"))
    assert found.kl_mean_nats == pytest.approx(kl.mean(), rel=1e-9)
    assert found.kl_q999_nats == pytest.approx(np.quantile(kl, 0.999), rel=1e-9)
    assert found.total_variation_mean == pytest.approx(np.abs(p - q).sum(1).mean() / 2, rel=1e-9)
    assert found.kl_upper95_nats is not None
    assert found.kl_upper95_nats > found.kl_mean_nats


def test_a_certificate_of_classifiers_compares_the_read_out_only() -> None:
    name = "bidirectional classifier, RMS norm"
    model = random_model(FAMILIES[name], task_for(FAMILIES[name]))
    assert certify_exact(model, model.clone(), _inputs(model, 20)).passed
    other = _with_output_bias(model, 0, 1.0)
    found = certify_exact(model, other, _inputs(model, 20))
    assert found.max_abs_logit_difference == pytest.approx(1.0)
    assert found.kl_mean_nats is not None
    assert found.kl_mean_nats > 1e-3


@pytest.mark.parametrize(("hits", "trials"), [(0, 1), (0, 300), (1, 10), (5, 20), (9, 10)])
def test_at_the_bound_at_most_so_many_hits_have_probability_one_in_twenty(hits: int, trials: int) -> None:
    """The definition of Clopper & Pearson: P(X ≤ hits) = 0.05 at the bound, by summing the binomial."""
    p = upper_bound(hits, trials)
    chance = sum(math.comb(trials, k) * p**k * (1 - p) ** (trials - k) for k in range(hits + 1))
    assert chance == pytest.approx(0.05)


def test_all_hits_give_the_bound_one() -> None:
    assert upper_bound(10, 10) == 1.0


def test_the_bound_holds_as_often_as_it_promises() -> None:
    """Exact coverage at p = 0.1, n = 30: P(bound ≥ p) ≥ 0.95 by summing the binomial."""
    n, p = 30, 0.1
    scored = sum(math.comb(n, h) * p**h * (1 - p) ** (n - h) for h in range(n + 1) if upper_bound(h, n) >= p)
    assert 0.95 <= scored < 1


def test_a_clustered_error_is_larger_than_a_naive_one() -> None:
    """Ten sequences of ten equal values: only ten independent numbers."""
    generator = numpy_generator(0, "clusters")
    values = np.repeat(generator.normal(size=10), 10)
    mean, half = ratio(values, np.repeat(np.arange(10), 10), 10)
    sample = values[::10]
    assert mean == pytest.approx(sample.mean())
    assert half == pytest.approx(1.8331 * sample.std(ddof=1) / math.sqrt(10), rel=1e-4)
