"""Checkpoints of the public code of Wen et al. 2023: a bare state dict, described by a YAML beside it.

A custom GPT-2: LayerNorm only after attention, residuals and maps that can be switched off, inputs built from frozen
one-hot tables. All ``c_*`` weights are stored input axis first, as GPT-2 does; only ``lm_head`` is output axis first.
Source: arXiv 2312.01429 and the authors' code.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from auditor.canonical.architecture import Architecture, Block, NormSite
from auditor.canonical.model import CanonicalTransformer
from auditor.checkpoints.description.assembly import assemble
from auditor.checkpoints.description.depth_embedding import BRACKETS, KINDS, depth_rule, depth_table, keeps_last_column
from auditor.checkpoints.description.reading import Description
from auditor.checkpoints.description.state_dict import StateDict
from auditor.contracts import ArchitectureAdapter, Weights
from auditor.errors import ConfigurationError
from auditor.language.grammar import Dyck
from auditor.language.task import Task

_BODY = "model.transformer"
_HEAD = "model.lm_head.weight"
_VECTOR_INPUTS = ("p", "z")
_EMBEDDINGS = (*_VECTOR_INPUTS, "default", "none", "cos", "same_trained")
_WITHOUT_EFFECT = ("freeze_decoder_to_I", "small_initialization", "save_path")
"""Options of the start of training and of output paths, which do not change the weights in the file."""

_SHAPES = "the description"


@dataclass(frozen=True, slots=True)
class _Options:
    """The ``lm`` section of the YAML."""

    embedding_dim: int
    hidden_dim: int
    num_layers: int
    num_heads: int
    embedding_type: str
    token_embedding_type: str
    residual: bool
    attn_output_fc: bool
    gpt_intermediate: bool
    layer_norm: bool
    first_residual: bool
    another_first_residual: bool
    one_layer_norm: bool
    freeze_uniform_attention: bool


@dataclass(frozen=True, slots=True)
class _Inputs:
    """The tables that make input vectors, and the architecture's switches for them."""

    embedding: Tensor  # [token, model] or [token, depth slot, model]
    positions: Tensor | None  # [position, model]
    scalar_period: int | None


class Wen2023(ArchitectureAdapter):
    """Reads every option value of the published configurations."""

    summary: ClassVar[str] = "state dict and YAML of the code of Wen et al. 2023"
    landmark: ClassVar[str] = r"model\.lm_head\.weight"
    source: ClassVar[str] = "Wen, Li, Liu, Risteski 2023, arXiv 2312.01429"

    def recognises(self, weights: Weights) -> bool:
        """Whether there is the fused attention of their GPT-2, and their head without a bias."""
        has_attention = any(name.startswith(f"{_BODY}.h.") and ".attn.c_attn." in name for name in weights.tensors)
        has_first_norm = any(".ln_1." in name for name in weights.tensors)  # a GPT-2 in a module that calls it model
        return has_attention and _HEAD in weights.tensors and not has_first_norm

    def convert(self, weights: Weights) -> CanonicalTransformer:
        """The canonical model.

        Raises:
            ConfigurationError: a missing or unknown option, or one that contradicts the weights.
            FormatError: a tensor that is unknown or missing, by name.
        """
        if weights.configuration is None:
            raise ConfigurationError(
                "a wen2023 checkpoint does not hold its architecture",
                expected="the YAML of its training run",
                action="give it with --config, or put it beside the checkpoint under the same name",
            )
        description = Description(weights.configuration)
        options, task = _options(description), _task(description)
        state = StateDict(weights.tensors)
        _check_layers(weights, options)
        tables: dict[str, Tensor] = {}
        for layer in range(options.num_layers):
            tables |= _layer(state, options, layer)
        inputs = _inputs(state, options, task)
        tables |= {"W_E": inputs.embedding} | ({} if inputs.positions is None else {"W_pos": inputs.positions})
        if options.layer_norm and not options.one_layer_norm:
            tables |= _norm(state, f"{_BODY}.ln_f", "final_norm", options)
        size = len(task.language.vocabulary)
        tables["W_U"] = state.take(_HEAD, size, options.embedding_dim, because=_SHAPES).T
        tables["b_U"] = torch.zeros(size)
        state.finish()
        return assemble(tables, _architecture(options, inputs, task), task)


def _options(description: Description) -> _Options:
    description.choice("lm.lm_type", ("GPT2LMHeadModelCustom",))
    names = _Options.__dataclass_fields__
    description.only("lm", ("lm_type", *names, *_WITHOUT_EFFECT))
    facts: dict[str, Any] = {
        "embedding_type": description.choice("lm.embedding_type", _EMBEDDINGS),
        "token_embedding_type": description.choice("lm.token_embedding_type", ("one_hot", *KINDS)),
    }
    for name in (name for name in names if name not in facts):
        whole = name in ("embedding_dim", "hidden_dim", "num_layers", "num_heads")
        facts[name] = description.whole(f"lm.{name}") if whole else description.truth(f"lm.{name}")
    options = _Options(**facts)
    if options.embedding_dim % options.num_heads:
        raise ConfigurationError(
            f"lm.num_heads = {options.num_heads} for lm.embedding_dim = {options.embedding_dim}", expected="a divisor"
        )
    return options


def _task(description: Description) -> Task:
    closing_only = description.truth("training.check_closing_brackets_only")
    return Task(
        language=Dyck.standard(
            description.whole("language.bracket_types"), description.whole("language.train_max_stack_depth")
        ),
        objective="closing_bracket" if closing_only else "next_token",
        min_length=description.whole("language.train_min_length"),
        max_length=description.whole("language.train_max_length"),
        prefixes=description.truth("language.prefix"),
    )


def _check_layers(weights: Weights, options: _Options) -> None:
    for name in sorted(weights.tensors):
        found = re.match(rf"{re.escape(_BODY)}\.h\.(\d{{1,6}})\.", name)
        if found and int(found[1]) >= options.num_layers:
            raise ConfigurationError(
                f"lm.num_layers = {options.num_layers}, but the checkpoint has {name!r}",
                expected=f"at least {int(found[1]) + 1} layers, or no such tensor",
            )


def _layer(state: StateDict, options: _Options, layer: int) -> dict[str, Tensor]:
    there, here, width, heads = f"{_BODY}.h.{layer}", f"layers.{layer}", options.embedding_dim, options.num_heads
    state.ignore(f"{there}.attn.bias")  # the causal mask, which older releases of transformers save
    state.ignore(f"{there}.attn.masked_bias")
    fused = state.take(f"{there}.attn.c_attn.weight", width, 3 * width, because=_SHAPES)
    fused_bias = state.take(f"{there}.attn.c_attn.bias", 3 * width, because=_SHAPES)
    tables: dict[str, Tensor] = {}
    for letter, weight, bias in zip("QKV", fused.chunk(3, dim=1), fused_bias.chunk(3), strict=True):
        unused = letter == "Q" and options.freeze_uniform_attention  # their code then puts 0 in the place of queries
        tables[f"{here}.attention.W_{letter}"] = (weight * (not unused)).reshape(width, heads, width // heads)
        tables[f"{here}.attention.b_{letter}"] = (bias * (not unused)).reshape(heads, width // heads)
    if options.attn_output_fc:
        output = state.take(f"{there}.attn.c_proj.weight", width, width, because=_SHAPES)
        tables[f"{here}.attention.W_O"] = output.reshape(heads, width // heads, width)
        tables[f"{here}.attention.b_O"] = state.take(f"{there}.attn.c_proj.bias", width, because=_SHAPES)
    if options.layer_norm:
        tables |= _norm(state, f"{there}.ln_2", f"{here}.norms.mlp_in", options)
    if options.gpt_intermediate:
        hidden = options.hidden_dim
        mlp = {
            "W_in": state.take(f"{there}.mlp.c_fc.weight", width, hidden, because=_SHAPES),
            "b_in": state.take(f"{there}.mlp.c_fc.bias", hidden, because=_SHAPES),
            "W_out": state.take(f"{there}.mlp.c_proj.weight", hidden, width, because=_SHAPES),
            "b_out": state.take(f"{there}.mlp.c_proj.bias", width, because=_SHAPES),
        }
        if options.residual:  # without this residual their block returns what enters the MLP
            tables |= {f"{here}.mlp.{name}": table for name, table in mlp.items()}
    return tables


def _norm(state: StateDict, there: str, here: str, options: _Options) -> dict[str, Tensor]:
    width = options.embedding_dim
    return {f"{here}.{part}": state.take(f"{there}.{part}", width, because=_SHAPES) for part in ("weight", "bias")}


def _inputs(state: StateDict, options: _Options, task: Task) -> _Inputs:
    size, width = len(task.language.vocabulary), options.embedding_dim
    added = _table(state, f"{_BODY}.wpe.weight", width)
    added_or_none = added if bool(added.any()) else None
    if options.embedding_type not in _VECTOR_INPUTS:
        if "embedding.weight" in state:
            state.take("embedding.weight", size, width, because=_SHAPES)  # a second copy of the one-hot table, not used
        tokens = state.take(f"{_BODY}.wte.weight", size, width, because=_SHAPES)
        return _Inputs(tokens, added_or_none, None)
    tokens = state.take("embedding.weight", size, width - 1, because=_SHAPES)
    state.take(f"{_BODY}.wte.weight", size, width - 1, because=_SHAPES)  # a second copy, not used
    column = _table(state, "embedding_p.weight", 1)
    embedding = torch.cat([tokens, torch.zeros(size, 1, dtype=tokens.dtype)], dim=1)
    has_position = options.embedding_type == "p"
    if options.token_embedding_type in KINDS:
        if task.language.types * 2 != len(BRACKETS):
            raise ConfigurationError(
                f"{options.token_embedding_type} with {task.language.types} bracket types",
                expected="2, whose token ids are built into it",
            )
        embedding = depth_table(embedding, options.token_embedding_type, depth_bound=task.language.depth)
        has_position = has_position and keeps_last_column(options.token_embedding_type)
    if not has_position:
        return _Inputs(embedding, added_or_none, None)
    if added_or_none is None and _counts_up(column):
        return _Inputs(embedding, None, len(column))
    return _Inputs(embedding, _with_column(added, column), None)


def _table(state: StateDict, name: str, width: int) -> Tensor:
    rows = state.shape(name)[:1]
    return state.take(name, *(rows or (0,)), width, because=_SHAPES)


def _counts_up(column: Tensor) -> bool:
    """Whether row i is i / N, in float32 as their code makes it."""
    rows = len(column)
    return torch.equal(column[:, 0].float(), (torch.arange(rows, dtype=torch.float64) / rows).float())


def _with_column(added: Tensor, column: Tensor) -> Tensor:
    if len(added) != len(column):
        raise ConfigurationError(
            f"{len(added)} rows in 'wpe' and {len(column)} in 'embedding_p'", expected="the same number of positions"
        )
    table = added.clone()
    table[:, -1] += column[:, 0]
    return table


def _architecture(options: _Options, inputs: _Inputs, task: Task) -> Architecture:
    has_mlp = options.gpt_intermediate and options.residual
    head_width = options.embedding_dim // options.num_heads
    norm_sites: list[NormSite] = ["mlp_in"] if options.layer_norm else []
    if options.layer_norm and not options.one_layer_norm:
        norm_sites.append("final")
    has_depth = inputs.embedding.dim() == 3
    kind = options.token_embedding_type
    return Architecture(
        model_width=options.embedding_dim,
        vocabulary_size=len(task.language.vocabulary),
        blocks=(Block(options.num_heads, head_width, head_width, options.hidden_dim if has_mlp else 0),)
        * options.num_layers,
        norm_sites=tuple(norm_sites),
        attention_residual=options.first_residual,
        mlp_residual=options.residual,
        mlp_input_residual=options.another_first_residual,
        output_map=options.attn_output_fc,
        mlp="two_layer" if has_mlp else "identity",
        activation="gelu_tanh",
        positions="scalar" if inputs.scalar_period else "none" if inputs.positions is None else "learned",
        max_positions=None if inputs.positions is None else len(inputs.positions),
        scalar_period=inputs.scalar_period,
        embedding="token_and_depth" if has_depth else "token",
        embedding_trained=False,
        depth_slots=inputs.embedding.shape[1] if has_depth else 0,
        depth_rule=depth_rule(kind) if has_depth else "closing_raised",
    )
