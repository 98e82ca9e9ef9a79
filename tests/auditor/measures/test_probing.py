"""Linear probes: the regression, the folds, the control, and what probes find where the answer is known."""

from __future__ import annotations

import numpy as np
import torch

from auditor.behaviour.input_batch import InputBatch
from auditor.contracts import Request, methods
from auditor.measures.attention import with_choice
from auditor.measures.probing import RIDGE, Probe, ProbeTask, _held_out, _ridge_scores, folds_of
from auditor.measures.streams import EMBEDDING
from auditor.records import Component
from auditor.seeds import numpy_generator
from tests.handmade import TASK, inputs_for, inputs_from, random_model, stack_model


def test_ridge_is_least_squares_with_penalty_rows() -> None:
    generator = numpy_generator(0, "ridge")
    x, y, others = generator.normal(size=(20, 3)), generator.normal(size=(20, 2)), generator.normal(size=(5, 3))
    centred = x - x.mean(0)
    penalty = np.sqrt(RIDGE * np.square(centred).sum() / 3)
    rows = np.vstack([centred, penalty * np.eye(3)])
    weights = np.linalg.lstsq(rows, np.vstack([y - y.mean(0), np.zeros((3, 2))]), rcond=None)[0]
    np.testing.assert_allclose(_ridge_scores(x, y, others), (others - x.mean(0)) @ weights + y.mean(0), atol=1e-12)


def test_predictions_do_not_depend_on_scale_and_basis() -> None:
    generator = numpy_generator(0, "basis")
    x, y, others = generator.normal(size=(20, 3)), generator.normal(size=(20, 2)), generator.normal(size=(5, 3))
    turn = 7.0 * np.linalg.qr(generator.normal(size=(3, 3)))[0]
    np.testing.assert_allclose(_ridge_scores(x @ turn, y, others @ turn), _ridge_scores(x, y, others), atol=1e-12)


def test_features_that_never_vary_predict_the_most_frequent_label() -> None:
    labels = np.asarray([0, 0, 1, 0, 1, 0])
    right = _held_out(np.ones((6, 2)), labels, np.asarray([0, 0, 0, 1, 1, 1]))
    assert right.tolist() == [True, True, False, True, False, True]


def test_labels_that_a_probe_memorises_are_not_predicted_on_held_out_sequences() -> None:
    """With one feature per row a probe fits its own rows perfectly and learns nothing about others."""
    labels = np.asarray([0, 0, 0, 1, 1, 0, 0, 0, 1, 1])
    folds = np.repeat([0, 1], 5)
    right = _held_out(np.eye(10), labels, folds)
    assert right.tolist() == (labels == 0).tolist()


def test_copies_of_a_sequence_share_a_fold_and_the_order_does_not_matter() -> None:
    texts = ["()", "[]", "(())", "()", "[[]]", "[]", "([])"]
    folds = folds_of(inputs_from(TASK, texts))
    assert folds[0] == folds[3]
    assert folds[1] == folds[5]
    assert sorted(np.bincount([folds[i] for i in (0, 1, 2, 4, 6)]).tolist()) == [2, 3]
    assert folds_of(inputs_from(TASK, texts[::-1])).tolist() == folds[::-1].tolist()


def test_a_label_that_never_varies_shows_nothing() -> None:
    model = random_model()
    inputs = inputs_for(model, 8)

    class Constant(Probe):
        def task(self, inputs: InputBatch) -> ProbeTask:
            return ProbeTask(torch.zeros_like(inputs.depth), with_choice(inputs))

    assert not Constant().interpret(Request(model, inputs, numpy_generator(0, "x"))).values.any()


def test_the_inputs_of_the_stack_model_name_the_depth() -> None:
    """Every bracket's vector holds the depth of the stack after it, one-hot: no probe can be wrong."""
    model = stack_model()
    inputs = inputs_for(model, 60)
    where = with_choice(inputs)
    rows = torch.arange(60)[:, None].expand(where.shape)[where].numpy()
    features = model.embed(inputs.tokens)[where].detach().numpy()
    assert _held_out(features, inputs.depth[where].numpy(), folds_of(inputs)[rows]).all()


def test_the_layer_of_the_stack_model_writes_the_top_and_not_the_depth() -> None:
    model = stack_model()
    inputs, written = inputs_for(model, 60), Component(0, part="attention")
    means = {}
    for name in ("probe_depth", "probe_stack_top"):
        found = methods()[name].interpret(Request(model, inputs, numpy_generator(0, "x")))
        means[name] = dict(zip(found.components, found.values.mean(0).tolist(), strict=True))
        assert set(means[name]) == {EMBEDDING, Component(0, part="residual"), written}
    assert means["probe_depth"][EMBEDDING] > 0.2 + means["probe_depth"][written]
    assert means["probe_stack_top"][written] > 0.05 + means["probe_stack_top"][EMBEDDING]


def test_one_sequence_cannot_be_held_out() -> None:
    found = methods()["probe_depth"].interpret(
        Request(random_model(), inputs_from(TASK, ["()", "()"]), numpy_generator(0, "x"))
    )
    assert set(found.undefined) == set(range(len(found.components)))
