"""An adversarial twin that exact moves have rewritten computes what the twin computes, with other weights."""

from __future__ import annotations

import pytest
import torch

from auditor.contracts import Transformed, TransformRequest, equivalences
from auditor.seeds import numpy_generator
from tests.handmade import inputs_for, random_model


def _made(name: str) -> Transformed:
    model = random_model()
    request = TransformRequest(
        model, inputs_for(model, 8), numpy_generator(0, "compose"), parameters={"steps": 2, "restarts": 1}
    )
    return equivalences()[name].transform(request)


@pytest.mark.slow
def test_the_exact_part_keeps_the_outputs_of_the_twin() -> None:
    twin, rewritten = _made("behavioural_adversarial_attention"), _made("behavioural_adversarial_rewritten")
    tokens = inputs_for(random_model(), 8).tokens
    with torch.no_grad():
        expected, found = (one.model.double()(tokens).log_softmax(-1) for one in (twin, rewritten))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-9)
    moved = zip(twin.model.parameters(), rewritten.model.parameters(), strict=True)
    assert not all(torch.allclose(a.double(), b) for a, b in moved)
    assert rewritten.parameters["moves"]
    assert rewritten.relabelling.moves["head"] is not None
