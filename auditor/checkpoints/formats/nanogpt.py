"""Checkpoints of nanoGPT: ``{"model": state dict, "model_args": sizes, …}``, or the state dict alone.

The names are those of GPT-2, but the maps are nn.Linear: output axis first. ``wte`` and ``lm_head`` are one table, as
they are not in minGPT, which has the same names. The activation is in neither part: early versions computed
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
from auditor.language.task import Task
from auditor.records import Json

_ARGUMENTS = ("n_layer", "n_head", "n_embd", "block_size", "bias", "vocab_size", "dropout")
_FILE = "model_args"
_MLP_FACTOR = 4
"""Neurons per unit of width, written into their code."""


class Nanogpt(ArchitectureAdapter):
    """Reads ``ckpt.pt`` of nanoGPT's train.py and the state dict in it."""

    summary: ClassVar[str] = "nanoGPT's ckpt.pt, or the state dict in it"
    source: ClassVar[str] = "github.com/karpathy/nanoGPT"
    landmark: ClassVar[str] = LANDMARK
    reads: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "model": ("activation", "norm_epsilon", "heads", "bias"),
        "names": ("ignore",),
    }

    def facts_read(self, weights: Weights) -> Mapping[str, tuple[str, ...]]:
        """The facts that model_args do not have."""
        if weights.library is None:
            return self.reads
        return {**self.reads, "model": tuple(name for name in self.reads["model"] if name not in ("heads", "bias"))}

    def recognises(self, weights: Weights) -> bool:
        """Whether the names are GPT-2's and the maps are stored output axis first."""
        if weights.library is not None and "model_type" in weights.library:
            return False
        return has_gpt2_names(weights.tensors) and is_input_first(weights.tensors) is False

    def notes(self, weights: Weights) -> tuple[str, ...]:
        """The keys of model_args that are not read."""
        return unread_note(weights.library or {}, _ARGUMENTS, file=_FILE)

    def vocabulary_rows(self, weights: Weights) -> int | None:
        """Rows of the token table."""
        return rows_of(weights.tensors, "wte.weight")

    def recognised_facts(self, weights: Weights) -> Mapping[str, Json]:
        """Whether there are biases, where model_args do not have the fact."""
        if weights.library is not None:
            return {}
        return {"model.bias": any(name.endswith("attn.c_attn.bias") for name in weights.tensors)}

    def convert(self, weights: Weights) -> CanonicalTransformer:
        """The canonical model.

        Raises:
            ConfigurationError: a missing or unknown fact, or one that contradicts the weights.
            FormatError: a tensor that is unknown or missing, by name.
        """
        tensors, body = with_embedding(weights.tensors), body_of(weights.tensors)
        description = Description(weights.configuration or {})
        read = self.facts_read(weights)
        check_names(description, model=read["model"], names=read["names"])
        if description.section("read_out"):
            raise ConfigurationError("read_out for a nanoGPT", expected="a language model")
        task = task_of(description)
        sizes = _sizes(tensors, weights.library, description, task)
        check_length(task, sizes.positions)
        because = _FILE if weights.library is not None else "the description"
        tables = Gpt2Tables(StateDict(tensors), sizes, body, because, input_first=False).take()
        return assemble(tables, gpt2_architecture(sizes), task)


def _sizes(
    tensors: Mapping[str, Tensor], library: Mapping[str, Json] | None, description: Description, task: Task
) -> Gpt2Sizes:
    arguments = _arguments(tensors, description) if library is None else library
    facts = Description(arguments, action="take the ckpt.pt that train.py wrote")
    check_keys(arguments, _ARGUMENTS, file=_FILE)
    vocabulary = len(task.language.vocabulary)
    if facts.has("vocab_size") and facts.fact("vocab_size") is not None:
        check_vocabulary(task.language.vocabulary, facts.whole("vocab_size"), table="the embedding by model_args")
    check_vocabulary(task.language.vocabulary, rows_of(tensors, "wte.weight") or vocabulary, table="'wte.weight'")
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
    table = tensors.get(f"{body_of(tensors)}wpe.weight")
    if table is None or table.dim() != 2:
        raise FormatError(f"no table '{body_of(tensors)}wpe.weight'", expected="[position, model]")
    return {
        "n_layer": layers_of(tensors),
        "n_head": description.whole("model.heads"),
        "n_embd": table.shape[1],
        "block_size": table.shape[0],
        "bias": description.truth("model.bias") if description.has("model.bias") else True,
    }


def _is_tied(tensors: Mapping[str, Tensor]) -> bool:
    """Whether the head is the embedding: it equals it, or was left out as its copy. A fork may have untied them."""
    head, embedding = tensors.get("lm_head.weight"), tensors.get(f"{body_of(tensors)}wte.weight")
    return head is None or (embedding is not None and torch.equal(head, embedding))
