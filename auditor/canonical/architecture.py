"""The frozen description of a canonical model: every switch, every width. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, get_args

from auditor.canonical.switches import (
    Activation,
    DepthRule,
    Embedding,
    Marker,
    Mlp,
    Norm,
    NormSite,
    Pooling,
    Positions,
    RotaryPairs,
)
from auditor.errors import ConfigurationError
from auditor.files.documents import Table
from auditor.records import Component, Json, Record

__all__ = [
    "Activation",
    "Architecture",
    "Block",
    "DepthRule",
    "Embedding",
    "Marker",
    "Mlp",
    "Norm",
    "NormSite",
    "Pooling",
    "Positions",
    "RotaryPairs",
]

_CHOICES: Mapping[str, tuple[str, ...]] = {
    "norm": get_args(Norm),
    "mlp": get_args(Mlp),
    "activation": get_args(Activation),
    "positions": get_args(Positions),
    "embedding": get_args(Embedding),
    "depth_rule": get_args(DepthRule),
    "rotary_pairs": get_args(RotaryPairs),
}


@dataclass(frozen=True, slots=True)
class Block(Record):
    """Widths of one layer. ``neurons`` is 0 without a two-layer MLP."""

    heads: int
    query_width: int
    value_width: int
    neurons: int


@dataclass(frozen=True, slots=True)
class Architecture(Record):
    """All switches of the canonical model.

    With N a norm, each block computes::

        a = attention(N_attention_in(x))        x = N_attention_out(x + a  or  a)
        h = N_mlp_in(x)                         h, x = (h + x), (h + x)   if mlp_input_residual
        f = MLP(h)                              x = N_mlp_out(x + f  or  f)

    and the model reads ``N_final(x) @ W_U + b_U``. Pre-norm models use attention_in and mlp_in, post-norm models
    attention_out and mlp_out; any set of sites may carry a norm. The norm "embedding" stands behind the sum of token
    and position vectors. ``embedding = "token_and_depth"`` looks up one vector per (token, depth): the "minimal first
    layer" of Wen et al. 2023.

    ``read_out`` None is a language model. A classifier is read at a position, at the last token that is no padding
    ("last"), or as the mean over all tokens that are no padding ("mean"), taken behind the final norm; ``mean_skips``
    names markers that the mean leaves out as well.

    Raises:
        ConfigurationError: an unknown switch value or widths that contradict each other.
    """

    model_width: int
    vocabulary_size: int
    blocks: tuple[Block, ...]
    norm: Norm = "layer"
    norm_sites: tuple[NormSite, ...] = ("attention_in", "mlp_in", "final")
    norm_epsilon: float = 1e-5
    attention_residual: bool = True
    mlp_residual: bool = True
    mlp_input_residual: bool = False
    output_map: bool = True
    attention_scale: float | None = None  # None: 1/√query_width of the layer
    mlp: Mlp = "two_layer"
    activation: Activation = "relu"
    positions: Positions = "none"
    max_positions: int | None = None  # None: any length
    scalar_period: int | None = None  # N of the scalar position column i/N
    rotary_width: int | None = None  # features of each query and key that rotary positions turn
    rotary_base: float = 10_000.0  # pair p is turned by base^(−2p/rotary_width) per position
    rotary_pairs: RotaryPairs = "halves"
    embedding: Embedding = "token"
    embedding_trained: bool = True  # False: a fixed one-hot table
    depth_slots: int = 0  # depths 0 … depth_slots − 2; the last slot is "outside"
    depth_rule: DepthRule = "closing_raised"
    tied_unembedding: bool = False
    causal: bool = True
    pad_masked: bool = False  # padding keys get no attention
    read_out: int | Pooling | None = None
    mean_skips: tuple[Marker, ...] = ()
    classes: int | None = None

    def __post_init__(self) -> None:
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise ConfigurationError(f"{name} = {getattr(self, name)!r}", expected=" or ".join(choices))
        unknown = set(self.norm_sites) - set(get_args(NormSite))
        if unknown:
            raise ConfigurationError(f"norm site {min(unknown)!r}", expected=" or ".join(get_args(NormSite)))
        if not self.blocks:
            raise ConfigurationError("no layers", expected="at least one")
        for layer, block in enumerate(self.blocks):
            self._check_block(layer, block)
        if (self.read_out is None) != (self.classes is None):
            raise ConfigurationError(
                "half a classifier", expected="both a read-out position and a class count, or neither"
            )
        self._check_read_out()
        self._check_rotary()
        if self.positions in ("learned", "sinusoidal") and self.max_positions is None:
            raise ConfigurationError(f"{self.positions} positions without a table size", expected="max_positions")
        if self.positions == "scalar" and not self.scalar_period:
            raise ConfigurationError("scalar positions without their period", expected="scalar_period N of i/N")
        if self.embedding == "token_and_depth" and self.depth_slots < 2:
            raise ConfigurationError(f"{self.depth_slots} depth slots", expected="at least 2")
        if self.tied_unembedding and (self.embedding != "token" or self.classes is not None):
            raise ConfigurationError(
                "a tied unembedding without a token table to tie to", expected="a language model with a token table"
            )

    def _check_block(self, layer: int, block: Block) -> None:
        if min(block.heads, block.query_width, block.value_width) < 1:
            raise ConfigurationError(f"layer {layer}: {block}", expected="positive head counts and widths")
        if (self.mlp == "two_layer") != (block.neurons > 0):
            raise ConfigurationError(f"layer {layer}: {block.neurons} neurons with mlp = {self.mlp!r}")
        if not self.output_map and block.heads * block.value_width != self.model_width:
            raise ConfigurationError(
                f"layer {layer}: no output map, {block.heads} heads × {block.value_width} ≠ width {self.model_width}",
                expected="heads × value width equal to the model width",
            )

    def _check_read_out(self) -> None:
        if isinstance(self.read_out, str) and self.read_out not in get_args(Pooling):
            raise ConfigurationError(f"read_out = {self.read_out!r}", expected="a position, mean or last")
        unknown = set(self.mean_skips) - set(get_args(Marker))
        if unknown:
            raise ConfigurationError(f"mean_skips {min(unknown)!r}", expected=" or ".join(get_args(Marker)))
        if self.mean_skips and self.read_out != "mean":
            raise ConfigurationError("mean_skips without a mean", expected='read_out = "mean"')

    def _check_rotary(self) -> None:
        width = self.rotary_width
        if (self.positions == "rotary") != (width is not None):
            raise ConfigurationError(
                f"positions {self.positions!r} with rotary_width {width}",
                expected="rotary positions and how many features they turn, or neither",
            )
        narrowest = min(block.query_width for block in self.blocks)
        if width is not None and not (0 < width <= narrowest and width % 2 == 0):
            raise ConfigurationError(
                f"rotary_width {width} for queries of width {narrowest}", expected="an even number up to that width"
            )
        if not self.rotary_base > 1.0:
            raise ConfigurationError(f"rotary_base {self.rotary_base}", expected="a number above 1")

    @property
    def layers(self) -> int:
        """Number of blocks."""
        return len(self.blocks)

    @property
    def is_classifier(self) -> bool:
        """Whether the model returns one set of classes per string."""
        return self.read_out is not None

    @property
    def outputs(self) -> int:
        """Width of the last axis of the logits."""
        return self.vocabulary_size if self.classes is None else self.classes

    @property
    def heads(self) -> tuple[Component, ...]:
        """All heads in flat order: layer by layer."""
        return tuple(Component(layer, head=h) for layer, block in enumerate(self.blocks) for h in range(block.heads))

    @property
    def neurons(self) -> tuple[Component, ...]:
        """All MLP neurons in flat order: layer by layer."""
        return tuple(
            Component(layer, neuron=n) for layer, block in enumerate(self.blocks) for n in range(block.neurons)
        )

    def has_norm(self, site: NormSite) -> bool:
        """Whether a norm stands at this site of every block ("embedding" and "final": of the model)."""
        return site in self.norm_sites

    @classmethod
    def _after_writing(cls, document: dict[str, Json]) -> dict[str, Json]:
        """Facts of rotary positions and of a mean stand there only where they are in use."""
        unused = {"mean_skips"} if not document["mean_skips"] else set()
        if document["rotary_width"] is None:
            unused |= {"rotary_width", "rotary_base", "rotary_pairs"}
        return {name: value for name, value in document.items() if name not in unused}

    @classmethod
    def from_json(cls, data: Mapping[str, Json]) -> Architecture:
        """Inverse of :meth:`to_json`, for input from an untrusted source.

        Raises:
            ConfigurationError: an unknown, missing or wrongly typed field, by name.
        """
        table = Table(data, ConfigurationError, where="architecture: ")
        table.no_others(field.name for field in fields(cls))
        for name in ("model_width", "vocabulary_size", "blocks"):  # those without a default
            table.entry(name)
        return cls(**{name: _value(table, name) for name in data})


MAX_WIDTH = 1_000_000
"""Above any Dyck model; keeps a hostile description from exhausting the memory."""

_MAY_BE_NONE = frozenset(("attention_scale", "max_positions", "scalar_period", "rotary_width", "read_out", "classes"))
_WHOLE = frozenset(
    (
        "model_width",
        "vocabulary_size",
        "max_positions",
        "scalar_period",
        "rotary_width",
        "depth_slots",
        "read_out",
        "classes",
    )
)
_POSITIVE = frozenset(("norm_epsilon", "attention_scale", "rotary_base"))


def _value(table: Table, name: str) -> Any:
    """One field of an architecture."""
    if name in _MAY_BE_NONE and table.entry(name) is None:
        return None
    if name == "blocks":
        return tuple(_block(block) for block in table.tables(name))
    if name in ("norm_sites", "mean_skips"):
        return table.texts(name)
    if name == "read_out" and isinstance(table.entry(name), str):
        return table.choice(name, get_args(Pooling))
    if name in _WHOLE:
        return table.whole(name, at_least=-MAX_WIDTH, at_most=MAX_WIDTH)
    if name in _CHOICES:
        return table.choice(name, _CHOICES[name])
    return table.positive(name) if name in _POSITIVE else table.truth(name)


def _block(widths: Mapping[str, Json]) -> Block:
    names = tuple(field.name for field in fields(Block))
    table = Table(widths, ConfigurationError, where="block: ")
    table.no_others(names)
    return Block(**{name: table.whole(name, at_least=0, at_most=MAX_WIDTH) for name in names})
