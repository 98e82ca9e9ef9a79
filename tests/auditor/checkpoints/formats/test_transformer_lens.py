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


ROTARY = {"positions": "rotary", "rotary_width": 2, "rotary_base": 50, "rotary_pairs": "halves"}


def _rotary_state(*, base: float = 50.0, width: int = 2, positions: int = 10) -> dict[str, Tensor]:
    """Queries of width 3 of which two features turn; the tables as TransformerLens saves them."""
    angles = torch.arange(positions)[:, None] / base ** (torch.arange(0, width, 2) / width)
    state = {name: tensor for name, tensor in _state().items() if name != "pos_embed.W_pos"}
    tables = {"rotary_sin": angles.sin(), "rotary_cos": angles.cos()}
    return {**state, **{f"blocks.0.attn.{name}": torch.cat([t, t], dim=1) for name, t in tables.items()}}


def test_rotary_tables_are_no_weights_and_say_how_many_positions_there_are() -> None:
    found = TransformerLens().convert(Weights(_rotary_state(), _described(**ROTARY))).architecture
    assert (found.positions, found.rotary_width, found.rotary_base, found.rotary_pairs) == ("rotary", 2, 50.0, "halves")
    assert found.max_positions == POSITIONS
    without = {name: tensor for name, tensor in _rotary_state().items() if "rotary" not in name}
    assert TransformerLens().convert(Weights(without, _described(**ROTARY))).architecture.max_positions is None


def test_what_rotary_tables_show_is_recognised() -> None:
    facts = TransformerLens().recognised_facts(Weights(_rotary_state(width=4), None))
    assert facts["model.positions"] == "rotary"
    assert facts["model.rotary_width"] == 4
    assert facts["model.rotary_pairs"] == "halves"


def test_a_norm_of_the_embedding_is_part_of_the_table_where_positions_follow() -> None:
    norm = {"embed.ln.w": torch.full((WIDTH,), 2.0), "embed.ln.b": torch.full((WIDTH,), 3.0)}
    rows = torch.randn(SIZE, WIDTH, generator=torch.Generator().manual_seed(0))
    learned = TransformerLens().convert(Weights({**_state(), **norm, "embed.W_E": rows}, DESCRIPTION))
    assert not learned.architecture.has_norm("embedding")
    torch.testing.assert_close(learned.W_E, 2 * torch.nn.functional.layer_norm(rows, (WIDTH,)) + 3)
    turned = TransformerLens().convert(Weights({**_rotary_state(), **norm, "embed.W_E": rows}, _described(**ROTARY)))
    assert turned.architecture.has_norm("embedding")
    assert torch.equal(turned.W_E, rows)


@pytest.mark.parametrize(
    ("facts", "state", "words"),
    [
        (ROTARY, {**_rotary_state(), "blocks.0.attn.rotary_sin": torch.zeros(10, 2)}, "rotary_sin.*rotary_base = 50"),
        ({**ROTARY, "rotary_width": 3}, _rotary_state(), "model.rotary_width = 3; expected an even number up to 3"),
        ({**ROTARY, "rotary_width": 4}, _rotary_state(width=4), "model.rotary_width = 4"),
        (ROTARY, _rotary_state(width=4), "rotary_cos.*\\[10, 2\\] by model.rotary_width"),
        (ROTARY, {**_rotary_state(), "pos_embed.W_pos": torch.ones(10, WIDTH)}, "a tensor 'pos_embed.W_pos'"),
        ({**ROTARY, "rotary_pairs": "thirds"}, _rotary_state(), "halves or adjacent"),
        ({**ROTARY, "positions": "none"}, _rotary_state(), "unknown tensor 'blocks.0.attn.rotary_cos'"),
        ({**ROTARY, "positions": "sinusoidal"}, _rotary_state(), "learned or rotary or none"),
    ],
)
def test_rotary_positions_that_contradict_are_refused(
    facts: dict[str, Any], state: dict[str, Tensor], words: str
) -> None:
    with pytest.raises(CheckpointError, match=words):
        TransformerLens().convert(Weights(state, _described(**facts)))


@pytest.mark.parametrize(
    ("read_out", "words"),
    [
        ({"position": "mean", "classes": 2}, "no 'read_out.counts_start'"),
        ({"position": "mean", "counts_start": True, "classes": 2}, "no 'read_out.counts_end'"),
        (
            {"position": "first", "classes": 2},
            "read_out.position = 'first'; expected a position from 0 on, mean or last",
        ),
    ],
)
def test_a_read_out_says_what_it_counts(read_out: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        TransformerLens().convert(Weights(_state(), {**DESCRIPTION, "read_out": read_out}))


def test_a_mean_leaves_out_what_it_does_not_count() -> None:
    read_out = {"position": "mean", "counts_start": False, "counts_end": True, "classes": 2}
    found = TransformerLens().convert(Weights(_state(), {**DESCRIPTION, "read_out": read_out})).architecture
    assert (found.read_out, found.mean_skips) == ("mean", ("start",))


@pytest.mark.parametrize("fact", ["norm", "attention", "pad_masked", "positions", "activation"])
def test_every_fact_is_asked_for_by_name(fact: str) -> None:
    facts = _described()
    del facts["model"][fact]
    with pytest.raises(ConfigurationError, match=f"no 'model.{fact}'.*--config"):
        TransformerLens().convert(Weights(_state(), facts))
