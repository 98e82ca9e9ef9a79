"""The model written down by hand: right by construction, at every length that fits, for any k and D."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from auditor.behaviour.evaluation import evaluate
from auditor.behaviour.input_batch import draw_inputs
from auditor.canonical.interventions import run_with_cache
from auditor.canonical.sites import Site
from auditor.errors import ConfigurationError
from auditor.language.grammar import Dyck, reference_distribution
from auditor.language.task import Task
from auditor.seeds import numpy_generator
from auditor.zoo.construction import constructed_model

POSITIONS = 64


@pytest.mark.parametrize(("types", "depth"), [(1, 2), (2, 4), (3, 3)])
def test_it_gives_the_distribution_of_the_unbounded_generator(types: int, depth: int) -> None:
    task = Task(Dyck.standard(types, depth), max_length=40)
    model = constructed_model(task, POSITIONS).double()
    inputs = draw_inputs(task, 40, numpy_generator(0, "test"), lengths=(2, POSITIONS - 2))
    found = model(inputs.tokens).detach().softmax(-1)
    truth = torch.from_numpy(reference_distribution(task.language, inputs.states))
    torch.testing.assert_close(
        found[inputs.not_padding], truth[inputs.not_padding], rtol=0, atol=1e-6
    )  # weights are stored in float32


def test_the_head_of_the_last_layer_looks_at_the_last_unmatched_opener() -> None:
    task = Task(Dyck.standard(2, 4), max_length=40)
    model = constructed_model(task, POSITIONS).double()
    inputs = draw_inputs(task, 40, numpy_generator(0, "test"))
    _, cache = run_with_cache(model, inputs.tokens, sites=(Site.PATTERN,))
    mass = cache[Site.PATTERN, 1][:, 0].gather(2, inputs.opener.clamp_min(0)[:, :, None]).squeeze(2)
    assert float(mass[inputs.not_padding & (inputs.depth > 0)].min().detach()) > 1 - 1e-9
    uniform = 1 / torch.arange(1, inputs.tokens.shape[1] + 1)
    torch.testing.assert_close(cache[Site.PATTERN, 0][0, 0, :, 0].detach(), uniform.double())


def test_single_precision_is_enough_to_be_always_right() -> None:
    task = Task(Dyck.standard(2, 4), max_length=40)
    inputs = draw_inputs(task, 200, numpy_generator(0, "test"), lengths=(100, 120))
    found = evaluate(constructed_model(task, 128), inputs)
    assert found.closing_accuracy == 1.0
    assert found.illegal_mass < 1e-12


def test_a_vocabulary_without_end_is_refused() -> None:
    language = Dyck.standard(2, 4)
    without = replace(language, vocabulary=replace(language.vocabulary, end=None))
    with pytest.raises(ConfigurationError, match="without START or END"):
        constructed_model(Task(without), POSITIONS)
