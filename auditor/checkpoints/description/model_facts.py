"""Facts of the architecture that several formats leave unsaid, each read under the name of the schema."""

from __future__ import annotations

from typing import TypedDict, get_args

import torch.nn.functional as F
from torch import Tensor

from auditor.canonical.architecture import Activation, Marker, Pooling
from auditor.checkpoints.description.language_facts import read_out_of
from auditor.checkpoints.description.reading import Description
from auditor.checkpoints.description.schema import ATTENTION
from auditor.errors import ConfigurationError
from auditor.language.task import Task

EPSILON = 1e-5
"""The default of torch.nn.LayerNorm, GPT-2 and TransformerLens."""


class Reading(TypedDict):
    """Which positions a model looks at and where it is read, as switches of the canonical architecture."""

    causal: bool
    pad_masked: bool
    read_out: int | Pooling | None
    mean_skips: tuple[Marker, ...]
    classes: int | None


def activation_of(description: Description) -> Activation:
    """The activation of the MLP."""
    found = description.choice("model.activation", get_args(Activation))
    return next(name for name in get_args(Activation) if name == found)


def epsilon_of(description: Description) -> float:
    """What is added to a norm's variance."""
    return description.positive("model.norm_epsilon") if description.has("model.norm_epsilon") else EPSILON


def fold_embedding_norm(tables: dict[str, Tensor], epsilon: float) -> None:
    """Put a LayerNorm of token vectors into the token table: it reads nothing else, so its rows can be normed once."""
    rows = tables["W_E"]
    weight, bias = (tables.pop(f"embedding_norm.{name}").to(rows) for name in ("weight", "bias"))
    tables["W_E"] = F.layer_norm(rows, weight.shape, weight, bias, epsilon)


def scale_of(description: Description) -> float | None:
    """The factor of attention scores; None is 1/√(width of a head)."""
    return description.positive("model.attention_scale") if description.has("model.attention_scale") else None


def reading_of(description: Description, task: Task) -> Reading:
    """Attention mask and read-out. Whether PAD is masked is asked for only where it could be seen.

    Raises:
        ConfigurationError: a missing fact, or a mask for a PAD that does not exist.
    """
    causal = description.choice("model.attention", ATTENTION) == "causal"
    has_pad = task.language.vocabulary.pad is not None
    pad_masked = False
    if description.has("model.pad_masked") or (has_pad and not causal):
        pad_masked = description.truth("model.pad_masked")
    if pad_masked and not has_pad:
        raise ConfigurationError("model.pad_masked without PAD", expected="vocabulary.pad, or pad_masked = false")
    read_out = read_out_of(description)
    return Reading(
        causal=causal,
        pad_masked=pad_masked,
        read_out=None if read_out is None else read_out.position,
        mean_skips=_mean_skips(description, task) if read_out is not None and read_out.position == "mean" else (),
        classes=None if read_out is None else read_out.classes,
    )


def _mean_skips(description: Description, task: Task) -> tuple[Marker, ...]:
    """The markers that a mean leaves out, of those that are inputs."""
    skipped: list[Marker] = []
    if task.language.vocabulary.start is not None and not description.truth("read_out.counts_start"):
        skipped.append("start")
    if task.reads_end and not description.truth("read_out.counts_end"):
        skipped.append("end")
    vocabulary = task.language.vocabulary
    if len(skipped) == 1 and task.reads_end and vocabulary.start == vocabulary.end:
        raise ConfigurationError(
            "read_out.counts_start and counts_end differ, but START and END are one token", expected="the same for both"
        )
    return tuple(skipped)


def outputs_of(description: Description, task: Task) -> int:
    """Rows of the read-out: classes, or one per token."""
    read_out = read_out_of(description)
    return len(task.language.vocabulary) if read_out is None else read_out.classes


def check_length(task: Task, max_positions: int | None) -> None:
    """Raise ConfigurationError if the longest training string does not fit into the position table."""
    needed = task.longest_input
    if max_positions is not None and needed > max_positions:
        raise ConfigurationError(
            f"task.max_length = {task.max_length} gives inputs of {needed} tokens, the checkpoint has {max_positions}"
            " positions",
            expected="training strings that fit",
        )
