"""The canonical model against a naive implementation and against PyTorch's own Transformer layer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from torch import nn

from auditor.behaviour.input_batch import draw_inputs
from auditor.canonical.architecture import Architecture, Marker, Pooling
from auditor.canonical.model import CanonicalTransformer
from auditor.errors import LanguageError
from auditor.seeds import numpy_generator
from auditor.testing.architectures import LAW, architectures
from auditor.testing.families import FAMILIES, task_for
from tests.auditor.canonical.naive_model import naive_logits
from tests.handmade import PLAIN, TASK, inputs_for, random_model

FLOAT64 = 1e-10
"""Sums in another order, relative to logits of size 1 to 100."""

FLOAT32 = 1e-4


@LAW
@given(architecture=architectures())
def test_every_switch_computes_what_the_naive_model_computes(architecture: Architecture) -> None:
    model = random_model(architecture, task_for(architecture))
    tokens = inputs_for(model, 2).tokens
    with torch.no_grad():
        found = model(tokens).numpy()
    np.testing.assert_allclose(found, naive_logits(model, tokens.tolist()), rtol=FLOAT64, atol=FLOAT64)


@LAW
@given(architecture=architectures())
def test_the_fast_path_is_the_explicit_path(architecture: Architecture) -> None:
    model = random_model(architecture, task_for(architecture))
    tokens = inputs_for(model, 5).tokens
    with torch.no_grad():
        torch.testing.assert_close(model(tokens, fast=True), model(tokens), rtol=FLOAT64, atol=FLOAT64)
        single = model.clone(dtype=torch.float32)
        torch.testing.assert_close(single(tokens, fast=True), single(tokens), rtol=FLOAT32, atol=FLOAT32)


@LAW
@given(architecture=architectures())
def test_padding_on_the_right_changes_nothing(architecture: Architecture) -> None:
    model = random_model(architecture, task_for(architecture))
    inputs = inputs_for(model, 6)
    with torch.no_grad():
        together = model(inputs.tokens)
        for row, length in enumerate(inputs.not_padding.sum(1).tolist()):
            alone = model(inputs.tokens[row : row + 1, :length])[0]
            seen = together[row] if architecture.is_classifier else together[row, :length]
            torch.testing.assert_close(alone, seen, rtol=FLOAT64, atol=FLOAT64)


@LAW
@given(architecture=architectures())
def test_running_on_from_a_layer_is_running_from_the_start(architecture: Architecture) -> None:
    model = random_model(architecture, task_for(architecture))
    tokens = inputs_for(model, 3).tokens
    entering: dict[int, torch.Tensor] = {}

    def hook(site: str, layer: int, value: torch.Tensor) -> torch.Tensor:
        if site == "residual":
            entering[layer] = value
        return value

    with torch.no_grad():
        logits = model(tokens, hook)
        assert sorted(entering) == list(range(architecture.layers))
        for layer, x in entering.items():
            assert torch.equal(model.run_from(x, tokens, layer), logits)


@pytest.mark.parametrize("norm_first", [True, False])
def test_a_layer_is_the_encoder_layer_of_pytorch(norm_first: bool) -> None:
    """Fused q, k, v and (output, input) weights are the only differences of notation."""
    width, heads, neurons = 8, 2, 12
    theirs = nn.TransformerEncoderLayer(
        width, heads, neurons, dropout=0.0, batch_first=True, norm_first=norm_first, dtype=torch.float64
    ).eval()
    noise = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=noise))
    sites = ("attention_in", "mlp_in") if norm_first else ("attention_out", "mlp_out")
    block = replace(PLAIN.blocks[0], heads=heads, query_width=4, value_width=4, neurons=neurons)
    model = CanonicalTransformer(replace(PLAIN, model_width=width, blocks=(block,), norm_sites=sites), TASK).double()
    _copy(theirs, model, sites)
    x = torch.randn(3, 5, width, dtype=torch.float64, generator=noise)
    future = torch.ones(5, 5, dtype=torch.bool).triu(1)
    with torch.no_grad():
        torch.testing.assert_close(model.layers[0](x, future), theirs(x, src_mask=future), rtol=FLOAT64, atol=FLOAT64)


def _copy(theirs: nn.TransformerEncoderLayer, model: CanonicalTransformer, sites: tuple[str, str]) -> None:
    attention, mlp = model.attentions[0], model.mlps[0]
    heads, d = attention.b_Q.shape
    W_O, b_O = attention.output
    with torch.no_grad():
        fused = theirs.self_attn.in_proj_weight.T.chunk(3, dim=1)
        for weight, part in zip((attention.W_Q, attention.W_K, attention.W_V), fused, strict=True):
            weight.copy_(part.reshape(-1, heads, d))
        biases = theirs.self_attn.in_proj_bias.chunk(3)
        for bias, part in zip((attention.b_Q, attention.b_K, attention.b_V), biases, strict=True):
            bias.copy_(part.reshape(heads, d))
        W_O.copy_(theirs.self_attn.out_proj.weight.T.reshape(heads, d, -1))
        b_O.copy_(theirs.self_attn.out_proj.bias)
        mlp.W_in.copy_(theirs.linear1.weight.T)
        mlp.b_in.copy_(theirs.linear1.bias)
        mlp.W_out.copy_(theirs.linear2.weight.T)
        mlp.b_out.copy_(theirs.linear2.bias)
    for site, norm in zip(sites, (theirs.norm1, theirs.norm2), strict=True):
        model.layers[0].norms[site].load_state_dict(norm.state_dict())


@pytest.mark.parametrize("family", FAMILIES)
def test_a_clone_is_equal_and_shares_nothing(family: str) -> None:
    model = random_model(FAMILIES[family], task_for(FAMILIES[family]))
    inputs = draw_inputs(model.task, 3, numpy_generator(0, "clone"))
    twin = model.clone()
    with torch.no_grad():
        expected = model(inputs.tokens)
        assert torch.equal(twin(inputs.tokens), expected)
        for parameter in twin.parameters():
            parameter.zero_()
        assert torch.equal(model(inputs.tokens), expected)
    assert not twin.training
    assert {p.requires_grad for p in twin.parameters()} == {p.requires_grad for p in model.parameters()}
    assert model.clone(dtype=torch.float32).dtype is torch.float32


@pytest.mark.parametrize(
    ("read_out", "skips", "read"),
    [
        (1, (), [1]),
        (-1, (), [5]),
        ("last", (), [3]),
        ("mean", (), [0, 1, 2, 3]),
        ("mean", ("start",), [1, 2, 3]),
        ("mean", ("end",), [0, 1, 2]),
        ("mean", ("start", "end"), [1, 2]),
    ],
)
def test_where_a_classifier_is_read(read_out: int | Pooling, skips: tuple[Marker, ...], read: list[int]) -> None:
    """START ( ) END and two of padding: padding is never read where the string says where it ends."""
    model = random_model(
        replace(PLAIN, causal=False, pad_masked=True, read_out=read_out, mean_skips=skips, classes=2),
        replace(TASK, objective="classifier", reads_end=True),
    )
    tokens = torch.tensor([[2, 4, 6, 3, 0, 0]])
    assert model.read_positions(tokens)[0].nonzero().flatten().tolist() == read


def test_a_score_of_rotary_positions_depends_on_distance_alone() -> None:
    """Behind two tokens of padding the same string gets the same answer: no position is absolute."""
    architecture = replace(PLAIN, positions="rotary", rotary_width=2, causal=False, pad_masked=True)
    model = random_model(replace(architecture, read_out="last", classes=2), replace(TASK, objective="classifier"))
    string = torch.tensor([[2, 4, 5, 7, 6]])
    with torch.no_grad():
        moved = model(torch.nn.functional.pad(string, (2, 0)))
        torch.testing.assert_close(moved, model(string), rtol=FLOAT64, atol=FLOAT64)


@pytest.mark.parametrize(
    ("tokens", "words"),
    [
        (torch.zeros(3, dtype=torch.int64), r"\[3\]"),
        (torch.zeros(1, 0, dtype=torch.int64), r"\[1, 0\]"),
        (torch.zeros(1, 3), "float32"),
        (torch.tensor([[2, 8]]), "token ids 2 to 8"),
        (torch.tensor([[-1, 2]]), "token ids -1 to 2"),
        (torch.zeros(1, 5, dtype=torch.int64), "a sequence of 5 tokens"),
    ],
)
def test_unfit_tokens_are_refused(tokens: torch.Tensor, words: str) -> None:
    model = random_model(replace(PLAIN, positions="learned", max_positions=4))
    with pytest.raises(LanguageError, match=words):
        model(tokens)
