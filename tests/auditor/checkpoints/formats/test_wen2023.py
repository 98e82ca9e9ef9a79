"""The original code's numbers, and every way in which a file and its YAML can disagree."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor

from auditor.canonical.interventions import run_with_cache
from auditor.canonical.model import CanonicalTransformer
from auditor.canonical.sites import Site
from auditor.checkpoints.formats.wen2023 import Wen2023
from auditor.checkpoints.intake.configuration import read_configuration
from auditor.checkpoints.intake.detection import load
from auditor.checkpoints.intake.safe_loading import read_checkpoint
from auditor.contracts import Weights
from auditor.errors import AuditorError, ConfigurationError, FormatError
from tests.wen2023_files import NAMES, checkpoint, reference

FLOAT64 = 1e-9
"""The reference was computed in float64 from the same float32 weights; 1e-13 is seen."""

FLOAT32 = 2e-4
"""The reference for fixed sentences is float32, through two layers."""


@pytest.mark.parametrize("name", NAMES)
def test_logits_and_attention_are_those_of_the_original_code(name: str) -> None:
    model, expected = load(checkpoint(name)).model.double(), reference()["models"][name]
    tokens = torch.tensor([reference()["canonical_ids"]])
    logits, cache = run_with_cache(model, tokens, sites=[Site.PATTERN])
    torch.testing.assert_close(logits[0], _float64(expected["canonical_logits_f64"]), rtol=0, atol=FLOAT64)
    patterns = expected["canonical_attention_f64"]
    assert len(patterns) == model.architecture.layers
    for layer, pattern in enumerate(patterns):
        torch.testing.assert_close(cache[Site.PATTERN, layer][0], _float64(pattern), rtol=0, atol=FLOAT64)


@pytest.mark.parametrize("name", NAMES)
def test_last_logits_of_fixed_sentences_are_those_of_the_original_code(name: str) -> None:
    model, expected = load(checkpoint(name)).model, reference()["models"][name]["fixed_logits_last"]
    for sentence, logits in zip(reference()["fixed_sentences"], expected, strict=True):
        found = model(torch.tensor([sentence]))[0, -1]
        torch.testing.assert_close(found, torch.tensor(logits), rtol=0, atol=FLOAT32)


def test_the_task_comes_from_the_yaml() -> None:
    task = load(checkpoint("balance_acc_prefix_contrastive_seed0")).model.task
    assert task.language.types == 2
    assert task.language.depth == 4
    assert (task.min_length, task.max_length, task.prefixes) == (28, 28, True)
    assert task.objective == "closing_bracket"


NAMES_OF_FAMILIES = ("balance_acc_baseline_seed0", "example_baseline_p_seed0")
KEYS = [(name, key) for name in NAMES_OF_FAMILIES for key in sorted(read_checkpoint(checkpoint(name)).tensors)]


def _weights(name: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    path = checkpoint(name)
    return dict(read_checkpoint(path).tensors), copy.deepcopy(read_configuration(path.with_suffix(".yaml")))


@pytest.fixture(scope="module")
def files() -> dict[str, tuple[dict[str, Tensor], dict[str, Any]]]:
    """Tensors and description of one model per family."""
    return {name: _weights(name) for name in NAMES_OF_FAMILIES}


Files = dict[str, tuple[dict[str, Tensor], dict[str, Any]]]


def _convert(tensors: dict[str, Tensor], facts: dict[str, Any] | None) -> CanonicalTransformer:
    return Wen2023().convert(Weights(tensors, facts))


@pytest.mark.parametrize(("name", "key"), KEYS)
def test_every_key_is_needed_by_name(name: str, key: str, files: Files) -> None:
    tensors, facts = files[name]
    without = {other: tensor for other, tensor in tensors.items() if other != key}
    with pytest.raises(FormatError) as caught:
        _convert(without, facts)
    assert key in str(caught.value)
    with pytest.raises(AuditorError) as caught:
        _convert({**without, f"{key}_": tensors[key]}, facts)
    assert key in str(caught.value)


@pytest.mark.parametrize(("name", "key"), KEYS)
def test_every_shape_is_checked_against_the_description(name: str, key: str, files: Files) -> None:
    tensors, facts = files[name]
    wider = torch.cat([tensors[key], tensors[key][..., :1]], dim=-1)
    with pytest.raises(ConfigurationError) as caught:
        _convert({**tensors, key: wider}, facts)
    assert key in str(caught.value)
    assert str(list(wider.shape)) in str(caught.value)


@pytest.mark.parametrize(
    "key",
    [
        "extra",
        "model.transformer.h.0.ln_1.weight",
        "model.lm_head.bias",
        "model.transformer.h.0.c_attn.bias",
        "x.attn.bias",
    ],
)
def test_an_added_key_is_refused_by_name(key: str, files: Files) -> None:
    tensors, facts = files["balance_acc_baseline_seed0"]
    with pytest.raises(FormatError, match=key):
        _convert({**tensors, key: torch.ones(1)}, facts)


def test_mask_buffers_of_older_releases_are_ignored(files: Files) -> None:
    tensors, facts = files["balance_acc_baseline_seed0"]
    buffers = {
        "model.transformer.h.0.attn.bias": torch.ones(1, 1, 8, 8, dtype=torch.uint8),
        "model.transformer.h.0.attn.masked_bias": torch.tensor(-1e4),
    }
    model = _convert({**tensors, **buffers}, facts)
    assert torch.equal(model.layers[0].attention.b_Q.flatten(), tensors["model.transformer.h.0.attn.c_attn.bias"][:50])


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("lm.num_layers", 1, "num_layers = 1"),
        ("lm.num_layers", 3, r"h\.2\.attn"),
        ("lm.num_layers", "2", "num_layers = '2'"),
        ("lm.num_layers", True, "num_layers = True"),
        ("lm.num_heads", 3, "num_heads = 3 for lm.embedding_dim = 50"),
        ("lm.num_heads", 0, "num_heads = 0"),
        ("lm.embedding_dim", 40, r"\[50, 150\]; expected \[40, 120\]"),
        ("lm.hidden_dim", 64, r"\[50, 50\]; expected \[50, 64\]"),
        ("lm.embedding_type", "rotary", "embedding_type = 'rotary'"),
        ("lm.embedding_type", "none", "embedding"),
        ("lm.token_embedding_type", "sub_state_raw", "token_embedding_type = 'sub_state_raw'"),
        ("lm.lm_type", "BertForMaskedLMCustom", "lm_type"),
        ("lm.layer_norm", False, "ln_2"),
        ("lm.one_layer_norm", False, "ln_f"),
        ("lm.attn_output_fc", False, r"attn\.c_proj"),
        ("lm.gpt_intermediate", False, r"mlp\.c_"),
        ("lm.residual", "yes", "residual = 'yes'"),
        ("lm.new_option", 1, r"lm\.new_option"),
        ("language.bracket_types", 3, r"\[8, 49\]; expected \[10, 49\]"),
        ("language.train_max_stack_depth", 0, "train_max_stack_depth = 0"),
        ("language.train_min_length", 40, "40 to 28"),
        ("language.prefix", None, r"language\.prefix = None"),
        ("training.check_closing_brackets_only", 1, "check_closing_brackets_only = 1"),
    ],
)
def test_a_wrong_option_is_refused_by_name(option: str, value: object, words: str, files: Files) -> None:
    tensors, facts = files["example_baseline_p_seed0"]
    section, name = option.split(".")
    changed = {**facts, section: {**facts[section], name: value}}
    with pytest.raises(AuditorError, match=words):
        _convert(tensors, changed)


@pytest.mark.parametrize(
    "option",
    ["lm.num_layers", "lm.residual", "lm.embedding_type", "language.prefix", "training.check_closing_brackets_only"],
)
def test_a_missing_option_is_asked_for_by_name(option: str, files: Files) -> None:
    tensors, facts = files["example_baseline_p_seed0"]
    section, name = option.split(".")
    changed = {**facts, section: {key: value for key, value in facts[section].items() if key != name}}
    with pytest.raises(ConfigurationError, match=option):
        _convert(tensors, changed)


def test_a_section_that_is_no_section_is_refused(files: Files) -> None:
    tensors, facts = files["example_baseline_p_seed0"]
    with pytest.raises(ConfigurationError, match="lm"):
        _convert(tensors, {**facts, "lm": 3})


def _float64(values: Any) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)
