"""A template names every tensor and every missing fact; filled in, it is the description."""

from __future__ import annotations

import json
import re
import time
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from auditor.canonical.serialisation import weights_bytes
from auditor.checkpoints.description.schema import SECTIONS
from auditor.checkpoints.description.unsupported import unsupported
from auditor.checkpoints.intake.detection import load
from auditor.checkpoints.intake.gathering import gather
from auditor.checkpoints.intake.template import listing, template
from auditor.errors import ConfigurationError, FormatError
from tests.foreign.states import STATES, Described
from tests.wen2023_files import checkpoint

pytestmark = pytest.mark.slow


def _template(described: Described, folder: Path) -> tuple[Path, str]:
    path, config = described.save(folder)
    config.unlink()
    return path, template(gather(path))


def _needed(text: str) -> list[str]:
    """Dotted names of the facts marked as needed."""
    section, found = "", []
    for line in text.splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        if match := re.match(r"# (\w+) = .*# NEEDED", line):
            found.append(f"{section}.{match[1]}")
    return found


def _filled(text: str, facts: Mapping[str, Any]) -> str:
    """The template with each needed fact of ``facts`` written in its place, as a person would."""
    section, lines = "", []
    for line in text.splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        match = re.match(r"# (\w+) = ", line)
        value = facts.get(section, {}).get(match[1]) if match and section else None
        lines.append(line if value is None else f"{match[1] if match else ''} = {json.dumps(value)}")
    return "\n".join(lines)


@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.module."])
@pytest.mark.parametrize("format_", STATES)
def test_a_template_filled_in_is_the_description(format_: str, prefix: str, tmp_path: Path) -> None:
    described = STATES[format_]()
    plain, config = described.save(tmp_path / "plain")
    path, text = _template(described.renamed(prefix), tmp_path / "asked")
    tomllib.loads(text)  # as it stands
    filled = tmp_path / "model.toml"
    filled.write_text(_filled(text, described.configuration))
    assert weights_bytes(load(path, config=filled).model) == weights_bytes(load(plain, config=config).model)


@pytest.mark.parametrize("format_", STATES)
def test_every_tensor_is_listed_with_its_shape(format_: str, tmp_path: Path) -> None:
    described = STATES[format_]()
    _, text = _template(described, tmp_path)
    for name, tensor in described.tensors.items():
        assert re.search(rf"^#   {re.escape(name)} +{re.escape(str(list(tensor.shape)))}  float64$", text, re.MULTILINE)


@pytest.mark.parametrize("format_", STATES)
def test_all_missing_facts_are_named_at_once(format_: str, tmp_path: Path) -> None:
    described = STATES[format_]()
    path, text = _template(described, tmp_path)
    with pytest.raises(ConfigurationError, match=r"no .*, .* in the description.*--template") as caught:
        load(path)
    named = re.findall(r"'([\w.]+)'", str(caught.value).partition(" in the description")[0])
    assert set(_needed(text)) <= set(named)
    assert {"vocabulary.tokens", "vocabulary.pairs", "task.depth", "task.max_length"} <= set(named)
    facts = {name.partition(".")[0]: dict(described.configuration.get(name.partition(".")[0], {})) for name in named}
    config = tmp_path / "half.json"
    for name in named[1:]:  # one fact is still missing
        section, _, key = name.partition(".")
        assert key in SECTIONS[section]
    facts["vocabulary"].pop("tokens")
    config.write_text(json.dumps(facts))
    with pytest.raises(ConfigurationError, match=r"no 'vocabulary\.tokens' in the description"):
        load(path, config=config)


def test_an_encoder_is_recognised_by_names_shapes_and_values(tmp_path: Path) -> None:
    class Classifier(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.token_embedding = nn.Embedding(9, 8)
            self.pos_encoding = nn.Parameter(torch.randn(1, 12, 8))
            layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
            self.body = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
            self.ln = nn.LayerNorm(8)
            self.out = nn.Linear(8, 3)
            self.register_buffer("mask", nn.Transformer.generate_square_subsequent_mask(12))
            self.register_buffer("steps", torch.tensor(7))

    torch.save(Classifier().state_dict(), tmp_path / "m.pt")
    text = template(gather(tmp_path / "m.pt"))
    found = tomllib.loads(text)
    assert found["names"] == {
        "encoder": "body",
        "embedding": "token_embedding.weight",
        "positions": "pos_encoding",
        "final_norm": "ln",
        "read_out": "out.weight",
        "read_out_bias": "out.bias",
        "ignore": ["mask", "steps"],
    }
    assert found["read_out"] == {"classes": 3}
    assert found["model"] == {"final_norm": True, "bias": True, "attention": "causal", "positions": "learned"}
    assert "read_out.position" in _needed(text)
    assert "the table has 9 rows" in text


def test_plain_values_beside_the_weights_are_shown(tmp_path: Path) -> None:
    state = dict(STATES["torch_encoder"]().renamed("model.").tensors)
    path, config = STATES["torch_encoder"]().save(
        tmp_path, {"state_dict": state, "hyper_parameters": {"n_heads": 2, "name": "caf\u00e9 \U0001f600", "x": [1, 2]}}
    )
    config.unlink()
    text = template(gather(path))
    assert "the weights are the entry 'state_dict'" in text
    assert "#   n_heads = 2" in text
    assert text.isascii()
    tomllib.loads(text)


@pytest.mark.parametrize("extra", [1, 57, 50_000])
@pytest.mark.parametrize("format_", STATES)
def test_a_padded_vocabulary_is_recognised(format_: str, extra: int, tmp_path: Path) -> None:
    described = _padded(STATES[format_](), extra)
    path, config = described.save(tmp_path)
    with pytest.raises(ConfigurationError, match=rf"{extra} rows without a token.*vocabulary\.unused = {extra}"):
        load(path, config=config)
    vocabulary = {**described.configuration["vocabulary"], "unused": extra}
    longer = replace(described, configuration={**described.configuration, "vocabulary": vocabulary})
    path, config = longer.save(tmp_path / "unused")
    found = load(path, config=config).model.task.language.vocabulary
    assert (len(found), found.types, found.spellings[-1]) == (7 + extra, 2, f"<unused{6 + extra}>")


def _padded(described: Described, extra: int) -> Described:
    """More rows at both ends, and in the sizes that a library states."""

    def longer(name: str, tensor: Tensor) -> Tensor:
        axis = 1 if name == "unembed.W_U" else 0
        ends = ("wte.weight", "lm_head.weight", "embed.weight", "head.weight", "head.bias", "W_E", "W_U", "b_U")
        if not name.endswith(ends):
            return tensor
        shape = list(tensor.shape)
        shape[axis] = extra
        return torch.cat([tensor, torch.zeros(shape, dtype=tensor.dtype)], axis)

    library = None if described.library is None else {**described.library, "vocab_size": 7 + extra}
    return replace(described, tensors={n: longer(n, t) for n, t in described.tensors.items()}, library=library)


@pytest.mark.parametrize(
    ("module", "words"),
    [
        (nn.Transformer(8, 2, 1, 1, 16, batch_first=True), "encoder-decoder|cross-attention"),
        (nn.TransformerDecoder(nn.TransformerDecoderLayer(8, 2, 16), 1), "cross-attention"),
        (nn.LSTM(4, 4), "a recurrent network"),
        (nn.ModuleDict({"q_proj": nn.Linear(2, 2), "k_proj": nn.Linear(2, 2)}), "attention of another library"),
        (nn.ModuleDict({"lora_A": nn.Linear(2, 2)}), "an adapter"),
    ],
)
def test_what_is_not_supported_is_named(module: nn.Module, words: str, tmp_path: Path) -> None:
    torch.save({f"net.{name}": tensor for name, tensor in module.state_dict().items()}, tmp_path / "m.pt")
    (tmp_path / "m.toml").write_text("[names]\nencoder = 'net.encoder'\n")
    assert re.search(words, unsupported(module.state_dict()))
    if not isinstance(module, nn.Transformer):  # its encoder alone would be one of ours
        with pytest.raises(FormatError, match=f"({words}).*, which is not supported"):
            load(tmp_path / "m.pt")


@pytest.mark.parametrize("name", ["native", "wen2023"])
def test_formats_with_descriptions_of_their_own_have_no_template(name: str) -> None:
    from auditor import zoo

    path = zoo.path("dyck2x4-2layer-2head") if name == "native" else checkpoint("balance_acc_baseline_seed0")
    with pytest.raises(ConfigurationError, match=f"{name} checkpoints are not described by a file of this kind"):
        template(gather(path))


def test_ten_thousand_tensors_are_listed_quickly(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    names = [f"module.{'deep.' * 16}layers.{index}.self_attn.in_proj_weight" for index in range(10_000)]
    save_file({name: torch.zeros(3, 1) for name in names}, tmp_path / "m.safetensors")
    start = time.process_time()
    found = gather(tmp_path / "m.safetensors")
    assert len(listing(found)) == 10_001
    try:
        text = template(found)
    except FormatError as refused:
        text = str(refused)
    assert time.process_time() - start < 3.0
    assert text
