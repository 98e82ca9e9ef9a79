"""GPT-2 as Hugging Face's transformers saves it: a folder with ``config.json`` and the weights beside it.

``model.safetensors`` or a weights-only ``pytorch_model.bin``. Whether attention ran eagerly or fused (SDPA) changes
nothing in either file. All maps are Conv1D: input axis first. What the tokens mean is not in the folder in a form
that names START, END and PAD of a bracket language, so ``--config`` says it.
Source: transformers.models.gpt2.modeling_gpt2.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from auditor.canonical.architecture import Activation
from auditor.canonical.model import CanonicalTransformer
from auditor.checkpoints.description.assembly import assemble
from auditor.checkpoints.description.gpt2_layout import (
    Gpt2Sizes,
    Gpt2Tables,
    gpt2_architecture,
    is_input_first,
    layers_of,
)
from auditor.checkpoints.description.language_facts import task_of
from auditor.checkpoints.description.model_facts import check_length
from auditor.checkpoints.description.reading import Description
from auditor.checkpoints.description.schema import check_names
from auditor.checkpoints.description.state_dict import StateDict
from auditor.contracts import ArchitectureAdapter, Weights
from auditor.errors import ConfigurationError, FormatError
from auditor.records import Json

_BODY = "transformer."
_MODEL_TYPE = "gpt2"
_FULL = "GPT2LMHeadModel"
_ACTIVATIONS: Mapping[str, Activation] = {
    "relu": "relu",
    "gelu": "gelu_erf",
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "gelu_fast": "gelu_tanh",
}
"""Their names of activations → ours; the three tanh forms differ in the eleventh digit of a constant."""

_DEFAULTS: Mapping[str, Json] = {
    "activation_function": "gelu_new",
    "layer_norm_epsilon": 1e-5,
    "n_inner": None,
    "scale_attn_weights": True,
    "scale_attn_by_inverse_layer_idx": False,
    "add_cross_attention": False,
    "tie_word_embeddings": True,
    "is_decoder": False,
    "is_encoder_decoder": False,
    "pruned_heads": {},
    "architectures": [_FULL],
    "quantization_config": None,
}
"""GPT2Config's own defaults of what changes the function; transformers may leave them out of the file."""

_SIZES = ("vocab_size", "n_positions", "n_embd", "n_layer", "n_head")
_WITHOUT_EFFECT = frozenset(
    (
        "_attn_implementation", "_name_or_path", "attn_implementation", "attn_pdrop", "bos_token_id",
        "chunk_size_feed_forward", "cross_attention_hidden_size", "dtype", "embd_pdrop", "eos_token_id",
        "gradient_checkpointing", "id2label", "initializer_range", "label2id", "model_type", "n_ctx",
        "output_attentions", "output_hidden_states", "pad_token_id", "problem_type", "reorder_and_upcast_attn",
        "resid_pdrop", "return_dict", "summary_activation", "summary_first_dropout", "summary_proj_to_labels",
        "summary_type", "summary_use_proj", "task_specific_params", "torch_dtype", "transformers_version",
        "use_cache",
    )
)  # fmt: skip
"""Of training, of generation, of other heads, or of how the same function is computed."""

_BECAUSE = "config.json"


class HuggingfaceGpt2(ArchitectureAdapter):
    """Reads ``GPT2LMHeadModel.save_pretrained``."""

    summary: ClassVar[str] = "folder of Hugging Face's GPT-2: config.json with model.safetensors or pytorch_model.bin"
    source: ClassVar[str] = "transformers, GPT2LMHeadModel"

    def recognises(self, weights: Weights) -> bool:
        """Whether config.json says gpt2, or, without one, the maps of a GPT-2 are stored input axis first."""
        if weights.library is not None and "model_type" in weights.library:
            return bool(weights.library["model_type"] == _MODEL_TYPE)
        return is_input_first(weights.tensors) is True and not any(n.startswith("model.") for n in weights.tensors)

    def convert(self, weights: Weights) -> CanonicalTransformer:
        """The canonical model.

        Raises:
            ConfigurationError: a missing or unknown fact, or one that contradicts the weights.
            FormatError: a tensor that is unknown or missing, by name.
        """
        if weights.library is None or "model_type" not in weights.library:
            raise ConfigurationError(
                "weights of a GPT-2 without their config.json",
                expected="the folder that save_pretrained wrote",
                action="name the folder instead of the file",
            )
        sizes = _sizes(weights.library)
        description = Description(weights.configuration or {})
        check_names(description)
        if description.section("read_out"):
            raise ConfigurationError("read_out for a GPT2LMHeadModel", expected="a language model")
        task = task_of(description)
        check_length(task, sizes.positions)
        if len(task.language.vocabulary) != sizes.vocabulary:
            raise ConfigurationError(
                f"{len(task.language.vocabulary)} tokens in the vocabulary",
                expected=f"{sizes.vocabulary} by config.json",
                action="list every id in vocabulary.tokens; those without a meaning in vocabulary.unused",
            )
        if layers_of(weights.tensors) > sizes.layers:
            raise ConfigurationError(
                f"blocks up to h.{layers_of(weights.tensors) - 1}", expected=f"{sizes.layers} by config.json"
            )
        bare = not any(name.startswith(_BODY) for name in weights.tensors)  # GPT2Model alone has no prefix
        if bare and not sizes.tied:
            raise FormatError("no tensor 'lm_head.weight'", expected="GPT2LMHeadModel, since the head is not tied")
        tables = Gpt2Tables(StateDict(weights.tensors), sizes, "" if bare else _BODY, _BECAUSE, input_first=True).take()
        return assemble(tables, gpt2_architecture(sizes), task)


def _sizes(library: Mapping[str, Json]) -> Gpt2Sizes:
    facts = Description({**_DEFAULTS, **library}, action="take config.json from the folder that save_pretrained wrote")
    facts.choice("model_type", (_MODEL_TYPE,))
    facts.only("", (*_SIZES, *_DEFAULTS, *_WITHOUT_EFFECT))
    for name in ("add_cross_attention", "is_encoder_decoder"):
        if facts.truth(name):
            raise ConfigurationError(f"{name} = true", expected="a GPT-2 that reads its own tokens only")
    if facts.fact("pruned_heads") or facts.fact("quantization_config"):
        raise ConfigurationError("pruned heads or quantised weights", expected="all heads, in floating point")
    if facts.fact("architectures") not in ([_FULL], ["GPT2Model"], None):
        raise ConfigurationError(
            f"architectures = {ascii(facts.fact('architectures'))[:60]}",
            expected=_FULL,
            action="a classifier read at its last token cannot be audited yet",
        )
    activation = facts.choice("activation_function", _ACTIVATIONS)
    whole = {name: facts.whole(name) for name in _SIZES}
    return Gpt2Sizes(
        layers=whole["n_layer"],
        width=whole["n_embd"],
        heads=whole["n_head"],
        neurons=4 * whole["n_embd"] if facts.fact("n_inner") is None else facts.whole("n_inner"),
        positions=whole["n_positions"],
        vocabulary=whole["vocab_size"],
        activation=_ACTIVATIONS[activation],
        epsilon=facts.positive("layer_norm_epsilon"),
        scale=None if facts.truth("scale_attn_weights") else 1.0,
        scale_by_layer=facts.truth("scale_attn_by_inverse_layer_idx"),
        tied=facts.truth("tie_word_embeddings"),
    )
