"""Weight scores on circuits that are written down."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from auditor.canonical.architecture import Architecture, Block
from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import Request, methods
from auditor.records import Interpretation
from auditor.seeds import numpy_generator
from auditor.testing.families import FAMILIES
from tests.handmade import PLAIN, SLOPE, TASK, counting_model, inputs_for, random_model

EXACT = 1e-12


def _interpret(name: str, model: CanonicalTransformer) -> Interpretation:
    return methods()[name].interpret(Request(model, inputs_for(model, 2), numpy_generator(0, "weights")))


def _scores(name: str, model: CanonicalTransformer) -> list[float]:
    return [float(score) for score in _interpret(name, model).values]


def test_the_counting_model() -> None:
    """W_O is 1 and 2 in length, W_V W_O is 0 and one direction of length 2, W_Q W_Kᵀ is 0."""
    model = counting_model()
    assert _scores("weights_o_norm", model) == [1.0, SLOPE]
    assert _scores("weights_ov_spectral_norm", model) == [0.0, SLOPE]
    assert _scores("weights_ov_stable_rank", model) == [0.0, 1.0]
    for name in ("weights_qk_norm", "weights_qk_spectral_norm", "weights_qk_stable_rank"):
        assert _scores(name, model) == [0.0, 0.0]


def test_the_spectrum_of_a_random_head_by_numpy() -> None:
    model = random_model(PLAIN)
    attention = model.attentions[1]
    W_Q, W_K, W_V = (w[:, 1].detach().numpy() for w in (attention.W_Q, attention.W_K, attention.W_V))
    ov = W_V @ attention.output[0][1].detach().numpy()
    for name, circuit in (("ov", ov), ("qk", W_Q @ W_K.T)):
        sizes = np.linalg.svd(circuit, compute_uv=False)
        found = {what: _scores(f"weights_{name}_{what}", model)[3] for what in ("norm", "spectral_norm", "stable_rank")}
        assert found["norm"] == pytest.approx(float(np.linalg.norm(circuit)))
        assert found["spectral_norm"] == pytest.approx(sizes[0])
        assert found["stable_rank"] == pytest.approx(float((sizes**2).sum() / sizes[0] ** 2))


def test_without_an_output_map_the_values_are_the_circuit() -> None:
    model = random_model(FAMILIES["minimal first layer, no output map"])
    norms = model.attentions[0].W_V.movedim(1, 0).flatten(1).norm(dim=1)
    assert _scores("weights_ov_norm", model) == pytest.approx(norms.tolist())
    assert methods()["weights_o_norm"].not_applicable(model) == "the model has no output map"


@pytest.mark.parametrize(("sign", "expected"), [(1.0, 1.0), (-1.0, -1.0)])
def test_a_head_that_copies_and_one_that_suppresses(sign: float, expected: float) -> None:
    """W_E = W_U = 1 and W_V W_O = ± 1: every token raises, or lowers, its own logit."""
    model = _square_model(value_width=8)
    with torch.no_grad():
        model.attentions[0].output[0][0] = sign * torch.eye(8)
    assert _scores("weights_copying_score", model) == [pytest.approx(expected)]


def test_a_head_that_swaps_two_tokens_and_drops_the_rest_copies_nothing() -> None:
    """The swap of tokens 4 and 5 has the eigenvalues 1 and −1."""
    model = _square_model(value_width=2)
    with torch.no_grad():
        model.attentions[0].W_V[:, 0] = 0.0
        model.attentions[0].W_V[4, 0, 0] = model.attentions[0].W_V[5, 0, 1] = 1.0
        W_O, _ = model.attentions[0].output
        W_O[0, 0, 5] = W_O[0, 1, 4] = 1.0
    assert _scores("weights_copying_score", model) == [pytest.approx(0.0, abs=EXACT)]


@pytest.mark.parametrize("reads", ["q", "k", "v"])
def test_composition_of_heads_of_rank_one_is_a_cosine(reads: str) -> None:
    """‖(a uᵀ)(w bᵀ)‖ / (‖a‖‖u‖‖w‖‖b‖) = |cos(u, w)|: here u and w are at 60°."""
    block = Block(heads=1, query_width=1, value_width=1, neurons=0)
    architecture = Architecture(model_width=3, vocabulary_size=8, blocks=(block, block), norm_sites=(), mlp="none")
    model = CanonicalTransformer(architecture, TASK).double()
    first, second = model.attentions
    writes, direction = torch.tensor([[2.0, 0.0, 0.0], [0.5, 0.75**0.5, 0.0]], dtype=torch.float64)
    with torch.no_grad():
        first.W_V[:, 0, 0] = torch.tensor([1.0, -1.0, 3.0])
        first.output[0][0, 0] = writes
        for name, weight in (("q", second.W_Q), ("k", second.W_K), ("v", second.W_V)):
            weight[:, 0, 0] = 5 * direction if name == reads else torch.tensor([1.0, 2.0, 2.0])
        second.output[0][0, 0] = torch.tensor([1.0, 1.0, 0.0])
    found = _interpret(f"weights_composition_{reads}", model)
    np.testing.assert_allclose(found.values[0], [0.0, 0.5], rtol=0, atol=EXACT)
    assert found.undefined == {1: "no later head reads it"}
    assert found.axes == ("head", "to_head")


def test_composition_needs_a_path() -> None:
    method = methods()["weights_composition_v"]
    assert "one layer" in (method.not_applicable(counting_model()) or "")
    assert "MLP" in (method.not_applicable(random_model(replace(PLAIN, mlp_residual=False))) or "")


def _square_model(value_width: int) -> CanonicalTransformer:
    """One head; token table, unembedding and values are the identity."""
    block = Block(heads=1, query_width=1, value_width=value_width, neurons=0)
    architecture = Architecture(model_width=8, vocabulary_size=8, blocks=(block,), norm_sites=(), mlp="none")
    model = CanonicalTransformer(architecture, TASK).double()
    with torch.no_grad():
        model.W_E.copy_(torch.eye(8))
        model.state_dict()["W_U"].copy_(torch.eye(8))
        model.attentions[0].W_V[:, 0] = torch.eye(8)[:, :value_width]
    return model
