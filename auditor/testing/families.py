"""One architecture of each kind that is audited."""

from __future__ import annotations

from dataclasses import replace

from auditor.canonical.architecture import Architecture, Block
from auditor.language.task import Task
from auditor.testing.models import PLAIN, TASK

POSITIONS = 16
"""Above every input of the laws: 10 brackets and START."""


def task_for(architecture: Architecture) -> Task:
    """The laws' language, as a classifier's task where the model is one.

    What is read at the last token sees END there, and no START in front.
    """
    if architecture.read_out == "last":
        vocabulary = replace(TASK.language.vocabulary, start=None)
        language = replace(TASK.language, vocabulary=vocabulary)
        return replace(TASK, language=language, objective="classifier", reads_end=True)
    return replace(TASK, objective="classifier") if architecture.is_classifier else TASK


FAMILIES = {
    "plain": PLAIN,
    "minimal first layer, no output map": replace(
        PLAIN,
        mlp="identity",
        mlp_residual=False,
        blocks=(Block(heads=2, query_width=3, value_width=4, neurons=0),),
        norm_sites=("mlp_in",),
        attention_residual=False,
        output_map=False,
        embedding="token_and_depth",
        depth_slots=5,
        embedding_trained=False,
    ),
    "post-norm, learned positions, tied": replace(
        PLAIN,
        norm_sites=("embedding", "attention_out", "mlp_out"),
        positions="learned",
        max_positions=POSITIONS,
        activation="gelu_erf",
        tied_unembedding=True,
    ),
    "bidirectional classifier, RMS norm": replace(
        PLAIN,
        norm="rms",
        positions="rotary",
        rotary_width=2,
        rotary_pairs="adjacent",
        causal=False,
        pad_masked=True,
        read_out="mean",
        mean_skips=("start",),
        classes=2,
    ),
    "causal classifier, last token": replace(
        PLAIN,
        blocks=(Block(heads=2, query_width=4, value_width=3, neurons=5),),
        positions="rotary",
        rotary_width=4,
        read_out="last",
        classes=2,
    ),
    "one head, no norm, learned positions": replace(
        PLAIN,
        blocks=(Block(heads=1, query_width=2, value_width=3, neurons=4),),
        norm_sites=(),
        positions="learned",
        max_positions=POSITIONS,
    ),
}
"""One of each kind of model that is audited, for laws that are too costly for random architectures."""
