"""A HookedTransformerConfig of TransformerLens, where one was saved beside the weights, as facts of a description.

Source: transformer_lens, HookedTransformerConfig.py.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from auditor.errors import ConfigurationError
from auditor.records import Json

FILE = "the HookedTransformerConfig"
ACTIVATIONS = {"relu": "relu", "gelu": "gelu_erf", "gelu_new": "gelu_tanh", "gelu_pytorch_tanh": "gelu_tanh"}
NORMS = {"LN": "layer", "LNPre": "layer", "RMS": "rms", "RMSPre": "rms", None: "none"}
_SIZES: Mapping[str, tuple[str, int]] = {
    "d_model": ("embed.W_E", 1),
    "d_vocab": ("embed.W_E", 0),
    "n_ctx": ("pos_embed.W_pos", 0),
    "n_heads": ("blocks.0.attn.W_Q", 0),
    "d_head": ("blocks.0.attn.W_Q", 2),
    "d_mlp": ("blocks.0.mlp.W_in", 1),
    "d_vocab_out": ("unembed.W_U", 1),
}
"""A size, and the tensor and axis that have it."""

READ = (
    *_SIZES, "n_layers", "act_fn", "normalization_type", "attention_dir", "positional_embedding_type", "eps",
    "use_attn_scale", "attn_scale", "attn_only", "post_embedding_ln", "rotary_dim", "rotary_base",
    "rotary_adjacent_pairs",
)  # fmt: skip

SETTLED = ("rotary_", "NTK_", "use_NTK_", "relative_attention_", "window_size")
"""Beginnings of options of position encodings and of local attention, which other options switch on."""

_RESCALED = (
    "use_NTK_by_parts_rope", "use_yarn_rope", "use_dynamic_ntk_rope", "rotary_scaling_factor", "rotary_base_local",
)  # fmt: skip
"""Options for other angles than those of the base and the width."""


def implied_facts(library: Mapping[str, Json]) -> dict[str, Json]:
    """Facts of the section ``model`` that a configuration states.

    Raises:
        ConfigurationError: an option that is not supported, by name.
    """
    found: dict[str, Json] = {}
    if library.get("act_fn") is not None and not library.get("attn_only"):
        found["activation"] = _one_of(library, "act_fn", ACTIVATIONS)
    if "normalization_type" in library:
        found["norm"] = _one_of(library, "normalization_type", NORMS)
    if "attention_dir" in library:
        found["attention"] = _one_of(library, "attention_dir", {name: name for name in ("causal", "bidirectional")})
    if "positional_embedding_type" in library:
        found["positions"] = _one_of(library, "positional_embedding_type", {"standard": "learned", "rotary": "rotary"})
    if found.get("positions") == "rotary":
        found |= _rotary_facts(library)
    if "eps" in library:
        found["norm_epsilon"] = library["eps"]
    scale = _attention_scale(library)
    return found if scale is None else {**found, "attention_scale": scale}


def _rotary_facts(library: Mapping[str, Json]) -> dict[str, Json]:
    for name in _RESCALED:
        value = library.get(name)
        if value is True or value not in (None, False, 1):
            raise ConfigurationError(
                f"{FILE}: {name} = {ascii(value)[:60]} is not supported",
                expected="rotary positions as published",
            )
    found: dict[str, Json] = {}
    if library.get("rotary_dim") is not None:
        found["rotary_width"] = library["rotary_dim"]
    if "rotary_base" in library:
        found["rotary_base"] = library["rotary_base"]
    found["rotary_pairs"] = "adjacent" if library.get("rotary_adjacent_pairs") else "halves"
    return found


def _attention_scale(library: Mapping[str, Json]) -> float | None:
    """The factor of the scores, which they divide by ``attn_scale``; None where it is the usual one."""
    if library.get("use_attn_scale") is False:
        return 1.0
    divisor, width = library.get("attn_scale"), library.get("d_head")
    if not isinstance(divisor, float | int) or not isinstance(width, int) or divisor <= 0:
        return None
    return None if math.isclose(divisor, math.sqrt(width), rel_tol=1e-6) else 1.0 / divisor


def check_shapes(library: Mapping[str, Json], shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Raise ConfigurationError if a configuration states another size than a tensor has."""
    layers = len({name.split(".")[1] for name in shapes if name.startswith("blocks.")})
    if type(library.get("n_layers")) is int and library["n_layers"] != layers:
        raise ConfigurationError(f"{FILE}: n_layers = {library['n_layers']}", expected=f"{layers} by the tensors")
    if "post_embedding_ln" in library and bool(library["post_embedding_ln"]) != ("embed.ln.w" in shapes):
        raise ConfigurationError(
            f"{FILE}: post_embedding_ln = {ascii(library['post_embedding_ln'])[:60]}",
            expected="true with a tensor 'embed.ln.w', or false without it",
        )
    for name, (tensor, axis) in _SIZES.items():
        shape, stated = shapes.get(tensor, ()), library.get(name)
        if type(stated) is int and stated >= 0 and axis < len(shape) and shape[axis] != stated:
            raise ConfigurationError(
                f"{FILE}: {name} = {stated}, but {tensor!r} has shape {list(shape)}", expected=f"{shape[axis]}"
            )


def _one_of(library: Mapping[str, Json], name: str, options: Mapping[Any, str]) -> str:
    value = library[name]
    if not isinstance(value, str | None) or value not in options:
        raise ConfigurationError(
            f"{FILE}: {name} = {ascii(value)[:60]} is not supported",
            expected=" or ".join(str(option) for option in options),
        )
    return options[value]
