"""From the words of ``train`` to an architecture: every switch of the canonical model by name."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from auditor.canonical.architecture import Architecture
    from auditor.language.task import Task


class PositionsName(StrEnum):
    """How a model knows where a token stands."""

    NONE = "none"
    LEARNED = "learned"
    SINUSOIDAL = "sinusoidal"
    SCALAR = "scalar"


class ObjectiveName(StrEnum):
    """Which outputs the loss covers."""

    NEXT_TOKEN = "next_token"
    CLOSING_BRACKET = "closing_bracket"
    CLASSIFIER = "classifier"


class NormName(StrEnum):
    """How the residual stream is normalised."""

    LAYER = "layer"
    RMS = "rms"


class NormPlace(StrEnum):
    """Where norms stand."""

    PRE = "pre"  # before attention and MLP, and at the end
    POST = "post"  # after each of them
    AFTER_ATTENTION = "after_attention"
    FINAL = "final"
    NONE = "none"


class MlpName(StrEnum):
    """What follows attention."""

    TWO_LAYER = "two_layer"
    NONE = "none"


class ActivationName(StrEnum):
    """The MLP's activation function."""

    RELU = "relu"
    GELU_TANH = "gelu_tanh"
    GELU_ERF = "gelu_erf"


class EmbeddingName(StrEnum):
    """What the model sees of a token."""

    TOKEN = "token"
    TOKEN_AND_DEPTH = "token_and_depth"  # the minimal first layer


SITES = {
    NormPlace.PRE: ("attention_in", "mlp_in", "final"),
    NormPlace.POST: ("attention_out", "mlp_out"),
    NormPlace.AFTER_ATTENTION: ("attention_out",),
    NormPlace.FINAL: ("final",),
    NormPlace.NONE: (),
}
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
    positions: str
    norm: str
    norm_place: NormPlace
    mlp: str
    activation: str
    embedding: str
    embedding_trained: bool
    attention_residual: bool
    mlp_residual: bool
    output_map: bool
    tied_unembedding: bool


def architecture_of(task: Task, shape: Shape) -> Architecture:
    """A Transformer of equal layers; classifiers read two classes at the first position and mask padding keys.

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
    neurons = 0 if shape.mlp == MlpName.NONE else shape.neurons or 4 * shape.width
    by_depth = shape.embedding == EmbeddingName.TOKEN_AND_DEPTH
    reach = POSITIONS_PER_LENGTH * task.max_length
    return Architecture(
        model_width=shape.width,
        vocabulary_size=len(task.language.vocabulary),
        blocks=(Block(shape.heads, head_width, head_width, neurons),) * shape.layers,
        norm=str(shape.norm),  # type: ignore[arg-type]
        norm_sites=SITES[shape.norm_place],  # type: ignore[arg-type]
        attention_residual=shape.attention_residual,
        mlp_residual=shape.mlp_residual,
        output_map=shape.output_map,
        mlp=str(shape.mlp),  # type: ignore[arg-type]
        activation=str(shape.activation),  # type: ignore[arg-type]
        positions=str(shape.positions),  # type: ignore[arg-type]
        max_positions=reach if shape.positions in (PositionsName.LEARNED, PositionsName.SINUSOIDAL) else None,
        scalar_period=reach if shape.positions == PositionsName.SCALAR else None,
        embedding=str(shape.embedding),  # type: ignore[arg-type]
        embedding_trained=shape.embedding_trained,
        depth_slots=task.language.depth + 2 if by_depth else 0,
        tied_unembedding=shape.tied_unembedding,
        causal=not is_classifier,
        pad_masked=is_classifier,
        read_out=0 if is_classifier else None,
        classes=2 if is_classifier else None,
    )
