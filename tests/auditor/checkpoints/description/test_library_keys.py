"""Keys of a library's configuration: read, refused where they change the function, else listed in one note."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from auditor.canonical.serialisation import weights_bytes
from auditor.checkpoints.intake.detection import Loaded, load
from auditor.errors import ConfigurationError
from tests.foreign.states import STATES

HARMLESS: dict[str, Any] = {
    "_attn_implementation_autoset": True, "sep_token_id": 2, "cls_token_id": 1, "unk_token_id": 0, "_num_labels": 1,
    "tokenizer_class": "PreTrainedTokenizerFast", "decoder_start_token_id": 1, "torchscript": True, "prefix": None,
    "use_bfloat16": False, "finetuning_task": "lm", "max_length": 50, "do_sample": True, "num_beams": 2,
    "output_past": True, "resid_dropout": 0.1, "embd_dropout": 0.1, "output_scores": True, "auto_map": {},
    "return_dict_in_generate": True, "tf_legacy_loss": False, "vocab_pad": 1, "transformers.js_config": {},
    "predict_special_tokens": True, "unsloth_version": "2024.9", "my_note": "trained on a Tuesday",
    "bad_words_ids": None, "suppress_tokens": None, "begin_suppress_tokens": None, "top_k": 50, "use_cache": True,
    "cross_attention_hidden_size": None, "dtype": "float32", "torch_dtype": "float32", "transformers_version": "5.23.0",
    "attn_pdrop": 0.1, "position_embedding_type": "absolute", "rope_scaling": None, "sliding_window": None,
}  # fmt: skip
CHANGING: dict[str, Any] = {
    "rope_theta": 10000.0, "use_rotary": True, "position_embedding_type": "relative_key", "sliding_window": 16,
    "num_key_value_heads": 1, "num_local_experts": 8, "alibi": True, "use_parallel_residual": True,
    "final_logit_softcapping": 30.0, "norm_type": "rmsnorm", "multi_query": True, "lora_rank": 8,
}  # fmt: skip
LENS: dict[str, Any] = {
    "n_layers": 2, "d_model": 6, "n_ctx": 11, "d_head": 3, "n_heads": 2, "d_mlp": 5, "d_vocab": 7, "act_fn": "relu",
    "normalization_type": "LN", "attention_dir": "causal", "positional_embedding_type": "standard", "eps": 1e-5,
    "use_attn_scale": True, "attn_scale": 3**0.5, "attn_only": False, "seed": 7, "device": "cuda", "init_mode": "gpt2",
    "rotary_base": 10000, "rotary_dim": None, "window_size": None, "use_local_attn": False, "final_rms": False,
    "attn_scores_soft_cap": -1.0, "NTK_by_parts_factor": 8.0, "use_attn_result": False, "tokenizer_name": None,
    "n_key_value_heads": None, "gated_mlp": False, "parallel_attn_mlp": False, "relative_attention_max_distance": None,
}  # fmt: skip
"""As a HookedTransformerConfig of two layers writes itself."""


def _gpt2(folder: Path, **keys: Any) -> Loaded:
    described = STATES["huggingface_gpt2"]()
    path, config = replace(described, library={**(described.library or {}), **keys}).save(folder)
    return load(path, config=config)


def _nanogpt(folder: Path, **keys: Any) -> Loaded:
    described = STATES["nanogpt"]()
    path, config = replace(described, library={**(described.library or {}), **keys}).save(folder)
    return load(path, config=config)


def _lens(folder: Path, drop: tuple[str, ...] = (), facts: Any = None, **keys: Any) -> Loaded:
    described = STATES["transformer_lens"]()
    configuration = {**described.configuration, "model": facts or {}}
    library = {name: value for name, value in {**LENS, **keys}.items() if name not in drop}
    content = {"model": dict(described.tensors), "config": library}
    path, config = replace(described, configuration=configuration).save(folder, content)
    return load(path, config=config)


@pytest.mark.parametrize("save", [_gpt2, _nanogpt, _lens])
def test_harmless_keys_are_listed_in_one_note(save: Any, tmp_path: Path) -> None:
    plain, found = save(tmp_path / "plain"), save(tmp_path / "keys", **HARMLESS)
    assert weights_bytes(found.model) == weights_bytes(plain.model)
    assert found.model.architecture == plain.model.architecture
    notes = [note for note in found.notes if "do not change the function" in note]
    assert len(notes) == 1
    assert all(name in notes[0] for name in HARMLESS)


@pytest.mark.parametrize("key", CHANGING)
@pytest.mark.parametrize("save", [_gpt2, _nanogpt, _lens])
def test_a_key_that_changes_the_function_is_refused(save: Any, key: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=f"{key} = .*which changes what the weights compute"):
        save(tmp_path, **{key: CHANGING[key]})


def test_a_lens_configuration_replaces_a_description(tmp_path: Path) -> None:
    described = STATES["transformer_lens"]()
    path, config = described.save(tmp_path / "plain")
    plain, found = load(path, config=config), _lens(tmp_path / "configured")
    assert found.model.architecture == plain.model.architecture
    assert _lens(tmp_path / "2", use_attn_scale=False).model.architecture.attention_scale == 1.0
    assert _lens(tmp_path / "3", attn_scale=4.0).model.architecture.attention_scale == 0.25
    assert _lens(tmp_path / "4", act_fn="gelu_new").model.architecture.activation == "gelu_tanh"


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"d_model": 8}, r"d_model = 8, but 'embed\.W_E' has shape \[7, 6\]"),
        ({"n_layers": 3}, "n_layers = 3; expected 2"),
        ({"act_fn": "silu"}, "act_fn = 'silu' is not supported"),
        ({"positional_embedding_type": "alibi"}, "positional_embedding_type = 'alibi' is not supported"),
        (
            {"positional_embedding_type": "rotary", "use_NTK_by_parts_rope": True},
            "use_NTK_by_parts_rope = True is not supported",
        ),
        ({"post_embedding_ln": True}, "post_embedding_ln = True; expected true with a tensor 'embed.ln.w'"),
        ({"parallel_attn_mlp": True}, "parallel_attn_mlp = True, which changes"),
        ({"scale_attn_by_inverse_layer_idx": True}, "inverse_layer_idx"),
        ({"facts": {"attention": "bidirectional"}}, "model.attention = 'bidirectional', but .* has 'causal'"),
    ],
)
def test_a_lens_configuration_that_contradicts_is_refused(keys: Any, words: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=words):
        _lens(tmp_path, **keys)


def test_facts_that_a_lens_configuration_leaves_out_are_asked_for(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"no 'model\.activation', 'model\.attention', 'model\.pad_masked' in"):
        _lens(tmp_path, drop=("act_fn", "attention_dir"))


def test_a_gpt2_without_its_config_is_described_by_hand(tmp_path: Path) -> None:
    described = STATES["huggingface_gpt2"]()
    plain, config = described.save(tmp_path / "plain")
    content = {"state_dict": dict(described.renamed("model.").tensors), "hyper_parameters": {"lr": 1e-3}}
    path, alone = replace(described, library=None).save(tmp_path / "alone", content)
    with pytest.raises(ConfigurationError, match=r"no 'model\.heads', 'model\.activation' in the description"):
        load(path, config=alone)
    library = json.loads((plain / "config.json").read_text())
    facts = {**described.configuration, "model": {"heads": library["n_head"], "activation": "gelu_tanh"}}
    alone.write_text(yaml.safe_dump(facts))
    found = load(path, config=alone)
    assert found.format == "huggingface_gpt2"
    assert weights_bytes(found.model) == weights_bytes(load(plain, config=config).model)
