"""Twins that are trained: what each may and may not change, and that they are made again from their seed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from auditor import zoo
from auditor.behaviour.certificate import certify_behavioural
from auditor.behaviour.input_batch import Rewritten, draw_inputs
from auditor.canonical.interventions import run_with_cache
from auditor.canonical.model import CanonicalTransformer
from auditor.canonical.sites import Site
from auditor.checkpoints.intake.detection import load
from auditor.contracts import Transformed, TransformRequest, equivalences
from auditor.errors import ConfigurationError
from auditor.language.task import Task
from auditor.measures.ablation.substitutes import mean
from auditor.measures.ablation.sweep import head_effects
from auditor.measures.untouched import Untouched
from auditor.records import Certificate
from auditor.seeds import numpy_generator
from auditor.testing.families import FAMILIES, task_for
from auditor.testing.snapshots import differences, snapshot
from tests.handmade import PLAIN, TASK, inputs_for, random_model

pytestmark = pytest.mark.slow

FROZEN, UNIFORM = "behavioural_frozen_random_attention", "behavioural_uniform_attention"
IMPORTANCE, WALK = "behavioural_adversarial_importance", "behavioural_random_walk"
SEED, DISTILLED = "behavioural_fresh_seed", "behavioural_fresh_seed_distilled"
INTERPOLATED = "behavioural_aligned_interpolation"
ADVERSARIAL, EVERY_LAYER = "behavioural_adversarial_attention", "behavioural_adversarial_attention_all_layers"
PRUNED = "behavioural_magnitude_pruning"
ALL = (FROZEN, UNIFORM, IMPORTANCE, WALK, SEED, DISTILLED, INTERPOLATED)


def _made(name: str, model: CanonicalTransformer, *, steps: int, seed: int = 0, restarts: int = 1) -> Transformed:
    parameters = {"steps": steps, "restarts": restarts}
    generator = numpy_generator(seed, "twin")
    return equivalences()[name].transform(
        TransformRequest(model, inputs_for(model, 8), generator, parameters=parameters)
    )


def _moved(model: CanonicalTransformer, twin: CanonicalTransformer) -> set[str]:
    before, after = model.clone(dtype=torch.float32).state_dict(), twin.state_dict()
    return {name for name in after if not torch.equal(before[name], after[name])}


@pytest.fixture(autouse=True)
def _small_pools(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Fewer sequences, except where a twin is trained to the end."""
    if "timeout" not in request.keywords:
        monkeypatch.setattr("auditor.twins.distillation_data.SEQUENCES", 96)
        monkeypatch.setattr("auditor.twins.distillation_data.LONG_SEQUENCES", 32)
        monkeypatch.setattr("auditor.twins.distillation_data.SHORT_DRAWS", 200)
        monkeypatch.setattr("auditor.twins.ladder.SEARCH", 32)
        monkeypatch.setattr("auditor.twins.ladder.LONGER_SEARCH", 16)
        monkeypatch.setattr("auditor.training.fit.DRAWN_TOGETHER", 2)


@pytest.mark.parametrize("name", ALL)
def test_one_seed_is_one_twin_and_the_original_is_left_alone(name: str) -> None:
    model = random_model(PLAIN)
    inputs = inputs_for(model, 8)
    before = snapshot(model, inputs)
    first, again, other = (_made(name, model, steps=4, seed=seed) for seed in (0, 0, 1))
    assert not differences(before, snapshot(model, inputs))
    assert not _moved(first.model, again.model)
    assert first.parameters == again.parameters
    assert first.relabelling == again.relabelling
    assert _moved(first.model, other.model)
    assert first.parameters["steps" if name == SEED else "spent_steps"] == 4
    assert first.model.task == model.task


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("family", ["minimal first layer, no output map", "post-norm, learned positions, tied"])
def test_every_kind_of_language_model_has_its_twin(name: str, family: str) -> None:
    model = random_model(FAMILIES[family], task_for(FAMILIES[family]))
    twin = _made(name, model, steps=1, restarts=2)
    assert all(torch.isfinite(weight).all() for weight in twin.model.parameters())
    if not model.architecture.embedding_trained:
        assert "W_E" not in _moved(model, twin.model)


@pytest.mark.parametrize("name", ALL)
def test_interrupted_training_leaves_the_original_alone(name: str) -> None:
    model = random_model(PLAIN)

    def interrupt(_share: float, _words: str) -> None:
        raise KeyboardInterrupt

    inputs = inputs_for(model, 8)
    before = snapshot(model, inputs)
    with pytest.raises(KeyboardInterrupt):
        equivalences()[name].transform(
            TransformRequest(model, inputs, numpy_generator(0, "x"), parameters={"steps": 3}, progress=interrupt)
        )
    assert not differences(before, snapshot(model, inputs))


READ_OUTS: dict[str, dict[str, Any]] = {
    "mean": {"family": "bidirectional classifier, RMS norm"},
    "last token": {"family": "causal classifier, last token"},
    "first position": {"family": "bidirectional classifier, RMS norm", "read_out": 0, "mean_skips": ()},
    "padding is read": {"family": "bidirectional classifier, RMS norm", "pad_masked": False},
}


@pytest.mark.parametrize("name", [*ALL, ADVERSARIAL, EVERY_LAYER, PRUNED])
@pytest.mark.parametrize("kind", READ_OUTS)
def test_every_kind_of_classifier_has_its_twin(name: str, kind: str) -> None:
    changed = dict(READ_OUTS[kind])
    family = FAMILIES[changed.pop("family")]
    model = random_model(replace(family, **changed), task_for(family))
    if equivalences()[name].not_applicable(model) is not None:
        pytest.skip("one head or one layer")
    twin = _made(name, model, steps=4)
    assert all(torch.isfinite(weight).all() for weight in twin.model.parameters())
    assert _moved(model, twin.model) or name == PRUNED  # 32 search sequences let no sparsity pass


def test_random_attention_stays_as_it_was_drawn_and_everything_else_is_taught() -> None:
    model = random_model(PLAIN)
    shorter, longer = (_made(FROZEN, model, steps=steps).model for steps in (1, 6))
    for twin in (shorter, longer):
        assert not twin.attentions[-1].b_Q.any()
        assert not twin.attentions[-1].b_K.any()
        assert {"layers.1.attention.W_Q", "layers.0.attention.W_Q", "layers.1.attention.W_V", "W_U"} <= _moved(
            model, twin
        )
    same = set(shorter.state_dict()) - _moved(shorter, longer)
    assert {f"layers.1.attention.{name}" for name in ("W_Q", "W_K", "b_Q", "b_K")} <= same
    size = float(longer.attentions[-1].W_Q.detach().square().mean() * PLAIN.model_width)
    assert size == pytest.approx(1, rel=0.5)  # 64 draws of variance 1/width: off by half once in a thousand


def test_uniform_attention_gives_every_visible_key_the_same_weight() -> None:
    model = random_model(PLAIN)
    twin = _made(UNIFORM, model, steps=3).model
    inputs = inputs_for(model, 4)
    _, cache = run_with_cache(twin, inputs.tokens, sites=(Site.PATTERN,))
    length = inputs.tokens.shape[1]
    uniform = torch.tril(torch.ones(length, length)) / torch.arange(1, length + 1)[:, None]
    torch.testing.assert_close(cache[Site.PATTERN, 1], uniform.expand_as(cache[Site.PATTERN, 1]))


def test_every_head_but_the_top_one_is_lifted_in_turn() -> None:
    model = random_model(PLAIN)
    inputs = inputs_for(model, 8)
    effects = head_effects(model, inputs, mean(Untouched(model, inputs), Site.Z)).mean(axis=0)
    labels = [model.architecture.heads[index].label for index in np.argsort(effects)]
    choices = equivalences()[IMPORTANCE].choices(PLAIN, 9)
    found = [
        equivalences()[IMPORTANCE]
        .transform(
            TransformRequest(model, inputs, numpy_generator(0, "x"), parameters={"steps": 1, "restarts": 1, **choice})
        )
        .parameters["target"]
        for choice in choices
    ]
    assert found == labels[:-1]


def test_a_model_with_one_head_is_not_applicable() -> None:
    assert "one head" in str(
        equivalences()[IMPORTANCE].not_applicable(random_model(FAMILIES["one head, no norm, learned positions"]))
    )


def test_a_walk_moves_every_weight_and_reports_the_distance() -> None:
    model = random_model(PLAIN)
    found = _made(WALK, model, steps=8)
    assert _moved(model, found.model) == set(model.state_dict())
    assert 0.1 < found.parameters["relative_distance"] < 1


@pytest.mark.parametrize("name", [SEED, DISTILLED])
def test_fresh_models_come_with_a_matching_within_each_layer(name: str) -> None:
    found = _made(name, random_model(PLAIN), steps=3)
    heads = [entry[0] for entry in found.relabelling.moves["head"] if entry is not None]
    assert sorted(heads[:2]) == [0, 1]
    assert sorted(heads[2:]) == [2, 3]
    assert sorted(entry for entry in found.relabelling.moves["neuron"] if entry) == [(i,) for i in range(11)]
    assert -1 <= found.parameters["neuron_similarity"] <= found.parameters["head_similarity"] + 1 <= 2


def test_an_average_with_a_student_reports_the_barrier_and_stays_near_the_original() -> None:
    """A student that learned nothing is far: the smallest share is taken, and it says what stands between."""
    model = random_model(PLAIN)
    found = _made(INTERPOLATED, model, steps=1)
    barrier = found.parameters["kl_mean_nats_by_alpha"]
    assert list(barrier) == ["0.5", "0.4", "0.3", "0.2", "0.15", "0.1", "0.05"]
    assert barrier["0.5"] > barrier["0.05"] > 0
    assert found.parameters["alpha"] == 0.05
    assert "barrier" in found.parameters["binding"]
    assert not found.relabelling.moves


def test_training_again_needs_a_model_that_can_be_trained() -> None:
    model = random_model(replace(PLAIN, causal=False))
    assert "bidirectional" in str(equivalences()[SEED].not_applicable(model))


def test_training_again_that_diverges_is_still_a_variant(monkeypatch: pytest.MonkeyPatch) -> None:
    def diverging(*_args: object) -> list[None]:
        raise ConfigurationError("the loss is nan after 2 steps")

    monkeypatch.setattr("auditor.equivalences.behavioural_fresh_seed.train", diverging)
    assert _made(SEED, random_model(PLAIN), steps=3).parameters["accuracy"] == 0


def test_a_closing_bracket_model_is_taught_what_it_was_trained_on() -> None:
    task: Task = replace(TASK, objective="closing_bracket", prefixes=True, min_length=4)
    for name in (IMPORTANCE, SEED, DISTILLED):
        assert _made(name, random_model(PLAIN, task), steps=1).model.task == task


def _certificate(model: CanonicalTransformer, twin: CanonicalTransformer) -> Certificate:
    inputs = draw_inputs(model.task, 2_000, numpy_generator(0, "certificate"))
    given = Rewritten(inputs, inputs)
    return certify_behavioural(model, twin, given, None, generator=numpy_generator(0, "decisions"))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_bundled_model_has_a_certified_twin_with_random_attention() -> None:
    model = load(zoo.path("dyck2x4-2layer-2head")).model
    certificate = _certificate(model, _made(FROZEN, model, steps=700).model)
    assert certificate.passed, certificate.failures


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_least_important_head_of_the_bundled_model_becomes_the_top_one() -> None:
    model = load(zoo.path("dyck2x4-2layer-2head")).model
    found = _made(IMPORTANCE, model, steps=500)
    before, after = (found.parameters[f"effects_{when}_nats"] for when in ("before", "after"))
    target = found.parameters["target"]
    assert target == min(before, key=before.get)
    assert target == max(after, key=after.get)
    certificate = _certificate(model, found.model)
    assert certificate.kl_mean_nats is not None
    assert certificate.kl_mean_nats <= 2e-3
