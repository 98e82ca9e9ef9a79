"""Starting weights: reproducible, of the stated scales, and usable under every architecture switch."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from auditor.canonical.architecture import Architecture, Block
from auditor.canonical.model import CanonicalTransformer
from auditor.language.grammar import Dyck
from auditor.language.task import Task
from auditor.seeds import torch_generator
from auditor.training.initialisation import initialise

LANGUAGE = Dyck.standard(2, 3)
TASK = Task(LANGUAGE, max_length=10)
BLOCK = Block(heads=2, query_width=6, value_width=8, neurons=24)
PLAIN = Architecture(model_width=16, vocabulary_size=len(LANGUAGE.vocabulary), blocks=(BLOCK, BLOCK))
WITHOUT_MLP = replace(PLAIN, blocks=(replace(BLOCK, neurons=0),), mlp="none")
SWITCHES = {
    "plain": PLAIN,
    "post-norm, tanh GELU": replace(PLAIN, norm_sites=("attention_out", "mlp_out"), activation="gelu_tanh"),
    "RMS norm": replace(PLAIN, norm="rms"),
    "no norm, no residual": replace(PLAIN, norm_sites=(), attention_residual=False, mlp_residual=False),
    "no output map": replace(PLAIN, output_map=False),
    "no MLP": WITHOUT_MLP,
    "identity MLP": replace(WITHOUT_MLP, mlp="identity"),
    "learned positions": replace(PLAIN, positions="learned", max_positions=12),
    "sinusoidal positions": replace(PLAIN, positions="sinusoidal", max_positions=12),
    "scalar position": replace(PLAIN, positions="scalar", scalar_period=12),
    "depth table": replace(PLAIN, embedding="token_and_depth", depth_slots=5),
    "fixed table": replace(PLAIN, embedding_trained=False),
    "fixed depth table": replace(PLAIN, embedding="token_and_depth", depth_slots=5, embedding_trained=False),
    "tied": replace(PLAIN, tied_unembedding=True),
    "classifier": replace(PLAIN, causal=False, read_out=0, classes=2),
}


def _made(architecture: Architecture, seed: int = 0) -> CanonicalTransformer:
    return initialise(CanonicalTransformer(architecture, TASK), torch_generator(seed, "test"))


@pytest.mark.parametrize("switch", SWITCHES)
def test_every_switch_gives_a_model_whose_output_depends_on_its_input(switch: str) -> None:
    model = _made(SWITCHES[switch])
    opening, other = LANGUAGE.vocabulary.opening
    with torch.no_grad():
        logits = model(torch.tensor([[2, opening, opening], [2, opening, other], [2, other, opening]]))
    assert torch.isfinite(logits).all()
    assert 1e-3 < float(logits.std()) < 100
    assert not torch.allclose(logits[0], logits[2])


@pytest.mark.parametrize("switch", SWITCHES)
def test_one_seed_is_one_model_and_another_seed_is_another(switch: str) -> None:
    first, again, other = (_made(SWITCHES[switch], seed).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["layers.0.attention.W_Q"], other["layers.0.attention.W_Q"])


@pytest.mark.parametrize("switch", SWITCHES)
def test_no_table_stays_at_zero_and_norms_start_as_plain_norms(switch: str) -> None:
    for name, values in _made(SWITCHES[switch]).state_dict().items():
        if "norm" in name:
            assert torch.equal(values, torch.full_like(values, 1.0 if name.endswith("weight") else 0.0)), name
        else:
            assert values.any(), name


def test_scales_follow_the_number_of_summed_inputs() -> None:
    """Width 64, 4 heads × 16, 256 neurons, 2 layers: four maps write into the residual stream.

    W_Q 1/√64; W_O 1/√(64 · 4); W_in √(2/64); W_out 1/√(256 · 4); W_U 1/√64. The sampling error of a standard deviation
    over n entries is 1/√(2n) of it: at most 2.2 % here (W_U, 64 × 16), so 10 % is far outside.
    """
    wide = replace(PLAIN, model_width=64, blocks=(Block(4, 16, 16, 256),) * 2, vocabulary_size=16)
    model = _made(wide)
    layer = model.layers[1]
    expected = {
        layer.attention.W_Q: 1 / math.sqrt(64),
        layer.attention.W_O: 1 / math.sqrt(64 * 4),
        layer.mlp.W_in: math.sqrt(2 / 64),
        layer.mlp.W_out: 1 / math.sqrt(256 * 4),
        model.W_U: 1 / math.sqrt(64),
        model.W_E: 1.0,
    }
    for weight, scale in expected.items():
        assert float(weight.detach().std()) == pytest.approx(scale, rel=0.1)


def test_a_fixed_table_is_one_hot_where_it_fits_and_unit_rows_where_it_does_not() -> None:
    fitting = _made(SWITCHES["fixed table"]).W_E
    assert torch.equal(fitting, torch.eye(8, 16))
    crowded = _made(SWITCHES["fixed depth table"]).W_E  # 8 tokens × 5 depths in 16 features
    assert torch.allclose(crowded.norm(dim=-1), torch.ones(8, 5))


def test_a_scalar_position_keeps_its_feature_to_itself_in_a_fixed_table() -> None:
    architecture = replace(SWITCHES["fixed depth table"], positions="scalar", scalar_period=12)
    assert not _made(architecture).W_E[..., -1].any()


def test_precision_does_not_change_the_draw() -> None:
    double = initialise(CanonicalTransformer(PLAIN, TASK).double(), torch_generator(0, "test"))
    assert torch.equal(double.W_E.float(), _made(PLAIN).W_E)
