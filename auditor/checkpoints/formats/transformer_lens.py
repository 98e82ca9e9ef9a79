"""State dicts of TransformerLens' HookedTransformer: one matrix per head, input axis first.

``blocks.N.attn.W_Q`` is [head, model, width], ``W_O`` [head, width, model]; ``ln1``, ``ln2`` and ``ln_final`` carry
``w`` and ``b``, or are not there at all once they were folded (LNPre) or where there are none. Widths and head counts
are in the shapes; kind of norm, activation, direction, mask and position encoding are not, so ``--config`` states them.
``attn.mask`` and ``attn.IGNORE`` are buffers; so are ``attn.rotary_sin`` and ``attn.rotary_cos``, whose values are
checked. ``embed.ln`` norms token vectors before positions are added. Source: transformer_lens, HookedTransformer.py
(until version 3).
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
from auditor.checkpoints.description.language_facts import check_vocabulary, task_of
from auditor.checkpoints.description.lens_configuration import FILE, READ, SETTLED, check_shapes, implied_facts
from auditor.checkpoints.description.library_keys import check_keys, unread_note, with_implied
from auditor.checkpoints.description.model_facts import (
    activation_of,
    check_length,
    epsilon_of,
    fold_embedding_norm,
    outputs_of,
    reading_of,
    scale_of,
)
from auditor.checkpoints.description.reading import Description
from auditor.checkpoints.description.rotary_tables import RotaryFacts, pairs_of, rotary_facts, take_tables
from auditor.checkpoints.description.schema import NORMS, SECTIONS, check_names
from auditor.checkpoints.description.state_dict import StateDict
from auditor.contracts import ArchitectureAdapter, Weights
from auditor.errors import ConfigurationError
from auditor.language.task import Task
from auditor.records import Json

_LAYER = re.compile(r"blocks\.(\d{1,6})\.")
_FACTS = (
    "activation", "norm", "norm_epsilon", "attention", "attention_scale", "pad_masked", "positions", "rotary_width",
    "rotary_base", "rotary_pairs",
)  # fmt: skip
_POSITIONS: tuple[Positions, ...] = ("learned", "rotary", "none")
_EMBEDDING_NORM = "embed.ln.w"
_BECAUSE = "the description and the other tensors"


@dataclass(frozen=True, slots=True)
class _Sizes:
    """The sizes that follow from the shapes."""

    layers: int
    width: int
    heads: int
    head_width: int
    neurons: int  # 0: attention only
    positions: int | None
    has_norm_tensors: bool


class TransformerLens(ArchitectureAdapter):
    """Reads ``torch.save(model.state_dict())`` of a HookedTransformer."""

    summary: ClassVar[str] = "state dict of TransformerLens' HookedTransformer"
    source: ClassVar[str] = "transformer_lens, HookedTransformer"
    landmark: ClassVar[str] = r"embed\.W_E"
    reads: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "model": _FACTS,
        "read_out": tuple(SECTIONS["read_out"]),
        "names": ("ignore",),
    }

    def recognises(self, weights: Weights) -> bool:
        """Whether attention has one matrix per head under its names."""
        return any(re.fullmatch(r"blocks\.\d{1,6}\.attn\.W_Q", name) for name in weights.tensors)

    def notes(self, weights: Weights) -> tuple[str, ...]:
        """The keys of a HookedTransformerConfig that are not read."""
        return unread_note(weights.library or {}, READ, file=FILE)

    def vocabulary_rows(self, weights: Weights) -> int | None:
        """Rows of the token table."""
        table = weights.tensors.get("embed.W_E")
        return None if table is None or table.dim() != 2 else table.shape[0]

    def recognised_facts(self, weights: Weights) -> Mapping[str, Json]:
        """The facts of its configuration; positions and norms where the names of tensors show them."""
        names = weights.tensors
        table = names.get(_rotary_table(0, "sin"))
        without = "none" if table is None else "rotary"
        found: dict[str, Json] = {"model.positions": "learned" if "pos_embed.W_pos" in names else without}
        if table is not None and table.dim() == 2:
            found["model.rotary_width"] = table.shape[1]
            if (pairs := pairs_of(table)) is not None:
                found["model.rotary_pairs"] = pairs
        if any(name.endswith((".ln1.b", "ln_final.b")) for name in names):
            found["model.norm"] = "layer"
        elif any(name.endswith((".ln1.w", "ln_final.w")) for name in names):
            found["model.norm"] = "rms"
        return {**found, **{f"model.{name}": value for name, value in implied_facts(weights.library or {}).items()}}

    def convert(self, weights: Weights) -> CanonicalTransformer:
        """The canonical model.

        Raises:
            ConfigurationError: a missing or unknown fact, or one that contradicts the weights.
            FormatError: a tensor that is unknown or missing, by name.
        """
        state = StateDict(weights.tensors)
        sizes = _sizes(weights.tensors, state)
        library = weights.library or {}
        check_keys(library, READ, file=FILE, settled=SETTLED)
        check_shapes(library, {name: tuple(tensor.shape) for name, tensor in weights.tensors.items()})
        description = Description(with_implied(weights.configuration, implied_facts(library), file=FILE) or {})
        check_names(description, model=_FACTS, names=self.reads["names"])
        task = task_of(description)
        norm = description.choice("model.norm", NORMS)
        positions = next(kind for kind in _POSITIONS if kind == description.choice("model.positions", _POSITIONS))
        has_positions = positions == "learned"
        if has_positions != (sizes.positions is not None):
            raise ConfigurationError(
                f"model.positions = {description.text('model.positions')!r}, and "
                + ("no tensor 'pos_embed.W_pos'" if has_positions else "a tensor 'pos_embed.W_pos'"),
                expected="learned with this tensor, or none without it",
            )
        rotary = rotary_facts(description, head_width=sizes.head_width) if positions == "rotary" else None
        limit = sizes.positions if rotary is None else _rotary_positions(state, sizes, rotary)
        check_length(task, limit)
        tables = _ends(state, sizes, task, outputs_of(description, task))
        has_embedding_norm = _EMBEDDING_NORM in state
        if has_embedding_norm:
            tables |= _norm(state, sizes, "embed.ln", "embedding_norm", "layer")
            if has_positions or norm != "layer":  # a norm that no site has becomes part of the table that it reads
                has_embedding_norm = False
                fold_embedding_norm(tables, epsilon_of(description))
        for layer in range(sizes.layers):
            tables |= _layer(state, sizes, layer, norm)
        if norm != "none":
            tables |= _norm(state, sizes, "ln_final", "final_norm", norm)
        state.finish()
        architecture = _architecture(sizes, description, task, norm)
        if has_embedding_norm:
            architecture = replace(architecture, norm_sites=("embedding", *architecture.norm_sites))
        if rotary is not None:
            architecture = replace(architecture, positions="rotary", max_positions=limit, **rotary)
        return assemble(tables, architecture, task)


def _rotary_table(layer: int, which: str) -> str:
    return f"blocks.{layer}.attn.rotary_{which}"


def _rotary_positions(state: StateDict, sizes: _Sizes, rotary: RotaryFacts) -> int | None:
    """How many positions the saved tables have; None where none are saved."""
    names = [(_rotary_table(layer, "cos"), _rotary_table(layer, "sin")) for layer in range(sizes.layers)]
    if not any(name in state for pair in names for name in pair):
        return None
    return min([take_tables(state, cos, sin, rotary) for cos, sin in names])


def _sizes(tensors: Mapping[str, Tensor], state: StateDict) -> _Sizes:
    layers = 1 + max((int(found[1]) for name in tensors if (found := _LAYER.match(name))), default=-1)
    heads = state.axes("blocks.0.attn.W_Q", 3)
    has_mlp = any(".mlp." in name for name in tensors)
    return _Sizes(
        layers=layers,
        width=state.axes("embed.W_E", 2)[1],
        heads=heads[0],
        head_width=heads[2],
        neurons=state.axes("blocks.0.mlp.W_in", 2)[1] if has_mlp else 0,
        positions=state.axes("pos_embed.W_pos", 2)[0] if "pos_embed.W_pos" in state else None,
        has_norm_tensors=any(re.search(r"(?:^|\.)ln(?:1|2|_final)\.", name) for name in tensors),
    )


def _ends(state: StateDict, sizes: _Sizes, task: Task, outputs: int) -> dict[str, Tensor]:
    size, width = len(task.language.vocabulary), sizes.width
    check_vocabulary(task.language.vocabulary, state.axes("embed.W_E", 2)[0], table="'embed.W_E'")
    tables = {"W_E": state.take("embed.W_E", size, width, because="the vocabulary")}
    if sizes.positions is not None:
        tables["W_pos"] = state.take("pos_embed.W_pos", sizes.positions, width, because=_BECAUSE)
    because = "read_out.classes" if outputs != size else "the vocabulary, since there is no read_out"
    tables["W_U"] = state.take("unembed.W_U", width, outputs, because=because)
    tables["b_U"] = state.take("unembed.b_U", outputs, because=because)
    return tables


def _layer(state: StateDict, sizes: _Sizes, layer: int, norm: str) -> dict[str, Tensor]:
    there, here = f"blocks.{layer}", f"layers.{layer}"
    for buffer in ("attn.mask", "attn.IGNORE"):
        state.ignore(f"{there}.{buffer}")
    width, heads, inner = sizes.width, sizes.heads, sizes.head_width
    tables = {}
    for letter in "QKV":
        weight = state.take(f"{there}.attn.W_{letter}", heads, width, inner, because=_BECAUSE)
        tables[f"{here}.attention.W_{letter}"] = weight.transpose(0, 1)
        tables[f"{here}.attention.b_{letter}"] = state.take(f"{there}.attn.b_{letter}", heads, inner, because=_BECAUSE)
    tables[f"{here}.attention.W_O"] = state.take(f"{there}.attn.W_O", heads, inner, width, because=_BECAUSE)
    tables[f"{here}.attention.b_O"] = state.take(f"{there}.attn.b_O", width, because=_BECAUSE)
    if norm != "none":
        tables |= _norm(state, sizes, f"{there}.ln1", f"{here}.norms.attention_in", norm)
    if sizes.neurons:
        shapes = {"W_in": (width, sizes.neurons), "b_in": (sizes.neurons,)}
        shapes |= {"W_out": (sizes.neurons, width), "b_out": (width,)}
        for name, shape in shapes.items():
            tables[f"{here}.mlp.{name}"] = state.take(f"{there}.mlp.{name}", *shape, because=_BECAUSE)
        if norm != "none":
            tables |= _norm(state, sizes, f"{there}.ln2", f"{here}.norms.mlp_in", norm)
    return tables


def _norm(state: StateDict, sizes: _Sizes, there: str, here: str, norm: str) -> dict[str, Tensor]:
    """Gain and shift; of a folded norm, one and zero."""
    parts = {"weight": "w"} if norm == "rms" else {"weight": "w", "bias": "b"}
    if not sizes.has_norm_tensors and here != "embedding_norm":
        return {f"{here}.{name}": torch.full((sizes.width,), float(name == "weight")) for name in parts}
    return {
        f"{here}.{name}": state.take(f"{there}.{key}", sizes.width, because=_BECAUSE) for name, key in parts.items()
    }


def _architecture(sizes: _Sizes, description: Description, task: Task, norm: str) -> Architecture:
    has_norm, has_mlp = norm != "none", sizes.neurons > 0
    sites: tuple[NormSite, ...] = ("attention_in", "mlp_in", "final") if has_mlp else ("attention_in", "final")
    return Architecture(
        model_width=sizes.width,
        vocabulary_size=len(task.language.vocabulary),
        blocks=(Block(sizes.heads, sizes.head_width, sizes.head_width, sizes.neurons),) * sizes.layers,
        norm="rms" if norm == "rms" else "layer",
        norm_sites=sites if has_norm else (),
        norm_epsilon=epsilon_of(description),
        attention_scale=scale_of(description),
        mlp="two_layer" if has_mlp else "none",
        activation=activation_of(description) if has_mlp else "relu",
        positions="none" if sizes.positions is None else "learned",
        max_positions=sizes.positions,
        **reading_of(description, task),
    )
