"""In every format masks are no weights, and a head that equals the embedding is one table with it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml
from torch import Tensor, nn

from auditor.canonical.serialisation import weights_bytes
from auditor.checkpoints.intake.detection import load
from auditor.errors import FormatError
from tests.foreign.source import TASK, VOCABULARY
from tests.foreign.states import STATES, Described

pytestmark = pytest.mark.slow

MASKS = {
    "minus infinity": nn.Transformer.generate_square_subsequent_mask(11),
    "NaN": torch.full((3, 3), float("nan")),
    "truth values": torch.ones(11, 11, dtype=torch.bool).triu(1),
    "a number": torch.tensor(-torch.inf),
}
OWN_BUFFERS = {
    "huggingface_gpt2": ("transformer.h.0.attn.bias", "transformer.h.0.attn.masked_bias"),
    "nanogpt": ("transformer.h.0.attn.bias",),
    "transformer_lens": ("blocks.0.attn.mask", "blocks.0.attn.IGNORE"),
}
HEADS = {
    "huggingface_gpt2": ("lm_head.weight", "transformer.wte.weight"),
    "nanogpt": ("lm_head.weight", "transformer.wte.weight"),
    "torch_encoder": ("head.weight", "embed.weight"),
    "transformer_lens": ("unembed.W_U", "embed.W_E"),
}


def _with(described: Described, **tensors: Tensor) -> Described:
    return replace(described, tensors={**described.tensors, **tensors})


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("format_", STATES)
def test_a_buffer_is_ignored_by_name(format_: str, mask: str, tmp_path: Path) -> None:
    described = STATES[format_]()
    plain, config = described.save(tmp_path / "plain")
    path, _ = _with(described, causal_mask=MASKS[mask]).save(tmp_path / "masked")
    with pytest.raises(FormatError, match=r"unknown tensor '.*names\.ignore"):
        load(path, config=config)
    facts = yaml.safe_load(config.read_text())
    config.write_text(yaml.safe_dump({**facts, "names": {**facts.get("names", {}), "ignore": ["causal_mask"]}}))
    assert weights_bytes(load(path, config=config).model) == weights_bytes(load(plain, config=config).model)


@pytest.mark.parametrize(("format_", "names"), OWN_BUFFERS.items())
def test_the_masks_of_a_format_need_no_description(format_: str, names: tuple[str, ...], tmp_path: Path) -> None:
    described = STATES[format_]()
    plain, config = described.save(tmp_path / "plain")
    path, _ = _with(described, **dict.fromkeys(names, MASKS["minus infinity"])).save(tmp_path / "masked")
    assert weights_bytes(load(path, config=config).model) == weights_bytes(load(plain, config=config).model)


@pytest.mark.parametrize("scale", [1.0, 2.0])
@pytest.mark.parametrize(("format_", "names"), HEADS.items())
def test_a_head_is_tied_if_it_equals_the_embedding(
    format_: str, names: tuple[str, str], scale: float, tmp_path: Path
) -> None:
    described, (head, embedding) = STATES[format_](), names
    table = described.tensors[embedding]
    equal = scale * (table.T if format_ == "transformer_lens" else table)
    described = _with(described, **{head: equal})
    if format_ == "huggingface_gpt2":
        described = replace(described, library={**(described.library or {}), "tie_word_embeddings": False})
    if format_ == "torch_encoder":
        described.configuration["model"].pop("embedding_scale", None)
    path, config = described.save(tmp_path)
    model = load(path, config=config).model
    assert model.architecture.tied_unembedding == (scale == 1.0)
    assert torch.equal(model.W_U if scale != 1.0 else model.W_E.T, scale * model.W_E.T)


@pytest.mark.parametrize("left_out", ["lm_head.weight", "transformer.wte.weight"])
@pytest.mark.parametrize("format_", ["huggingface_gpt2", "nanogpt"])
def test_one_of_two_equal_tables_may_be_left_out(format_: str, left_out: str, tmp_path: Path) -> None:
    described = STATES[format_]()
    plain, config = described.save(tmp_path / "plain")
    path, _ = replace(
        described, tensors={name: tensor for name, tensor in described.tensors.items() if name != left_out}
    ).save(tmp_path / "short")
    found = load(path, config=config)
    assert found.model.architecture.tied_unembedding
    assert weights_bytes(found.model) == weights_bytes(load(plain, config=config).model)


def test_a_shared_tensor_that_safetensors_left_out_is_there_again(tmp_path: Path) -> None:
    from safetensors.torch import save_model

    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, norm_first=True)
            self.token_emb, self.pos_emb = nn.Embedding(7, 8), nn.Embedding(11, 8)
            self.encoder = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)
            self.a_head = nn.Linear(8, 7, bias=False)
            self.a_head.weight = self.token_emb.weight

    module = Tied()
    save_model(module, str(tmp_path / "m.safetensors"))
    torch.save(module.state_dict(), tmp_path / "m.pt")
    names = {"encoder": "encoder", "embedding": "token_emb.weight", "positions": "pos_emb.weight"}
    model = {"heads": 2, "activation": "relu", "norm_first": True, "final_norm": False, "attention": "causal"}
    facts = {"model": {**model, "positions": "learned"}, "vocabulary": VOCABULARY, "task": TASK}
    config = tmp_path / "description.yaml"
    config.write_text(yaml.safe_dump({**facts, "names": {**names, "read_out": "a_head.weight"}}))
    short, whole = (load(tmp_path / f"m.{ending}", config=config).model for ending in ("safetensors", "pt"))
    assert short.architecture.tied_unembedding
    assert weights_bytes(short) == weights_bytes(whole)
