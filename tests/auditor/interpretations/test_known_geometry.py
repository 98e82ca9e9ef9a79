"""Principal directions on inputs whose geometry is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from auditor.contracts import Request, methods
from auditor.measures.principal import first_direction
from auditor.seeds import numpy_generator
from tests.handmade import TASK, counting_model, inputs_from, naive_stacks, sentence

TEXTS = ["()", "([])[]", "(())", "[()([])]()"]
CHANGE = {2: 0.0, 4: 1.0, 5: 1.0, 6: -1.0, 7: -1.0}


def test_the_correlation_with_the_depth_is_that_of_the_direction_of_most_variance() -> None:
    """Brackets are ±1 in feature 0 and nothing is written to feature 1, so the first component is ±1 itself."""
    model = counting_model()
    with torch.no_grad():
        for token, change in CHANGE.items():
            model.W_E[token, 0] = change
    found = methods()["geometry_depth_principal"].interpret(
        Request(model, inputs_from(TASK, TEXTS), numpy_generator(0, "known"))
    )
    changes = [CHANGE[token] for text in TEXTS for token in sentence(text)[1:]]
    depths = [len(stack) for text in TEXTS for stack in naive_stacks(sentence(text))[1:]]
    assert found.components[0].label == "embedding"
    assert found.values[:, 0].mean() == pytest.approx(abs(np.corrcoef(changes, depths)[0, 1]), abs=1e-12)


def test_a_tie_has_no_first_direction() -> None:
    square = np.asarray([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    assert "same largest variance" in first_direction(square)[1]
    assert "same at all positions" in first_direction(np.ones((3, 2)))[1]
    direction, why_not = first_direction(square * [3.0, 1.0])
    assert (why_not, abs(direction[0])) == ("", pytest.approx(1.0))
