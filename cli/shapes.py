"""From the words of ``train`` to an architecture: every switch of the canonical model by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Literal

from auditor.canonical.switches import Activation, Embedding, Mlp, Norm, NormSite, Pooling, Positions, RotaryPairs

if TYPE_CHECKING:
    from auditor.canonical.architecture import Architecture
    from auditor.language.task import Task


class ObjectiveName(StrEnum):
    """Which outputs the loss covers."""

    NEXT_TOKEN = "next_token"
    CLOSING_BRACKET = "closing_bracket"
    CLASSIFIER = "classifier"


NormPlace = Literal["pre", "post", "after_attention", "final", "none"]
"""Before attention and MLP and at the end; after each of them; after attention; at the end; nowhere."""

ReadOut = Literal["first", "last", "mean"]
"""Where a classifier is read: at the first token, at the last, as the mean of all."""

Attention = Literal["causal", "bidirectional"]

SITES: Mapping[NormPlace, tuple[NormSite, ...]] = {
    "pre": ("attention_in", "mlp_in", "final"),
    "post": ("attention_out", "mlp_out"),
    "after_attention": ("attention_out",),
    "final": ("final",),
    "none": (),
}
READ_OUTS: Mapping[ReadOut, int | Pooling] = {"first": 0, "last": "last", "mean": "mean"}
POSITIONS_PER_LENGTH = 4
"""Position table, in training lengths: room for the longer evaluation."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What ``train`` was asked for. None: what is usual for the width."""

    layers: int
    heads: int
    width: int
    head_width: int | None
    neurons: int | None
    positions: Positions
    norm: Norm
    norm_place: NormPlace
    mlp: Mlp
    activation: Activation
    embedding: Embedding
    embedding_trained: bool
    attention_residual: bool
    mlp_residual: bool
    output_map: bool
    tied_unembedding: bool
    embedding_norm: bool
    rotary_pairs: RotaryPairs
    read_out: ReadOut
    attention: Attention | None


def architecture_of(task: Task, shape: Shape) -> Architecture:
    """A Transformer of equal layers; classifiers have two classes and mask padding keys.

    Raises:
        ConfigurationError: the heads do not share the width evenly and no width of a head is given, or switches that
            contradict each other.
    """
    from auditor.canonical.architecture import Architecture, Block
    from auditor.errors import ConfigurationError

    if shape.head_width is None and shape.width % shape.heads:
        raise ConfigurationError(
            f"width {shape.width} for {shape.heads} heads",
            expected="a multiple of the heads",
            action="or give --head-width",
        )
    is_classifier = task.objective == "classifier"
    head_width = shape.head_width or shape.width // shape.heads
    neurons = shape.neurons or 4 * shape.width if shape.mlp == "two_layer" else 0
    if not is_classifier and (shape.read_out != "first" or shape.attention == "bidirectional"):
        raise ConfigurationError(
            "a read-out or bidirectional attention for a language model", expected="--objective classifier with them"
        )
    behind_embedding: tuple[NormSite, ...] = ("embedding",) if shape.embedding_norm else ()
    by_depth = shape.embedding == "token_and_depth"
    reach = POSITIONS_PER_LENGTH * task.max_length
    return Architecture(
        model_width=shape.width,
        vocabulary_size=len(task.language.vocabulary),
        blocks=(Block(shape.heads, head_width, head_width, neurons),) * shape.layers,
        norm=shape.norm,
        norm_sites=(*behind_embedding, *SITES[shape.norm_place]),
        attention_residual=shape.attention_residual,
        mlp_residual=shape.mlp_residual,
        output_map=shape.output_map,
        mlp=shape.mlp,
        activation=shape.activation,
        positions=shape.positions,
        max_positions=reach if shape.positions in ("learned", "sinusoidal") else None,
        scalar_period=reach if shape.positions == "scalar" else None,
        rotary_width=head_width if shape.positions == "rotary" else None,
        rotary_pairs=shape.rotary_pairs,
        embedding=shape.embedding,
        embedding_trained=shape.embedding_trained,
        depth_slots=task.language.depth + 2 if by_depth else 0,
        tied_unembedding=shape.tied_unembedding,
        causal=(shape.attention or ("bidirectional" if is_classifier else "causal")) == "causal",
        pad_masked=is_classifier,
        read_out=READ_OUTS[shape.read_out] if is_classifier else None,
        classes=2 if is_classifier else None,
    )
