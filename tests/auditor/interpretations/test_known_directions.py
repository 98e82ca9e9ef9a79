"""Causal ablation of directions in a stream of two features, where the only control is the other direction."""

from __future__ import annotations

import numpy as np
import torch

from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import Request, methods
from auditor.measures.directions import orthonormal
from auditor.records import Interpretation
from auditor.seeds import numpy_generator
from tests.handmade import CONSTANT, SLOPE, TASK, counting_model, inputs_from, sentence

TEXTS = ["()", "([])[]", "(())", "[()([])]()"]
SHARE = 0.7


def _interpret(name: str, model: CanonicalTransformer) -> Interpretation:
    return methods()[name].interpret(Request(model, inputs_from(TASK, TEXTS), numpy_generator(0, "known")))


def test_the_first_principal_direction_of_two_features() -> None:
    """The stream is the pair of closing logits, (ln 3 + 0.7 × share of ``(``, 2/(j + 1)) at position j. Taking a(x) = u
    (x − μ) away along u leaves x − a u; the controls are x ∓ a v with v across u, and all is read off as logits."""
    model = counting_model()
    with torch.no_grad():
        model.W_E[4, 1] = SHARE
        model.attentions[0].W_V[1, 0, 0] = 1.0
    streams = [
        np.asarray(
            [(CONSTANT + SHARE * tokens[: j + 1].count(4) / (j + 1), SLOPE / (j + 1)) for j in range(len(tokens))]
        )
        for tokens in map(sentence, TEXTS)
    ]
    read = np.concatenate([stream[1:] for stream in streams])
    mean = read.mean(0)
    u = np.linalg.svd(read - mean)[2][0]
    v = np.asarray([-u[1], u[0]])
    found = _interpret("direction_principal", model)
    for row, x in enumerate(streams):
        amount = (x - mean) @ u
        lost, one, other = (_kl(x, x - np.outer(amount, along)).mean() for along in (u, v, -v))
        np.testing.assert_allclose(found.values[row, 1], lost - (one + other) / 2, rtol=0, atol=1e-12)


def test_without_another_direction_there_is_no_control() -> None:
    found = _interpret("direction_principal", counting_model())
    assert "no other direction" in found.undefined[1]


def test_directions_that_depend_on_each_other_are_refused() -> None:
    assert orthonormal(np.asarray([[1.0, 2.0], [1.0, 2.0], [0.0, 0.0]])) is None
    assert orthonormal(np.eye(2, 3)) is None


def _kl(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    p, q = (np.exp(np.concatenate([np.zeros((len(x), 6)), x], axis=1)) for x in (ours, theirs))
    p, q = (x / x.sum(1, keepdims=True) for x in (p, q))
    return (p * np.log(p / q)).sum(1)
