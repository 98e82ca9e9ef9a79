"""State dicts of a HookedTransformer, written tensor by tensor: what its names say, and what they leave open."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from auditor.checkpoints.formats.transformer_lens import TransformerLens
from auditor.contracts import Weights
from auditor.errors import CheckpointError, ConfigurationError
from tests.foreign.bracket_classifier import DESCRIPTION

WIDTH, HEADS, HEAD, NEURONS, SIZE, POSITIONS = 6, 2, 3, 5, 5, 10


def _state(*, norms: bool = True, mlp: bool = True, outputs: int = 2) -> dict[str, Tensor]:
    shapes: dict[str, tuple[int, ...]] = {
        "embed.W_E": (SIZE, WIDTH),
        "pos_embed.W_pos": (POSITIONS, WIDTH),
        **{f"blocks.0.attn.W_{x}": (HEADS, WIDTH, HEAD) for x in "QKV"},
        **{f"blocks.0.attn.b_{x}": (HEADS, HEAD) for x in "QKV"},
        "blocks.0.attn.W_O": (HEADS, HEAD, WIDTH),
        "blocks.0.attn.b_O": (WIDTH,),
        "unembed.W_U": (WIDTH, outputs),
        "unembed.b_U": (outputs,),
    }
    if mlp:
        shapes |= {"blocks.0.mlp.W_in": (WIDTH, NEURONS), "blocks.0.mlp.b_in": (NEURONS,)}
        shapes |= {"blocks.0.mlp.W_out": (NEURONS, WIDTH), "blocks.0.mlp.b_out": (WIDTH,)}
    if norms:
        for name in ("blocks.0.ln1", "ln_final", *(("blocks.0.ln2",) if mlp else ())):
            shapes |= {f"{name}.w": (WIDTH,), f"{name}.b": (WIDTH,)}
    state = {name: torch.ones(shape) for name, shape in shapes.items()}
    return {**state, "blocks.0.attn.IGNORE": torch.tensor(-torch.inf), "blocks.0.attn.mask": torch.ones(2, 2).bool()}


def _described(**model: Any) -> dict[str, Any]:
    return {**DESCRIPTION, "model": {**DESCRIPTION["model"], **model}}


def test_the_switches_come_from_names_and_description() -> None:
    model = TransformerLens().convert(Weights(_state(), DESCRIPTION))
    found = model.architecture
    assert (found.layers, found.blocks[0].heads, found.blocks[0].query_width) == (1, HEADS, HEAD)
    assert found.norm_sites == ("attention_in", "mlp_in", "final")
    assert (found.causal, found.pad_masked, found.read_out, found.classes) == (False, True, 0, 2)
    assert model.task.longest_input == POSITIONS


def test_a_folded_norm_keeps_its_site_with_gain_one() -> None:
    model = TransformerLens().convert(Weights(_state(norms=False), DESCRIPTION))
    assert model.architecture.has_norm("final")
    assert torch.equal(model.state_dict()["final_norm.weight"], torch.ones(WIDTH))
    assert torch.equal(model.state_dict()["final_norm.bias"], torch.zeros(WIDTH))


def test_attention_only_models_ask_for_no_activation() -> None:
    facts = _described()
    del facts["model"]["activation"]
    model = TransformerLens().convert(Weights(_state(mlp=False), facts))
    assert model.architecture.mlp == "none"
    with pytest.raises(ConfigurationError, match=r"model\.activation"):
        TransformerLens().convert(Weights(_state(), facts))


@pytest.mark.parametrize(
    ("facts", "state", "words"),
    [
        (_described(norm="none"), _state(), "unknown tensor 'blocks.0.ln1.b'"),
        (_described(norm="rms"), _state(), "unknown tensor 'blocks.0.ln1.b'"),
        (_described(positions="none"), _state(), "pos_embed.W_pos"),
        (_described(heads=2), _state(), "unknown option 'model.heads'"),
        ({**DESCRIPTION, "read_out": {"position": 0, "classes": 3}}, _state(), r"unembed.W_U.*\[6, 3\] by read_out"),
        ({**DESCRIPTION, "task": {**DESCRIPTION["task"], "max_length": 9}}, _state(), "11 tokens.*10 positions"),
        (DESCRIPTION, {**_state(), "embed.W_E": torch.ones(6, WIDTH)}, r"5 tokens.*6 rows in 'embed.W_E'.*unused = 1"),
        (DESCRIPTION, {**_state(), "blocks.0.attn.W_Q": torch.ones(6, 6)}, "blocks.0.attn.W_Q.*3 axes"),
        (DESCRIPTION, {**_state(), "embed.W_E": torch.ones(5, 6).long()}, "embed.W_E.*floating-point"),
        (DESCRIPTION, {**_state(), "blocks.0.attn._W_K": torch.ones(1)}, "_W_K"),
        (DESCRIPTION, {**_state(), "blocks.999.attn.W_Q": torch.ones(1)}, "blocks.1.attn.W_Q"),
    ],
)
def test_what_contradicts_is_refused_by_name(facts: dict[str, Any], state: dict[str, Tensor], words: str) -> None:
    with pytest.raises(CheckpointError, match=words):
        TransformerLens().convert(Weights(state, facts))


@pytest.mark.parametrize("fact", ["norm", "attention", "pad_masked", "positions", "activation"])
def test_every_fact_is_asked_for_by_name(fact: str) -> None:
    facts = _described()
    del facts["model"][fact]
    with pytest.raises(ConfigurationError, match=f"no 'model.{fact}'.*--config"):
        TransformerLens().convert(Weights(_state(), facts))
