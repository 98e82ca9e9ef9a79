"""One model laid over another: a copy in other gauges comes back to the original, whatever was done to it."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from auditor.canonical.architecture import Architecture
from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import TransformRequest, equivalences
from auditor.seeds import numpy_generator
from auditor.symmetries.nearest_gauge import nearest_factors
from auditor.tensors import EXACT_LOGITS
from auditor.testing.families import FAMILIES, task_for
from auditor.twins.superposition import between, superposed
from tests.handmade import PLAIN, inputs_for, random_model

THREE_HEADS = replace(PLAIN.blocks[0], heads=3, query_width=4, value_width=4, neurons=8)


def _log_p(model: CanonicalTransformer, tokens: torch.Tensor) -> torch.Tensor:
    return model(tokens).log_softmax(-1).detach()


def _in_other_gauges(model: CanonicalTransformer, seed: int) -> CanonicalTransformer:
    """Every exact move that keeps the size, in random order."""
    request = TransformRequest(model, inputs_for(model, 8), numpy_generator(seed, "gauges"))
    return equivalences()["exact_random_composition"].transform(request).model


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(
    "architecture",
    [
        replace(PLAIN, model_width=12, blocks=(THREE_HEADS,) * 2, positions="learned", max_positions=40),
        replace(PLAIN, model_width=12, blocks=(THREE_HEADS,) * 2, norm="rms", positions="scalar", scalar_period=40),
        FAMILIES["bidirectional classifier, RMS norm"],  # with rotary positions
    ],
)
def test_a_copy_in_other_gauges_lies_on_the_original(architecture: Architecture, seed: int) -> None:
    """Then every weighted mean of the two is the function, though the copy as it stands is far from that."""
    model = random_model(architecture, task_for(architecture))
    copy = _in_other_gauges(model, seed)
    tokens = inputs_for(model, 12, seed=5).tokens
    wanted = _log_p(model, tokens)
    assert float((_log_p(between(model, copy, 0.5), tokens) - wanted).abs().max()) > 0.01
    ours, theirs = superposed(model, copy, inputs_for(model, 32))
    for share in (0.05, 0.5, 1.0):
        assert float((_log_p(between(ours, theirs, share), tokens) - wanted).abs().max()) <= EXACT_LOGITS


@pytest.mark.parametrize("family", FAMILIES)
def test_neither_function_changes_on_any_kind_of_model(family: str) -> None:
    architecture = FAMILIES[family]
    models = [random_model(architecture, task_for(architecture), seed=seed) for seed in (0, 1)]
    if not architecture.embedding_trained:
        with torch.no_grad():
            models[1].W_E.copy_(models[0].W_E)
    laid = superposed(*models, inputs_for(models[0], 16))
    tokens = inputs_for(models[0], 8, seed=5).tokens
    for before, after in zip(models, laid, strict=True):
        assert float((_log_p(before, tokens) - _log_p(after, tokens)).abs().max()) <= EXACT_LOGITS
    assert torch.equal(between(*laid, 0.0).W_E, laid[0].W_E)


def test_factors_keep_their_product_and_come_near() -> None:
    """(A G)(G⁻¹ B) is given back as A and B."""
    generator = torch.Generator().manual_seed(0)
    left, right, gauge = (
        torch.randn(*size, generator=generator, dtype=torch.float64) for size in ((6, 3), (3, 5), (3, 3))
    )
    found = nearest_factors(left @ gauge, torch.linalg.solve(gauge, right), left, right)
    torch.testing.assert_close(found[0], left)
    torch.testing.assert_close(found[1], right)
    narrow = nearest_factors(left, right, left, torch.zeros_like(right))  # no basis to take over
    torch.testing.assert_close(narrow[0] @ narrow[1], left @ right)
