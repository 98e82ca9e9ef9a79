"""Random attention, entropy floors, intervals and shares: numbers that can be worked out another way."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from auditor.plans.plan import check_plan
from auditor.records import Kind, Verdict
from auditor.reproduction.diversity import dirichlet_baseline, most_different, variations
from auditor.reproduction.entropy import depth_distribution, entropy_floor, forced_share
from auditor.reproduction.families import FAMILIES, untrained
from auditor.reproduction.intervals import correlation, mean_interval
from auditor.reproduction.myopic import fall_rates
from auditor.reproduction.near_random import share_with_distant_twin, total_variation
from auditor.reproduction.pruning_width import halvings_per_number
from auditor.reproduction.results import TwinLine, WidthPoint
from auditor.reproduction.scales import STUDIES, scale_of
from auditor.testing.models import inputs_for
from tests.auditor.report.samples import sample_findings
from tests.handmade import counting_model


def test_two_random_attention_matrices_are_as_far_apart_as_the_formula_says() -> None:
    """Of rows with one key none, with two 1/3 (weights are uniform on [0, 1]): 2 · E(u − v)² = 2/6."""
    assert dirichlet_baseline(2, causal=True) == pytest.approx(1 / 3)
    assert dirichlet_baseline(16, causal=True) == pytest.approx(3.0, abs=0.02)
    assert dirichlet_baseline(17, causal=True) == pytest.approx(3.1, abs=0.02)
    assert dirichlet_baseline(17, causal=False) == pytest.approx(1.77, abs=0.02)
    generator = np.random.default_rng(0)
    drawn = [
        sum(float(np.square(np.subtract(*generator.dirichlet(np.ones(n), size=2))).sum()) for n in range(1, 18))
        for _ in range(400)
    ]
    assert np.mean(drawn) == pytest.approx(dirichlet_baseline(17, causal=True), rel=0.05)


def test_the_entropy_floor_is_that_of_all_strings_written_out() -> None:
    """Dyck(2, 2), five brackets: the entropy of every prefix by its probability."""
    expected = _floor_by_enumeration(types=2, depth=2, brackets=5)
    assert entropy_floor(2, depth=2, brackets=5) == pytest.approx(expected)


def _floor_by_enumeration(types: int, depth: int, brackets: int) -> float:
    """Σ −P ln P over whole strings, a chain of entropies, divided by their length."""
    entropy = 0.0
    strings: dict[tuple[str, ...], float] = {(): 1.0}
    stacks: dict[tuple[str, ...], tuple[int, ...]] = {(): ()}
    for _ in range(brackets):
        following: dict[tuple[str, ...], float] = {}
        following_stacks: dict[tuple[str, ...], tuple[int, ...]] = {}
        for string, probability in strings.items():
            stack = stacks[string]
            opens = 1.0 if not stack else 0.0 if len(stack) == depth else 0.5
            for kind in range(types):
                if opens:
                    longer = (*string, f"open {kind}")
                    following[longer], following_stacks[longer] = probability * opens / types, (*stack, kind)
            if opens < 1:
                longer = (*string, f"close {stack[-1]}")
                following[longer], following_stacks[longer] = probability * (1 - opens), stack[:-1]
        strings, stacks = following, following_stacks
    for probability in strings.values():
        entropy -= probability * math.log(probability)
    return entropy / brackets


@pytest.mark.parametrize(("types", "floor"), [(1, 0.595), (2, 0.961), (3, 1.176)])
def test_the_floors_of_the_second_study_come_out(types: int, floor: float) -> None:
    assert entropy_floor(types, depth=8, brackets=64) == pytest.approx(floor, abs=0.003)
    assert forced_share(depth=8, brackets=64) == pytest.approx(0.144, abs=0.001)
    assert depth_distribution(8, 64, 0.5).sum(1) == pytest.approx(np.ones(64))


def test_seeds_of_one_model_do_not_differ_and_pairs_are_counted() -> None:
    family = FAMILIES["example"]
    models = [untrained(family, seed) for seed in (0, 0, 1)]
    found = variations("example", models)
    assert [line.layer for line in found] == [0, 1]
    assert all(line.pairs == 3 and line.tokens == 17 for line in found)
    assert all(line.smallest == 0.0 < line.mean < line.largest for line in found)
    assert variations("example", models[:1]) == ()
    drawn = most_different({"a": models[0], "b": models[1], "c": models[2]})
    assert drawn is not None
    assert drawn.names in {("a", "c"), ("b", "c")}
    assert drawn.variation == pytest.approx(max(line.largest for line in found if line.layer == 1))


def test_total_variation_of_uniform_attention_to_attention_on_the_first_token() -> None:
    """Query j looks at each of j + 1 keys; the other model at START: ½(j/(j + 1) + j/(j + 1)) = j/(j + 1)."""
    model = counting_model()
    other = model.clone()
    with torch.no_grad():
        other.attentions[0].b_Q[:] = 40.0
        other.attentions[0].W_K[0] = 40.0
    inputs = inputs_for(model, 12)
    lengths = inputs.not_padding.sum(1).tolist()
    rows = [j / (j + 1) for length in lengths for j in range(1, length)]
    assert total_variation(model, other, inputs) == pytest.approx(np.mean(rows))
    assert total_variation(model, model, inputs) == 0.0


def test_models_are_counted_once_whatever_their_twins() -> None:
    def line(seed: int, state: str, moved: float | None) -> TwinLine:
        return TwinLine("example", seed, "behavioural_uniform_attention", state, moved, 0.0, 0.0, "")

    lines = [
        line(0, "certified", 0.9),
        line(0, "not_certified", None),
        line(1, "certified", 0.5),
        line(2, "not_certified", 0.9),
    ]
    assert share_with_distant_twin(lines, 0.8) == (1 / 3, 3)


def test_a_claim_falls_by_one_verdict_and_survives_by_all() -> None:
    """Of the sample: each claim once for each kind; a second model with nothing overturned halves the share."""
    findings = sample_findings()
    rates = fall_rates({"one": findings})
    for rate in rates:
        own = [one for one in findings if (one.claim.method, str(one.kind)) == (rate.method, rate.kind)]
        claims = {one.claim.identity for one in own}
        fallen = {one.claim.identity for one in own if one.verdict is Verdict.UNSTABLE}
        assert rate.claims == len(claims)
        assert rate.fall == pytest.approx(len(fallen) / len(claims))
        assert rate.fall + rate.survive <= 1.0
    assert {rate.kind for rate in rates} <= {str(kind) for kind in Kind}
    assert any(rate.fall > 0 for rate in rates)


def test_intervals_over_models() -> None:
    assert mean_interval([0.4] * 5) == pytest.approx((0.4, 0.4))
    low, high = mean_interval([0.0, 1.0, 0.0, 1.0])
    assert 0.0 <= low < 0.5 < high <= 1.0


def test_a_correlation_has_fishers_interval_or_a_reason() -> None:
    """r = 0.5 over 28 points: atanh 0.5 ± 1.96/5."""
    x = np.arange(28.0) - 13.5
    noise = np.cos(np.arange(28.0) * 2.399)
    noise -= noise.mean() + x * (noise @ x) / (x @ x)
    y = 0.5 * x / np.linalg.norm(x) + math.sqrt(0.75) * noise / np.linalg.norm(noise)
    found = correlation("x and y", list(zip(x, y, strict=True)))
    assert found.r == pytest.approx(0.5)
    assert found.interval == pytest.approx(
        (math.tanh(math.atanh(0.5) - 0.392), math.tanh(math.atanh(0.5) + 0.392)), abs=1e-4
    )
    assert correlation("none", [(0.0, 1.0)]).reason
    assert correlation("flat", [(1.0, 1.0), (1.0, 2.0), (1.0, 3.0)]).r is None


def test_an_error_that_halves_with_every_number_is_one_halving() -> None:
    points = [WidthPoint("m", n, 50 * n, 0.0, 2.0**-n) for n in (4, 6, 9)]
    assert halvings_per_number(points) == pytest.approx(1.0)
    assert halvings_per_number(points[:1]) is None


@pytest.mark.parametrize("study", STUDIES)
def test_the_plans_of_a_study_can_run_and_the_papers_is_the_larger(study: str) -> None:
    smoke, paper = (scale_of(study, name) for name in ("smoke", "paper"))
    for scale in (smoke, paper):
        check_plan(scale.plan)
    assert set(smoke.plan.methods) <= set(paper.plan.methods)
    assert smoke.plan.twin_steps < paper.plan.twin_steps
    assert smoke.training_share < paper.training_share == 1.0
    assert paper.seeds_of("any", 7) == tuple(range(7))
