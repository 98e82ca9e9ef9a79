"""The method: its laws, and uniform attention, whose mean distance is half the way to the start."""

from __future__ import annotations

import numpy as np
import torch

from auditor.contracts import Request, methods
from auditor.seeds import numpy_generator
from auditor.testing import check_method
from auditor.testing.models import inputs_for, random_model


def test_laws() -> None:
    check_method("attention_distance")


def test_uniform_attention_looks_half_the_way_back() -> None:
    model = random_model()
    with torch.no_grad():
        for attention in model.attentions:
            attention.W_Q.zero_()
            attention.b_Q.zero_()
    inputs = inputs_for(model, 5)
    found = methods()["attention_distance"].interpret(Request(model, inputs, numpy_generator(0, "known"))).values
    lengths = inputs.not_padding.sum(1).numpy()
    by_hand = [np.mean([query / 2 for query in range(1, length)]) for length in lengths]
    np.testing.assert_allclose(found, np.repeat(by_hand, found.shape[1]).reshape(found.shape), rtol=1e-12)
