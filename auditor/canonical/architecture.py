"""The frozen description of a canonical model: every switch, every width. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, get_args

from auditor.canonical.switches import Activation, DepthRule, Embedding, Mlp, Norm, NormSite, Positions
from auditor.errors import ConfigurationError
from auditor.records import Component

__all__ = [
    "Activation",
    "Architecture",
    "Block",
    "DepthRule",
    "Embedding",
    "Mlp",
    "Norm",
    "NormSite",
    "Positions",
]

_CHOICES: Mapping[str, tuple[str, ...]] = {
    "norm": get_args(Norm),
    "mlp": get_args(Mlp),
    "activation": get_args(Activation),
    "positions": get_args(Positions),
    "embedding": get_args(Embedding),
    "depth_rule": get_args(DepthRule),
}


@dataclass(frozen=True, slots=True)
class Block:
    """Widths of one layer. ``neurons`` is 0 without a two-layer MLP."""

    heads: int
    query_width: int
    value_width: int
    neurons: int


@dataclass(frozen=True, slots=True)
class Architecture:
    """All switches of the canonical model.

    With N a norm, each block computes::

        a = attention(N_attention_in(x))        x = N_attention_out(x + a  or  a)
        h = N_mlp_in(x)                         h, x = (h + x), (h + x)   if mlp_input_residual
        f = MLP(h)                              x = N_mlp_out(x + f  or  f)

    and the model reads ``N_final(x) @ W_U + b_U``. Pre-norm models use attention_in and mlp_in, post-norm models
    attention_out and mlp_out; any set of sites may carry a norm. ``embedding = "token_and_depth"`` looks up one
    vector per (token, depth): the "minimal first layer" of Wen et al. 2023. ``read_out`` None is a language model; a
    position makes a classifier.

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
    embedding: Embedding = "token"
    embedding_trained: bool = True  # False: a fixed one-hot table
    depth_slots: int = 0  # depths 0 … depth_slots − 2; the last slot is "outside"
    depth_rule: DepthRule = "closing_raised"
    tied_unembedding: bool = False
    causal: bool = True
    pad_masked: bool = False  # padding keys get no attention
    read_out: int | None = None
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

    @property
    def layers(self) -> int:
        """Number of blocks."""
        return len(self.blocks)

    @property
    def is_classifier(self) -> bool:
        """Whether the model returns classes read at one position."""
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
        """Whether a norm stands at this site of every block (or at the end, for "final")."""
        return site in self.norm_sites

    def to_json(self) -> dict[str, Any]:
        """JSON form of every field."""
        return {**asdict(self), "blocks": [asdict(block) for block in self.blocks], "norm_sites": list(self.norm_sites)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Architecture:
        """Inverse of :meth:`to_json`.

        Raises:
            ConfigurationError: an unknown, missing or wrongly typed field, by name.
        """
        known = {field.name for field in fields(cls)}
        unknown = sorted(set(data) - known)
        if unknown:
            raise ConfigurationError(f"unknown architecture field {unknown[0]!r}", expected=", ".join(sorted(known)))
        try:
            blocks = tuple(Block(**{name: _whole(name, width) for name, width in b.items()}) for b in data["blocks"])
            plain = {k: _typed(k, v) for k, v in data.items() if k not in ("blocks", "norm_sites")}
            sites = tuple(data.get("norm_sites", ("attention_in", "mlp_in", "final")))
            return cls(**plain, blocks=blocks, norm_sites=sites)
        except (KeyError, TypeError, AttributeError) as wrong:
            raise ConfigurationError(f"an architecture that cannot be read: {wrong}") from None


_WHOLE = frozenset(
    ("model_width", "vocabulary_size", "max_positions", "scalar_period", "depth_slots", "read_out", "classes")
)
_TRUTH = frozenset(
    (
        "attention_residual",
        "mlp_residual",
        "mlp_input_residual",
        "output_map",
        "embedding_trained",
        "tied_unembedding",
        "causal",
        "pad_masked",
    )
)
MAX_WIDTH = 1_000_000
"""Above any Dyck model; keeps a hostile description from exhausting the memory."""


def _whole(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not -MAX_WIDTH <= value <= MAX_WIDTH:
        raise ConfigurationError(f"{name} = {str(value)[:40]}", expected=f"a whole number up to {MAX_WIDTH:,}")
    return value


def _typed(name: str, value: Any) -> Any:
    if name in _WHOLE:
        return None if value is None else _whole(name, value)
    if name in _TRUTH and not isinstance(value, bool):
        raise ConfigurationError(f"{name} = {str(value)[:40]}", expected="true or false")
    if name in ("norm_epsilon", "attention_scale") and value is not None:
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e6:
            raise ConfigurationError(f"{name} = {str(value)[:40]}", expected="a positive number")
        return float(value)
    return value
