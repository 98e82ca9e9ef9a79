"""The twin with the same outputs and other attention: a few training steps, and the full number."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from auditor import zoo
from auditor.behaviour.input_batch import draw_inputs
from auditor.canonical.architecture import Block
from auditor.canonical.model import CanonicalTransformer
from auditor.checkpoints.intake.detection import load
from auditor.contracts import Transformed, TransformRequest, equivalences
from auditor.language.grammar import Dyck
from auditor.language.task import Task
from auditor.plans.plan import PLANS
from auditor.records import Interpretation, VariantState
from auditor.seeds import numpy_generator
from auditor.stages.build import build
from auditor.stages.measure import measure
from auditor.testing.families import FAMILIES, task_for
from auditor.testing.snapshots import differences, snapshot
from auditor.training.fit import Schedule as FitSchedule
from auditor.training.fit import fit
from auditor.twins import ladder
from auditor.twins.attention_distance import total_variation
from auditor.twins.ladder import Examine
from auditor.verdicts.distances import pattern_variation
from tests.handmade import PLAIN, TASK, inputs_for, random_model

NAME = "behavioural_adversarial_attention"


def _made(model: CanonicalTransformer, *, steps: int, seed: int = 0) -> Transformed:
    return equivalences()[NAME].transform(
        TransformRequest(
            model, inputs_for(model, 4), numpy_generator(seed, "twin"), parameters={"steps": steps, "restarts": 1}
        )
    )


@pytest.fixture(autouse=True)
def _small_pools(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Fewer sequences, except where the twin is trained to the end."""
    if "slow" not in request.keywords:
        monkeypatch.setattr("auditor.twins.distillation_data.SEQUENCES", 128)
        monkeypatch.setattr("auditor.twins.distillation_data.LONG_SEQUENCES", 32)
        monkeypatch.setattr("auditor.twins.distillation_data.SHORT_DRAWS", 200)


@pytest.mark.parametrize("steps", range(1, 6))
def test_any_number_of_steps_runs(steps: int) -> None:
    found = _made(random_model(PLAIN), steps=steps)
    assert all(torch.isfinite(p).all() for p in found.model.parameters())
    assert found.parameters["spent_steps"] <= found.parameters["budget_steps"] == steps


STARTS = [f"target {target}" for target in (0.8, 0.77, 0.74, 0.71, 0.68, 0.65, 0.62, 0.59)]
ON = "target 0.815"
FOUR_TIMES = [STARTS[0], *[ON] * 4, STARTS[1], *[ON] * 4]
ONCE = [STARTS[0], ON, STARTS[1], ON, STARTS[2], ON, STARTS[3], ON, STARTS[4]]
PASSED = FOUR_TIMES[:5]


@pytest.mark.parametrize(
    ("moved", "passes", "targets"),
    [(0.9, False, FOUR_TIMES), (0.78, False, ONCE), (0.78, True, ONCE), (0.5, False, STARTS), (0.9, True, PASSED)],
)
def test_a_start_for_a_classifier_is_gone_on_with_while_it_is_near_its_aim(
    monkeypatch: pytest.MonkeyPatch, moved: float, passes: bool, targets: list[str]
) -> None:
    """A start has 15 steps, going on has 10, within a budget of 60, half of it, and a third of both."""
    monkeypatch.setattr("auditor.twins.ladder.SEARCH", 32)
    monkeypatch.setattr("auditor.twins.ladder.Attempt.is_comfortable", property(lambda _attempt: False))
    monkeypatch.setattr("auditor.twins.divergence.total_variation", lambda *_: torch.tensor([0.95, moved]))
    examiner = ladder.examiner

    def judged(*given: Any) -> Examine:
        examine = examiner(*given)
        return lambda twin: replace(examine(twin), passed=passes)

    monkeypatch.setattr(ladder, "examiner", judged)
    family = FAMILIES["bidirectional classifier, RMS norm"]
    model = random_model(family, task_for(family))
    found = equivalences()[NAME].transform(
        TransformRequest(model, inputs_for(model, 4), numpy_generator(0, "x"), parameters={"steps": 20, "restarts": 3})
    )
    rungs = [attempt["rung"] for attempt in found.parameters["attempts"]]
    assert [rung.split(",")[0] for rung in rungs] == targets
    assert [f"from attempt {number - 1}" in rung for number, rung in enumerate(rungs)] == [
        target == ON for target in targets
    ]
    assert found.parameters["spent_steps"] <= found.parameters["budget_steps"] == 120


def test_one_seed_is_one_twin_and_the_original_is_left_alone() -> None:
    model = random_model(PLAIN)
    inputs = inputs_for(model, 4)
    before = snapshot(model, inputs)
    first, again, other = (_made(model, steps=8, seed=seed).model.state_dict() for seed in (0, 0, 1))
    assert not differences(before, snapshot(model, inputs))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_only_the_attacked_layer_and_what_follows_is_trained() -> None:
    model = random_model(PLAIN)
    twin = _made(model, steps=5).model.state_dict()
    single = model.clone(dtype=torch.float32).state_dict()
    moved = {name for name in twin if not torch.equal(twin[name], single[name])}
    assert {"layers.1.attention.W_Q", "layers.1.attention.W_K", "W_U"} <= moved
    assert all(name.startswith(("layers.1.", "final_norm.", "W_U", "b_U")) for name in moved)


def test_interrupted_training_leaves_flags_and_gradients_alone() -> None:
    model = random_model(PLAIN)

    def interrupt(_share: float, _words: str) -> None:
        raise KeyboardInterrupt

    before = snapshot(model, inputs_for(model, 4))
    with pytest.raises(KeyboardInterrupt):
        equivalences()[NAME].transform(
            TransformRequest(
                model,
                inputs_for(model, 4),
                numpy_generator(0, "x"),
                parameters={"steps": 3, "restarts": 1},
                progress=interrupt,
            ),
        )
    assert not differences(before, snapshot(model, inputs_for(model, 4)))


def test_positions_bound_the_lengths_that_are_taught() -> None:
    tight = random_model(FAMILIES["post-norm, learned positions, tied"])
    assert torch.isfinite(_made(tight, steps=2).model.W_pos).all()


def test_a_closing_bracket_model_can_be_distilled() -> None:
    task: Task = replace(TASK, objective="closing_bracket", prefixes=True, min_length=4)
    assert _made(random_model(PLAIN, task), steps=2).model.task == task


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_small_classifier_has_a_certified_twin_that_attends_elsewhere() -> None:
    """Trained here until it is nearly always right; every head of the last layer moves by 0.8 or more."""
    architecture = replace(
        PLAIN,
        model_width=16,
        blocks=(Block(2, 8, 8, neurons=32),) * 2,
        causal=False,
        pad_masked=True,
        positions="learned",
        max_positions=11,
        read_out="mean",
        classes=2,
    )
    task = Task(Dyck.standard(1, 3), "classifier", max_length=10)
    architecture = replace(architecture, vocabulary_size=len(task.language.vocabulary))
    trained = fit(architecture, task, seed=0, schedule=FitSchedule(steps=700))
    assert trained.accuracy > 0.97
    plan = replace(PLANS["quick"], equivalences=(NAME,), twin_steps=1_000)
    built = build(trained.model, plan, 0, f"{NAME}/0")
    assert built.variant.state is VariantState.CERTIFIED, (built.variant.reason, built.variant.parameters)
    assert built.model is not None
    inputs = draw_inputs(task, 400, numpy_generator(1, "seen by no search"))
    moved = total_variation(trained.model, built.model, inputs, (1,))
    assert float(moved.min()) >= 0.8, built.variant.parameters["attempts"]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_bundled_model_has_a_certified_twin_that_attends_elsewhere() -> None:
    """Same answers (KL ≤ 1e-3 nats, decisions differ on ≤ 1 %), other attention (total variation ≥ 0.85 per head)."""
    model = load(zoo.path(zoo.DEMONSTRATION)).model
    plan = PLANS["quick"]
    built = build(model, plan, 0, f"{NAME}/0")
    assert built.variant.state is VariantState.CERTIFIED, built.variant.reason
    assert built.model is not None
    certificate = built.variant.certificate
    assert certificate is not None
    assert certificate.kl_mean_nats is not None
    assert certificate.kl_mean_nats <= 1e-3
    assert certificate.disagreement_upper95 is not None
    assert certificate.disagreement_upper95 <= 0.01
    ours, theirs = (measure(m, plan, 0, "attention_pattern") for m in (model, built.model))
    assert isinstance(ours, Interpretation)
    assert isinstance(theirs, Interpretation)
    last = [i for i, head in enumerate(ours.components) if head.layer == model.architecture.layers - 1]
    assert len(last) == 2
    variation = pattern_variation(ours.values, theirs.values).mean
    assert np.all(variation[last] >= 0.85), variation
    assert np.all(np.delete(variation, last) < 1e-3)  # in front of the attacked layer nothing moves
