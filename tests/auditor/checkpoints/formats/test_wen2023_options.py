"""Every option of the published configurations, against a plain re-statement of the block, on random weights."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from auditor.checkpoints.formats.wen2023 import Wen2023
from auditor.contracts import Weights
from auditor.errors import ConfigurationError

WIDTH, HIDDEN, DEPTH, SIZE, ROWS = 34, 11, 4, 8, 60
EXACT = 1e-9
SWITCHES = (
    "residual",
    "attn_output_fc",
    "gpt_intermediate",
    "layer_norm",
    "first_residual",
    "another_first_residual",
    "one_layer_norm",
    "freeze_uniform_attention",
)
TOKENS = torch.tensor([[2, 4, 4, 6, 5, 7, 6, 4, 5, 5, 5], [2, 5, 7, 4, 6, 3, 0, 0, 0, 0, 0]])
DEPTHS = torch.tensor([[0, 1, 2, 1, 2, 1, 0, 1, 2, 3, 4], [0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0]])


def _facts(seed: int, **changed: Any) -> dict[str, Any]:
    generator = torch.Generator().manual_seed(seed)
    switches = {name: bool(torch.rand((), generator=generator) < 0.5) for name in SWITCHES}
    lm = {
        "lm_type": "GPT2LMHeadModelCustom",
        "embedding_dim": WIDTH,
        "hidden_dim": HIDDEN,
        "num_layers": 2,
        "num_heads": 2,
        "embedding_type": "z",
        "token_embedding_type": "one_hot",
        **switches,
        "freeze_decoder_to_I": False,
        "small_initialization": False,
    }
    language = {
        "bracket_types": 2,
        "train_max_stack_depth": DEPTH,
        "train_min_length": 2,
        "train_max_length": 10,
        "prefix": False,
    }
    return {"lm": {**lm, **changed}, "language": language, "training": {"check_closing_brackets_only": False}}


def _tensors(lm: dict[str, Any], seed: int) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64) * 0.3

    vectors = lm["embedding_type"] in ("p", "z")
    tensors = {
        "model.transformer.wte.weight": draw(SIZE, WIDTH - vectors),
        "model.transformer.wpe.weight": torch.zeros(ROWS, WIDTH) if vectors else draw(ROWS, WIDTH),
        "model.lm_head.weight": draw(SIZE, WIDTH),
    }
    if vectors:
        tensors["embedding.weight"] = torch.eye(SIZE, WIDTH - 1, dtype=torch.float64)
        tensors["embedding_p.weight"] = torch.tensor([[i / ROWS] for i in range(ROWS)])
    for layer in range(2):
        here = f"model.transformer.h.{layer}"
        shapes = {"attn.c_attn": (WIDTH, 3 * WIDTH)}
        if lm["attn_output_fc"]:
            shapes["attn.c_proj"] = (WIDTH, WIDTH)
        if lm["gpt_intermediate"]:
            shapes |= {"mlp.c_fc": (WIDTH, HIDDEN), "mlp.c_proj": (HIDDEN, WIDTH)}
        for name, shape in shapes.items():
            tensors |= {f"{here}.{name}.weight": draw(*shape), f"{here}.{name}.bias": draw(shape[1])}
        if lm["layer_norm"]:
            tensors |= {f"{here}.ln_2.weight": draw(WIDTH), f"{here}.ln_2.bias": draw(WIDTH)}
    if lm["layer_norm"] and not lm["one_layer_norm"]:
        tensors |= {"model.transformer.ln_f.weight": draw(WIDTH), "model.transformer.ln_f.bias": draw(WIDTH)}
    return tensors


def _inputs(lm: dict[str, Any], t: dict[str, Tensor]) -> Tensor:
    """Input vectors written column by column, token by token."""
    length = TOKENS.shape[1]
    if lm["embedding_type"] not in ("p", "z"):
        return t["model.transformer.wte.weight"][TOKENS] + t["model.transformer.wpe.weight"][:length]
    x = torch.zeros(*TOKENS.shape, WIDTH, dtype=torch.float64)
    kind = lm["token_embedding_type"]
    for b, i in itertools.product(range(TOKENS.shape[0]), range(length)):
        token, depth = int(TOKENS[b, i]), int(DEPTHS[b, i])
        raised = depth + (token in (6, 7))
        x[b, i, token] = 1.0
        if lm["embedding_type"] == "p":
            x[b, i, WIDTH - 1] = float(torch.tensor(i / ROWS, dtype=torch.float32))
        if kind == "sub_state_large":
            x[b, i, WIDTH - 4 * (DEPTH + 1) :] = 0.0
            if token >= 4:
                x[b, i, WIDTH - 1 - 4 * raised - (token - 4)] = 1.0
                x[b, i, token] = 0.0
        elif kind == "sub_state_theory":
            x[b, i, WIDTH - (DEPTH + 1) :] = 0.0
            x[b, i, WIDTH - 1 - raised] = 1.0
        elif kind != "one_hot":
            tangent = depth / (DEPTH + 2 - depth)
            x[b, i, WIDTH - 2] = 1 / math.sqrt(1 + tangent**2)
            x[b, i, WIDTH - 3] = tangent / math.sqrt(1 + tangent**2)
    return x


def _logits(lm: dict[str, Any], t: dict[str, Tensor]) -> Tensor:
    x = _inputs(lm, t)
    length = x.shape[1]
    future = torch.ones(length, length).triu(1).bool()
    for layer in range(2):
        here = f"model.transformer.h.{layer}"

        def affine(y: Tensor, name: str, where: str = here) -> Tensor:
            return y @ t[f"{where}.{name}.weight"] + t[f"{where}.{name}.bias"]

        q, k, v = (
            m.view(2, length, 2, WIDTH // 2).transpose(1, 2) for m in affine(x, "attn.c_attn").split(WIDTH, dim=2)
        )
        if lm["freeze_uniform_attention"]:
            q = torch.zeros_like(q)
        scores = (q @ k.mT / math.sqrt(WIDTH / 2)).masked_fill(future, torch.finfo(torch.float32).min)
        a = (scores.softmax(-1) @ v).transpose(1, 2).reshape(2, length, WIDTH)
        if lm["attn_output_fc"]:
            a = affine(a, "attn.c_proj")
        x = x + a if lm["first_residual"] else a
        h = x
        if lm["layer_norm"]:
            h = F.layer_norm(x, (WIDTH,), t[f"{here}.ln_2.weight"], t[f"{here}.ln_2.bias"])
        r = x
        if lm["another_first_residual"]:
            h = r = h + x
        f = affine(F.gelu(affine(h, "mlp.c_fc"), approximate="tanh"), "mlp.c_proj") if lm["gpt_intermediate"] else h
        x = r + f if lm["residual"] else h
    if lm["layer_norm"] and not lm["one_layer_norm"]:
        x = F.layer_norm(x, (WIDTH,), t["model.transformer.ln_f.weight"], t["model.transformer.ln_f.bias"])
    return x @ t["model.lm_head.weight"].T


def _check(facts: dict[str, Any], seed: int) -> None:
    tensors = _tensors(facts["lm"], seed)
    model = Wen2023().convert(Weights(tensors, facts))
    with torch.no_grad():
        torch.testing.assert_close(model(TOKENS), _logits(facts["lm"], tensors), rtol=0, atol=EXACT)


@pytest.mark.parametrize("seed", range(30))
def test_every_switch_in_any_combination(seed: int) -> None:
    _check(_facts(seed), seed)


@pytest.mark.parametrize("embedding", ["p", "z", "default", "none", "cos", "same_trained"])
@pytest.mark.parametrize("tokens", ["one_hot", "sub_state", "sub_state_easy", "sub_state_theory", "sub_state_large"])
def test_every_embedding(embedding: str, tokens: str) -> None:
    _check(_facts(3, embedding_type=embedding, token_embedding_type=tokens), 5)


def test_position_columns_that_do_not_count_up_become_a_table() -> None:
    facts = _facts(1, embedding_type="p")
    tensors = _tensors(facts["lm"], 1)
    tensors["embedding_p.weight"] = tensors["embedding_p.weight"] * 2
    model = Wen2023().convert(Weights(tensors, facts))
    assert model.architecture.positions == "learned"
    assert float(model.W_pos[3, -1].detach()) == pytest.approx(6 / ROWS)


@pytest.mark.parametrize("kind", ["sub_state", "sub_state_theory", "sub_state_large"])
def test_depth_needs_two_bracket_types(kind: str) -> None:
    facts = _facts(1, token_embedding_type=kind)
    facts["language"]["bracket_types"] = 1
    tensors = _tensors(facts["lm"], 1)
    tensors |= {
        "embedding.weight": torch.eye(6, WIDTH - 1),
        "model.transformer.wte.weight": torch.eye(6, WIDTH - 1),
        "model.lm_head.weight": torch.zeros(6, WIDTH),
    }
    with pytest.raises(ConfigurationError, match=f"{kind} with 1 bracket types"):
        Wen2023().convert(Weights(tensors, facts))


def test_a_depth_bound_whose_columns_do_not_fit_is_refused() -> None:
    facts = _facts(1, token_embedding_type="sub_state_large")
    facts["language"]["train_max_stack_depth"] = 6
    with pytest.raises(ConfigurationError, match="28 columns"):
        Wen2023().convert(Weights(_tensors(facts["lm"], 1), facts))
