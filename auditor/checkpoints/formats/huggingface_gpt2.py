"""GPT-2 as Hugging Face's transformers saves it: a folder with ``config.json`` and the weights beside it.

``model.safetensors`` or a weights-only ``pytorch_model.bin``. Whether attention ran eagerly or fused (SDPA) changes
nothing in either file. All maps are Conv1D: input axis first. What the tokens mean is not in the folder in a form
that names START, END and PAD of a bracket language, so ``--config`` must state it.
Source: transformers.models.gpt2.modeling_gpt2.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

from torch import Tensor

from auditor.canonical.architecture import Activation
from auditor.canonical.model import CanonicalTransformer
from auditor.checkpoints.description.assembly import assemble
from auditor.checkpoints.description.gpt2_layout import (
    LANDMARK,
    Gpt2Sizes,
    Gpt2Tables,
    body_of,
    gpt2_architecture,
    has_gpt2_names,
    is_input_first,
    layers_of,
    rows_of,
    with_embedding,
)
from auditor.checkpoints.description.language_facts import check_vocabulary, task_of
from auditor.checkpoints.description.library_keys import check_keys, unread_note
from auditor.checkpoints.description.model_facts import activation_of, check_length, epsilon_of
from auditor.checkpoints.description.reading import Description
from auditor.checkpoints.description.schema import check_names
from auditor.checkpoints.description.state_dict import StateDict
from auditor.contracts import ArchitectureAdapter, Weights
from auditor.errors import ConfigurationError, FormatError
from auditor.records import Json

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
_READ = ("model_type", *_SIZES, *_DEFAULTS)
_BECAUSE = "config.json"


class HuggingfaceGpt2(ArchitectureAdapter):
    """Reads ``GPT2LMHeadModel.save_pretrained``."""

    summary: ClassVar[str] = "folder of Hugging Face's GPT-2: config.json with model.safetensors or pytorch_model.bin"
    source: ClassVar[str] = "transformers, GPT2LMHeadModel"
    landmark: ClassVar[str] = LANDMARK
    reads: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "model": ("heads", "activation", "norm_epsilon"),  # where config.json was not saved
        "names": ("ignore",),
    }

    def facts_read(self, weights: Weights) -> Mapping[str, tuple[str, ...]]:
        """The facts that config.json does not have; all of them where there is no config.json."""
        return {"names": self.reads["names"]} if _is_described(weights) else self.reads

    def recognises(self, weights: Weights) -> bool:
        """Whether config.json has model type gpt2, or, without one, the maps of a GPT-2 are input axis first."""
        if weights.library is not None and _is_described(weights):
            return bool(weights.library["model_type"] == _MODEL_TYPE)
        return has_gpt2_names(weights.tensors) and is_input_first(weights.tensors) is True

    def notes(self, weights: Weights) -> tuple[str, ...]:
        """The keys of config.json that are not read."""
        return unread_note(weights.library or {}, _READ, file=_BECAUSE)

    def vocabulary_rows(self, weights: Weights) -> int | None:
        """Rows of the token table."""
        return rows_of(weights.tensors, "wte.weight")

    def convert(self, weights: Weights) -> CanonicalTransformer:
        """The canonical model.

        Raises:
            ConfigurationError: a missing or unknown fact, or one that contradicts the weights.
            FormatError: a tensor that is unknown or missing, by name.
        """
        as_saved, weights = weights, replace(weights, tensors=with_embedding(weights.tensors))
        description = Description(weights.configuration or {})
        read = self.facts_read(weights)
        check_names(description, model=read.get("model", ()), names=read["names"])
        if description.section("read_out"):
            raise ConfigurationError("read_out for a GPT2LMHeadModel", expected="a language model")
        task = task_of(description)
        sizes = (
            _sizes(weights.library)
            if weights.library and _is_described(weights)
            else _sizes_of(weights.tensors, description)
        )
        if _is_described(weights) and not sizes.tied:
            weights = as_saved  # the head is another table, and stands for none that is missing
        check_length(task, sizes.positions)
        check_vocabulary(task.language.vocabulary, sizes.vocabulary, table="the embedding by config.json")
        if layers_of(weights.tensors) > sizes.layers:
            raise ConfigurationError(
                f"blocks up to h.{layers_of(weights.tensors) - 1}", expected=f"{sizes.layers} by config.json"
            )
        body = body_of(weights.tensors)  # GPT2Model alone has none
        if not body and not sizes.tied and "lm_head.weight" not in weights.tensors:
            raise FormatError("no tensor 'lm_head.weight'", expected="GPT2LMHeadModel, since the head is not tied")
        because = _BECAUSE if _is_described(weights) else "the description and the other tensors"
        tables = Gpt2Tables(StateDict(weights.tensors), sizes, body, because, input_first=True).take()
        return assemble(tables, gpt2_architecture(sizes), task)


def _is_described(weights: Weights) -> bool:
    return weights.library is not None and "model_type" in weights.library


def _sizes_of(tensors: Mapping[str, Tensor], description: Description) -> Gpt2Sizes:
    """Sizes of a state dict that was saved without config.json, by its shapes and the description."""
    body = body_of(tensors)
    state = StateDict(tensors)
    vocabulary, width = state.axes(f"{body}wte.weight", 2)
    return Gpt2Sizes(
        layers=layers_of(tensors),
        width=width,
        heads=description.whole("model.heads"),
        neurons=state.axes(f"{body}h.0.mlp.c_fc.weight", 2)[1],
        positions=state.axes(f"{body}wpe.weight", 2)[0],
        vocabulary=vocabulary,
        activation=activation_of(description),
        epsilon=epsilon_of(description),
        tied="lm_head.weight" not in tensors,
        heads_named="model.heads",
    )


def _sizes(library: Mapping[str, Json]) -> Gpt2Sizes:
    facts = Description({**_DEFAULTS, **library}, action="take config.json from the folder that save_pretrained wrote")
    facts.choice("model_type", (_MODEL_TYPE,))
    check_keys(library, _READ, file=_BECAUSE)
    for name in ("add_cross_attention", "is_encoder_decoder"):
        if facts.truth(name):
            raise ConfigurationError(
                f"{name} = true: encoder-decoders and cross-attention are not supported",
                expected="a GPT-2 that reads its own tokens only",
            )
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
