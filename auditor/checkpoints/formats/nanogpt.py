"""Checkpoints of nanoGPT: ``{"model": state dict, "model_args": sizes, …}``, or the state dict alone.

The names are those of GPT-2, but the maps are nn.Linear: output axis first. ``torch.compile`` puts ``_orig_mod.`` in
front of every name. ``wte`` and ``lm_head`` are one table. The activation is in neither part: early versions computed
GELU by tanh, later ones by erf. Source: github.com/karpathy/nanoGPT, model.py and train.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from auditor.canonical.model import CanonicalTransformer
from auditor.checkpoints.description.assembly import assemble
from auditor.checkpoints.description.gpt2_layout import (
    Gpt2Sizes,
    Gpt2Tables,
    check_body,
    gpt2_architecture,
    is_input_first,
    layers_of,
)
from auditor.checkpoints.description.language_facts import task_of
from auditor.checkpoints.description.model_facts import activation_of, check_length, epsilon_of
from auditor.checkpoints.description.reading import Description
from auditor.checkpoints.description.schema import check_names
from auditor.checkpoints.description.state_dict import StateDict
from auditor.contracts import ArchitectureAdapter, Weights
from auditor.errors import ConfigurationError, FormatError
from auditor.language.task import Task
from auditor.records import Json

_BODY = "transformer."
_COMPILED = "_orig_mod."
_ARGUMENTS = ("n_layer", "n_head", "n_embd", "block_size", "bias", "vocab_size", "dropout")
_MLP_FACTOR = 4
"""Neurons per unit of width, written into their code."""


class Nanogpt(ArchitectureAdapter):
    """Reads ``ckpt.pt`` of nanoGPT's train.py, compiled or not, and the state dict in it."""

    summary: ClassVar[str] = "nanoGPT's ckpt.pt, or the state dict in it"
    source: ClassVar[str] = "github.com/karpathy/nanoGPT"

    def recognises(self, weights: Weights) -> bool:
        """Whether the names are GPT-2's and the maps are stored output axis first."""
        if weights.library is not None and "model_type" in weights.library:
            return False
        plain = not any(name.startswith("model.") for name in weights.tensors)
        return plain and is_input_first(weights.tensors) is False

    def convert(self, weights: Weights) -> CanonicalTransformer:
        """The canonical model.

        Raises:
            ConfigurationError: a missing or unknown fact, or one that contradicts the weights.
            FormatError: a tensor that is unknown or missing, by name.
        """
        tensors = _uncompiled(weights.tensors)
        check_body(tensors, _BODY)
        description = Description(weights.configuration or {})
        stated = ("activation", "norm_epsilon") if weights.library else ("activation", "norm_epsilon", "heads", "bias")
        check_names(description, model=stated)
        if description.section("read_out"):
            raise ConfigurationError("read_out for a nanoGPT", expected="a language model")
        task = task_of(description)
        sizes = _sizes(tensors, weights.library, description, task)
        check_length(task, sizes.positions)
        because = "model_args" if weights.library else "the description"
        tables = Gpt2Tables(StateDict(tensors), sizes, _BODY, because, input_first=False).take()
        return assemble(tables, gpt2_architecture(sizes), task)


def _uncompiled(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    if not any(name.startswith(_COMPILED) for name in tensors):
        return dict(tensors)
    for name in sorted(tensors):
        if not name.startswith(_COMPILED):
            raise FormatError(f"unknown tensor {name!a}", expected=f"{_COMPILED!r} before all names or before none")
    return {name.removeprefix(_COMPILED): tensor for name, tensor in tensors.items()}


def _sizes(
    tensors: Mapping[str, Tensor], library: Mapping[str, Json] | None, description: Description, task: Task
) -> Gpt2Sizes:
    arguments = _arguments(tensors, description) if library is None else library
    facts = Description(arguments, action="take the ckpt.pt that train.py wrote")
    facts.only("", _ARGUMENTS)
    vocabulary = len(task.language.vocabulary)
    if facts.has("vocab_size") and facts.fact("vocab_size") is not None and facts.whole("vocab_size") != vocabulary:
        raise ConfigurationError(
            f"{vocabulary} tokens in the vocabulary",
            expected=f"{facts.whole('vocab_size')} by model_args",
            action="list every id in vocabulary.tokens; those without a meaning in vocabulary.unused",
        )
    if layers_of(tensors) > facts.whole("n_layer"):
        raise ConfigurationError(
            f"blocks up to h.{layers_of(tensors) - 1}", expected=f"{facts.whole('n_layer')} by model_args"
        )
    return Gpt2Sizes(
        layers=facts.whole("n_layer"),
        width=facts.whole("n_embd"),
        heads=facts.whole("n_head"),
        neurons=_MLP_FACTOR * facts.whole("n_embd"),
        positions=facts.whole("block_size"),
        vocabulary=vocabulary,
        activation=activation_of(description),
        epsilon=epsilon_of(description),
        tied=_is_tied(tensors),
        biases=facts.truth("bias") if facts.has("bias") else True,  # older versions always had them
    )


def _arguments(tensors: Mapping[str, Tensor], description: Description) -> dict[str, Json]:
    """Sizes of a state dict without model_args: by the shape of its position table, heads by the description."""
    table = tensors.get(f"{_BODY}wpe.weight")
    if table is None or table.dim() != 2:
        raise FormatError(f"no table '{_BODY}wpe.weight'", expected="[position, model]")
    return {
        "n_layer": layers_of(tensors),
        "n_head": description.whole("model.heads"),
        "n_embd": table.shape[1],
        "block_size": table.shape[0],
        "bias": description.truth("model.bias") if description.has("model.bias") else True,
    }


def _is_tied(tensors: Mapping[str, Tensor]) -> bool:
    """Whether head and embedding are one table, as nanoGPT has them; a fork may have untied them."""
    head, embedding = tensors.get("lm_head.weight"), tensors.get(f"{_BODY}wte.weight")
    if head is None:
        raise FormatError("no tensor 'lm_head.weight'", expected="every tensor of the format")
    return embedding is not None and torch.equal(head, embedding)
