"""Training: reproducible, it learns, it covers what the objective covers, and it refuses what it cannot train."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from auditor.canonical.architecture import Architecture, Block
from auditor.canonical.model import CanonicalTransformer
from auditor.errors import ConfigurationError
from auditor.language.grammar import Dyck, reference_distribution, states
from auditor.language.task import Task
from auditor.seeds import numpy_generator
from auditor.training.fit import FitResult, Schedule, fit, new_model, train
from auditor.training.objectives import LanguageBatch, LanguageModelling

pytestmark = pytest.mark.slow

LANGUAGE = Dyck.standard(2, 2)
TASK = Task(LANGUAGE, max_length=8)
NO_PAD = replace(LANGUAGE, vocabulary=replace(LANGUAGE.vocabulary, pad=None))
ARCHITECTURE = Architecture(
    model_width=16,
    vocabulary_size=len(LANGUAGE.vocabulary),
    blocks=(Block(heads=2, query_width=8, value_width=8, neurons=32),) * 2,
)
STEPS = 300
LOSS_SAMPLING = 0.03
"""Nats: about three standard errors of the mean loss over the last six steps of 64 sequences."""


@pytest.fixture(scope="module")
def learned() -> FitResult:
    return fit(ARCHITECTURE, TASK, seed=0, schedule=Schedule(STEPS, learning_rate=1e-2))


@pytest.fixture(scope="module")
def learned_closing() -> FitResult:
    return fit(
        ARCHITECTURE, replace(TASK, objective="closing_bracket"), seed=0, schedule=Schedule(STEPS, learning_rate=1e-2)
    )


def _same_weights(one: CanonicalTransformer, other: CanonicalTransformer) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


def test_one_seed_gives_one_model_bit_for_bit_whatever_the_global_generators_do() -> None:
    first = fit(ARCHITECTURE, TASK, seed=3, schedule=Schedule(5, batch=8))
    torch.rand(7)
    np.random.default_rng().random(7)
    before = torch.get_rng_state()
    second = fit(ARCHITECTURE, TASK, seed=3, schedule=Schedule(5, batch=8))
    assert torch.equal(before, torch.get_rng_state())
    assert _same_weights(first.model, second.model)
    assert first.curve == second.curve
    assert not _same_weights(first.model, fit(ARCHITECTURE, TASK, seed=4, schedule=Schedule(5, batch=8)).model)


def test_it_learns_the_language(learned: FitResult) -> None:
    """An untrained model rarely puts 0.8 of the closing mass on one bracket, and half the time on the wrong one."""
    untrained = fit(ARCHITECTURE, TASK, seed=0, schedule=Schedule(1))
    assert untrained.accuracy < 0.6
    assert learned.accuracy > 0.99


def test_the_loss_falls_to_the_entropy_of_the_task_and_not_below(learned: FitResult) -> None:
    """No model has a smaller loss than the entropy per token of the strings it learns from.

    The walk draws a string w with probability Π p, and keeps it if it has at most 8 brackets (with probability P): so
    −log p(w) = −Σ log p + log P. A model that ignores the bound on the length can't do better than −Σ log p.
    """
    given = TASK.draw(4_000, numpy_generator(0, "test"))
    unbounded = Task(LANGUAGE, max_length=400).draw(4_000, numpy_generator(0, "test", "unbounded"))
    kept = float((unbounded.lengths - 2 <= TASK.max_length).mean())
    truth = reference_distribution(LANGUAGE, states(LANGUAGE, given.inputs))
    truth[:, 0, :] *= 2  # START is not followed by END
    of_labels = np.take_along_axis(truth, given.tokens[:, 1:, None], axis=2)[..., 0]
    ignoring_length = float(-np.log(of_labels[given.input_mask]).mean())
    entropy = ignoring_length + math.log(kept) * len(given) / given.input_mask.sum()
    assert entropy - LOSS_SAMPLING < learned.curve[-1].loss < ignoring_length + LOSS_SAMPLING
    assert learned.curve[0].loss > ignoring_length + 0.3


def test_the_closing_objective_teaches_which_bracket_closes_and_nothing_else(
    learned: FitResult, learned_closing: FitResult
) -> None:
    """With labels only where a bracket closes, all mass goes to closing brackets; otherwise half of it does."""
    opening = LANGUAGE.vocabulary.opening[0]
    tokens, closing = torch.tensor([[2, opening]]), list(LANGUAGE.vocabulary.closing)
    masses = [float(r.model(tokens)[0, -1].softmax(-1)[closing].sum().detach()) for r in (learned, learned_closing)]
    assert masses[0] == pytest.approx(0.5, abs=0.1)
    assert masses[1] > 0.98
    assert learned_closing.accuracy > 0.99


def test_the_result_is_an_eval_model_without_gradients_and_a_whole_curve(learned: FitResult) -> None:
    assert not learned.model.training
    assert all(parameter.grad is None for parameter in learned.model.parameters())
    assert learned.curve[-1].step == STEPS
    assert len(learned.curve) == 50
    assert learned.seconds > 0


def test_a_fixed_table_is_not_trained() -> None:
    fixed = replace(ARCHITECTURE, embedding_trained=False)
    trained = fit(fixed, TASK, seed=0, schedule=Schedule(3, batch=4)).model
    assert torch.equal(trained.W_E, new_model(fixed, TASK, 0).W_E)


def test_progress_goes_from_near_nothing_to_one_and_may_interrupt() -> None:
    shares: list[float] = []
    fit(ARCHITECTURE, TASK, seed=0, schedule=Schedule(10, batch=4), progress=lambda share, _words: shares.append(share))
    assert shares == [pytest.approx(step / 10) for step in range(1, 11)]

    def stop(share: float, words: str) -> None:
        raise KeyboardInterrupt(words)

    with pytest.raises(KeyboardInterrupt, match="step 1 of 10: loss"):
        fit(ARCHITECTURE, TASK, seed=0, schedule=Schedule(10, batch=4), progress=stop)


def test_prefixes_of_one_bracket_with_nothing_to_close_do_not_stop_training() -> None:
    task = Task(LANGUAGE, objective="closing_bracket", prefixes=True, min_length=1, max_length=2)
    assert np.isfinite(
        [point.loss for point in fit(ARCHITECTURE, task, seed=0, schedule=Schedule(20, batch=1)).curve]
    ).all()


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"steps": 0}, "0 training steps; expected at least 1"),
        ({"batch": -2}, "-2 sequences per batch"),
        ({"learning_rate": 0.0}, "learning rate 0.0; expected above 0"),
        ({"learning_rate": float("nan")}, "learning rate nan"),
        ({"contrast": -1.0}, "balance penalty -1.0; expected 0 to 1000"),
    ],
)
def test_settings_that_train_nothing_are_refused(setting: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        Schedule(**setting)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("architecture", "task", "message"),
    [
        (ARCHITECTURE, replace(TASK, objective="classifier"), "objective classifier for a model with 8 outputs"),
        (replace(ARCHITECTURE, causal=False, read_out=0, classes=2), TASK, "objective next_token for a model with 2"),
        (
            replace(ARCHITECTURE, read_out=0, classes=2),
            replace(TASK, objective="classifier"),
            "read at the first position, from which it sees one token",
        ),
        (
            replace(ARCHITECTURE, read_out="last", classes=2),
            replace(TASK, language=NO_PAD, objective="classifier"),
            "read_out 'last' without PAD",
        ),
        (replace(ARCHITECTURE, causal=False), TASK, "could read the token it should predict"),
        (replace(ARCHITECTURE, vocabulary_size=9), TASK, "for 9 tokens and a task with 8"),
        (replace(ARCHITECTURE, positions="learned", max_positions=8), TASK, "8 positions for inputs of up to 9 tokens"),
        (ARCHITECTURE, Task(LANGUAGE, prefixes=True, min_length=1, max_length=1), "strings of one bracket"),
    ],
)
def test_what_cannot_be_trained_is_refused(architecture: Architecture, task: Task, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        fit(architecture, task, seed=0, schedule=Schedule(1))


def test_a_table_of_exactly_the_longest_input_is_enough() -> None:
    fit(replace(ARCHITECTURE, positions="learned", max_positions=9), TASK, seed=0, schedule=Schedule(2))


def test_a_loss_that_is_not_finite_stops_training_with_the_step() -> None:
    model = new_model(ARCHITECTURE, TASK, 0)
    with torch.no_grad():
        model.b_U[0] = float("nan")
    with pytest.raises(ConfigurationError, match="the loss is nan after 1 steps"):
        list(train(model, Schedule(steps=2), 0))


CLASSIFIER = replace(
    ARCHITECTURE, positions="learned", max_positions=9, causal=False, pad_masked=True, read_out=0, classes=2
)


@pytest.mark.slow
@pytest.mark.parametrize(
    "architecture",
    [
        CLASSIFIER,
        replace(CLASSIFIER, read_out="mean", norm_sites=("embedding", "attention_in", "mlp_in", "final")),
        replace(ARCHITECTURE, positions="rotary", rotary_width=2, read_out="last", classes=2),
    ],
    ids=["first", "mean", "last"],
)
def test_a_classifier_learns_which_strings_are_words(architecture: Architecture) -> None:
    """Half the strings are words; guessing gives one half."""
    task = replace(TASK, objective="classifier", reads_end=architecture.read_out == "last")
    result = fit(architecture, task, seed=0, schedule=Schedule(200, learning_rate=1e-2))
    assert result.curve[0].accuracy < 0.75
    assert result.accuracy > 0.9


def test_the_balance_regulariser_makes_a_balanced_prefix_matter_less() -> None:
    """The same steps with and without it: what a prefix does to the scored logits shrinks."""
    task = replace(TASK, objective="closing_bracket")
    plain, balanced = (
        fit(ARCHITECTURE, task, seed=0, schedule=Schedule(60, learning_rate=1e-2, contrast=weight)).model
        for weight in (0.0, 1.0)
    )
    batch = next(LanguageModelling(task, 1.0).batches(1, 200, numpy_generator(1, "test")))
    assert isinstance(batch, LanguageBatch)
    without = replace(batch, prefix=None)
    change = [float((batch.loss(model) - without.loss(model)).detach()) for model in (plain, balanced)]
    assert 0 < change[1] < 0.5 * change[0]
