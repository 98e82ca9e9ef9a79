"""Models around torch.nn.TransformerEncoder, whose other parts have names of their own.

The encoder's layers are ``layers.N.self_attn.in_proj_weight`` (query, key and value, output axis first),
``linear1``, ``linear2``, ``norm1``, ``norm2``. What encloses them is named in ``--config``: the prefix of the encoder,
the tensors of embedding, positions and read-out. Heads, activation, order of norms and mask leave no trace in the
file, so they are stated there too. Source: torch.nn.TransformerEncoderLayer, TransformerEncoder.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from auditor.canonical.architecture import Architecture, Block, NormSite, Positions
from auditor.canonical.model import CanonicalTransformer
from auditor.checkpoints.description.assembly import assemble
from auditor.checkpoints.description.encoder_parts import parts_of
from auditor.checkpoints.description.fused_attention import head_width, split_fused
from auditor.checkpoints.description.language_facts import check_vocabulary, task_of
from auditor.checkpoints.description.model_facts import (
    activation_of,
    check_length,
    epsilon_of,
    fold_embedding_norm,
    outputs_of,
    reading_of,
)
from auditor.checkpoints.description.reading import Description
from auditor.checkpoints.description.schema import EMBEDDING_NORMS, SECTIONS, check_names
from auditor.checkpoints.description.state_dict import StateDict
from auditor.contracts import ArchitectureAdapter, Weights
from auditor.errors import ConfigurationError, FormatError
from auditor.language.task import Task
from auditor.records import Json

_FACTS = (
    "heads", "activation", "norm_first", "final_norm", "norm_epsilon", "bias", "attention", "pad_masked", "positions",
    "max_positions", "embedding_scale", "embedding_norm",
)  # fmt: skip
_POSITIONS: tuple[Positions, ...] = ("learned", "sinusoidal", "none")
_FUSED = re.compile(r"(?:^|\.)layers\.\d{1,6}\.self_attn\.in_proj_weight$")
_BECAUSE = "the description and the other tensors"


@dataclass(frozen=True, slots=True)
class _Sizes:
    """The sizes, from shapes and description together."""

    layers: int
    width: int
    heads: int
    neurons: int
    has_bias: bool
    norm_first: bool
    final_norm: str | None  # its prefix
    positions: Positions
    max_positions: int | None


class TorchEncoder(ArchitectureAdapter):
    """Reads the state dict of a module that holds an nn.TransformerEncoder."""

    summary: ClassVar[str] = "state dict around torch.nn.TransformerEncoder, its other parts named by --config"
    source: ClassVar[str] = "torch.nn.TransformerEncoder"
    landmark: ClassVar[str] = r"layers\.\d{1,6}\.self_attn\.in_proj_weight"
    reads: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "model": _FACTS,
        "read_out": tuple(SECTIONS["read_out"]),
        "names": tuple(SECTIONS["names"]),
    }

    def recognised_facts(self, weights: Weights) -> Mapping[str, Json]:
        """The names of its parts, as far as they are recognised."""
        return parts_of(weights.tensors)

    def recognises(self, weights: Weights) -> bool:
        """Whether a layer of torch's own encoder is in it, and none of its decoder."""
        names = weights.tensors
        return any(_FUSED.search(name) for name in names) and not any(".multihead_attn." in name for name in names)

    def convert(self, weights: Weights) -> CanonicalTransformer:
        """The canonical model.

        Raises:
            ConfigurationError: a missing or unknown fact, or one that contradicts the weights.
            FormatError: a tensor that is unknown or missing, by name.
        """
        description = Description(weights.configuration or {})
        check_names(description, model=_FACTS, names=self.reads["names"])
        task = task_of(description)
        state = StateDict(weights.tensors)
        encoder = _prefix(description, "names.encoder", "")
        embedding = _embedding(state, description, task)
        scale = description.positive("model.embedding_scale") if description.has("model.embedding_scale") else 1.0
        is_shared = description.text("names.read_out") == description.text("names.embedding")
        sizes = _sizes(weights.tensors, state, description, encoder, embedding.shape[1])
        check_length(task, sizes.max_positions)
        tables = {"W_E": embedding * scale, **_read_out(state, description, task, embedding, is_shared=is_shared)}
        is_tied = is_shared and scale == 1.0
        if is_tied:
            del tables["W_U"]
        if sizes.positions == "learned":
            tables["W_pos"] = _positions(state, description)
        tables |= _embedding_norm(state, description, sizes)
        if "embedding_norm.weight" in tables and _is_before_positions(description, sizes):
            is_tied, tables["W_U"] = False, tables.get("W_U", embedding.T)
            fold_embedding_norm(tables, epsilon_of(description))
        for layer in range(sizes.layers):
            tables |= _layer(state, sizes, f"{encoder}layers.{layer}", f"layers.{layer}")
        if sizes.final_norm is not None:
            tables |= _norm(state, sizes, sizes.final_norm, "final_norm")
        state.finish()
        architecture = _architecture(sizes, description, task, is_tied=is_tied)
        if "embedding_norm.weight" in tables:
            architecture = replace(architecture, norm_sites=("embedding", *architecture.norm_sites))
        return assemble(tables, architecture, task)


def _prefix(description: Description, name: str, absent: str | None) -> str:
    found = description.text(name) if absent is None or description.has(name) else absent
    return f"{found}." if found and not found.endswith(".") else found


def _sizes(
    tensors: Mapping[str, Tensor], state: StateDict, description: Description, encoder: str, width: int
) -> _Sizes:
    pattern = re.compile(rf"{re.escape(encoder)}layers\.(\d{{1,6}})\.")
    layers = 1 + max((int(found[1]) for name in tensors if (found := pattern.match(name))), default=-1)
    if not layers:
        raise FormatError(f"no tensor '{encoder}layers.0.…'", expected="names.encoder as the file has it")
    stated = description.choice("model.positions", _POSITIONS)
    kind = next(one for one in _POSITIONS if one == stated)
    has_final = description.truth("model.final_norm")
    return _Sizes(
        layers=layers,
        width=width,
        heads=description.whole("model.heads"),
        neurons=state.axes(f"{encoder}layers.0.linear1.weight", 2)[0],
        has_bias=description.truth("model.bias") if description.has("model.bias") else True,
        norm_first=description.truth("model.norm_first"),
        final_norm=_prefix(description, "names.final_norm", f"{encoder}norm") if has_final else None,
        positions=kind,
        max_positions=_rows(state, description, kind),
    )


def _rows(state: StateDict, description: Description, kind: str) -> int | None:
    if kind == "none":
        return None
    if kind == "sinusoidal":
        return description.whole("model.max_positions")
    return max(state.shape(description.text("names.positions"))[:-1], default=0)


def _positions(state: StateDict, description: Description) -> Tensor:
    """The table [position, model]; an axis of one, as torch's tutorial has for the batch, is dropped."""
    name = description.text("names.positions")
    table = state.take(name, *state.shape(name), because=_BECAUSE)
    if table.dim() == 3 and 1 in table.shape[:2]:
        return table.flatten(0, 1)
    if table.dim() != 2:
        raise FormatError(f"tensor {name!r} of shape {list(table.shape)}", expected="[position, model]")
    return table


def _embedding(state: StateDict, description: Description, task: Task) -> Tensor:
    name, size = description.text("names.embedding"), len(task.language.vocabulary)
    rows, width = state.axes(name, 2)
    check_vocabulary(task.language.vocabulary, rows, table=repr(name))
    return state.take(name, size, width, because="the vocabulary")


def _read_out(
    state: StateDict, description: Description, task: Task, embedding: Tensor, *, is_shared: bool
) -> dict[str, Tensor]:
    outputs = outputs_of(description, task)
    because = "read_out.classes" if outputs != len(task.language.vocabulary) else "the vocabulary"
    if is_shared and outputs != len(embedding):
        raise ConfigurationError("a classifier read out by its embedding", expected="names.read_out of its own")
    weight = embedding
    if not is_shared:
        weight = state.take(description.text("names.read_out"), outputs, embedding.shape[1], because=because)
    bias = torch.zeros(outputs)
    if description.has("names.read_out_bias"):
        bias = state.take(description.text("names.read_out_bias"), outputs, because=because)
    return {"W_U": weight.T, "b_U": bias}


def _embedding_norm(state: StateDict, description: Description, sizes: _Sizes) -> dict[str, Tensor]:
    if not description.has("model.embedding_norm") and not description.has("names.embedding_norm"):
        return {}
    if description.choice("model.embedding_norm", EMBEDDING_NORMS) == "none":
        return {}
    return _norm(state, sizes, _prefix(description, "names.embedding_norm", None), "embedding_norm")


def _is_before_positions(description: Description, sizes: _Sizes) -> bool:
    return description.text("model.embedding_norm") == "before_positions" and sizes.positions != "none"


def _layer(state: StateDict, sizes: _Sizes, there: str, here: str) -> dict[str, Tensor]:
    width, heads, neurons = sizes.width, sizes.heads, sizes.neurons
    inner = head_width(width, heads, named="model.heads")
    fused = state.take(f"{there}.self_attn.in_proj_weight", 3 * width, width, because=_BECAUSE)
    fused_bias = _bias(state, sizes, f"{there}.self_attn.in_proj_bias", 3 * width)
    parts = {f"attention.{name}": table for name, table in split_fused(fused.T, fused_bias, heads=heads).items()}
    output = state.take(f"{there}.self_attn.out_proj.weight", width, width, because=_BECAUSE)
    parts["attention.W_O"] = output.T.reshape(heads, inner, width)
    parts["attention.b_O"] = _bias(state, sizes, f"{there}.self_attn.out_proj.bias", width)
    parts["mlp.W_in"] = state.take(f"{there}.linear1.weight", neurons, width, because=_BECAUSE).T
    parts["mlp.b_in"] = _bias(state, sizes, f"{there}.linear1.bias", neurons)
    parts["mlp.W_out"] = state.take(f"{there}.linear2.weight", width, neurons, because=_BECAUSE).T
    parts["mlp.b_out"] = _bias(state, sizes, f"{there}.linear2.bias", width)
    where = ("attention_in", "mlp_in") if sizes.norm_first else ("attention_out", "mlp_out")
    for number, site in enumerate(where, start=1):
        parts |= _norm(state, sizes, f"{there}.norm{number}.", f"norms.{site}")
    return {f"{here}.{name}": table for name, table in parts.items()}


def _norm(state: StateDict, sizes: _Sizes, there: str, here: str) -> dict[str, Tensor]:
    weight = state.take(f"{there}weight", sizes.width, because=_BECAUSE)
    return {f"{here}.weight": weight, f"{here}.bias": _bias(state, sizes, f"{there}bias", sizes.width)}


def _bias(state: StateDict, sizes: _Sizes, name: str, width: int) -> Tensor:
    return state.take(name, width, because=_BECAUSE) if sizes.has_bias else torch.zeros(width)


def _architecture(sizes: _Sizes, description: Description, task: Task, *, is_tied: bool) -> Architecture:
    inner = sizes.width // sizes.heads
    sites: list[NormSite] = ["attention_in", "mlp_in"] if sizes.norm_first else ["attention_out", "mlp_out"]
    if sizes.final_norm is not None:
        sites.append("final")
    return Architecture(
        model_width=sizes.width,
        vocabulary_size=len(task.language.vocabulary),
        blocks=(Block(sizes.heads, inner, inner, sizes.neurons),) * sizes.layers,
        norm_sites=tuple(sites),
        norm_epsilon=epsilon_of(description),
        activation=activation_of(description),
        positions=sizes.positions,
        max_positions=sizes.max_positions,
        tied_unembedding=is_tied,
        **reading_of(description, task),
    )
