"""Interchange interventions where the subspace that holds the type is known."""

from __future__ import annotations

import numpy as np

from auditor.behaviour.input_batch import InputBatch, draw_inputs
from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import Request, methods
from auditor.measures.patching.interchange import interchange_accuracy
from auditor.measures.patching.runs import shared_pairs
from auditor.measures.probing import folds_of
from auditor.seeds import numpy_generator
from tests.handmade import TASK, counting_model, inputs_from, stack_model


def _accuracy(model: CanonicalTransformer, inputs: InputBatch) -> tuple[np.ndarray, dict[int, str]]:
    pairs = shared_pairs(Request(model, inputs, numpy_generator(0, "known")))
    return interchange_accuracy(pairs, folds_of(pairs.clean.inputs), 1)


def test_the_stack_model_holds_the_type_in_one_direction() -> None:
    """What attention writes is e_top/n: clean and corrupt differ along e_a − e_b alone, where swapping it swaps all.

    At the embedding they differ at the bracket itself, one of the positions read, and by the same ±(e_a − e_b)."""
    model = stack_model()
    values, undefined = _accuracy(model, draw_inputs(model.task, 20, numpy_generator(0, "stack")))
    assert not undefined
    np.testing.assert_array_equal(values, 1.0)


def test_without_a_trace_of_the_type_there_is_nothing_to_swap() -> None:
    values, undefined = _accuracy(counting_model(), inputs_from(TASK, ["(())", "[()([])]()", "([])[]"]))
    assert set(undefined) == {0, 1}
    assert np.isnan(values).all()


def test_the_score_is_what_is_above_the_untrained_model() -> None:
    model = stack_model()
    request = Request(model, draw_inputs(model.task, 20, numpy_generator(0, "stack")), numpy_generator(0, "known"))
    found = methods()["interchange_stack_top"].interpret(request).values
    untrained = 1.0 - found[:, 1]
    assert ((untrained >= 0) & (untrained <= 1)).all()
    assert 0.2 < untrained.mean() < 1.0, "one direction of random weights swaps some answers too"
