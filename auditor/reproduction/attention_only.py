"""The attention-only models of Steinberg 2026: two layers, three heads, width 96, strings of 64 brackets of depth 8.

Trained on every next bracket with AdamW at 1e-3, decay 0.01, batches of 256, 5,000 steps. What is not stated, we chose:
learned positions, LayerNorm before each attention and before the logits, and a constant learning rate.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from auditor.canonical.architecture import Architecture, Block
from auditor.canonical.model import CanonicalTransformer
from auditor.language.grammar import Dyck
from auditor.language.task import Task
from auditor.records import Json
from auditor.reproduction.cohort import Cohort
from auditor.seeds import numpy_generator, torch_generator
from auditor.training.initialisation import initialise
from auditor.training.stacked import Stack, StackedSchedule

DEPTH, BRACKETS, OPEN_PROBABILITY = 8, 64, 0.5
WIDTH, HEAD_WIDTH = 96, 32
STEPS, BATCH, LEARNING_RATE, WEIGHT_DECAY = 5_000, 256, 1e-3, 0.01
TYPES = (1, 2, 3)
TOGETHER = 128
"""Strings of one forward pass."""

HEADS = {1: 2, 2: 3, 3: 3}
"""Heads of each layer by the number of bracket types."""


def name_of(types: int) -> str:
    """The name of a cohort."""
    return f"k={types}"


def task_of(types: int) -> Task:
    """Prefixes of 64 brackets, every next bracket."""
    return Task(
        Dyck.standard(types, DEPTH),
        min_length=BRACKETS,
        max_length=BRACKETS,
        prefixes=True,
        open_probability=OPEN_PROBABILITY,
    )


def architecture_of(types: int) -> Architecture:
    """Two layers of attention and nothing else."""
    return Architecture(
        model_width=WIDTH,
        vocabulary_size=len(task_of(types).language.vocabulary),
        blocks=(Block(HEADS[types], HEAD_WIDTH, HEAD_WIDTH, 0),) * 2,
        norm_sites=("attention_in", "final"),
        mlp="none",
        positions="learned",
        max_positions=BRACKETS + 1,
    )


def cohort(types: int, *, share: float = 1.0, batch: int = BATCH) -> Cohort:
    """How the models of k types are trained, or a share of it."""
    task, architecture = task_of(types), architecture_of(types)
    facts: dict[str, Json] = {
        "study": "steinberg2026",
        "architecture": architecture.to_json(),
        "task": task.to_json(),
        "batch": batch,
    }
    return Cohort(
        name=name_of(types),
        summary=f"{types} bracket type{'s' if types > 1 else ''}, {HEADS[types]} heads a layer",
        schedule=StackedSchedule(max(1, round(share * STEPS)), LEARNING_RATE, WEIGHT_DECAY, "constant"),
        start=partial(_start, types),
        losses=partial(_losses, task, batch),
        facts=facts,
    )


def _start(types: int, seed: int) -> CanonicalTransformer:
    model = initialise(
        CanonicalTransformer(architecture_of(types), task_of(types)),
        torch_generator(seed, "reproduction", "steinberg2026", types),
    )
    with torch.no_grad():
        model.b_U.zero_()
    return model


def _losses(task: Task, batch: int, stack: Stack, seeds: Sequence[int], step: int) -> Tensor:
    drawn = [task.draw(batch, numpy_generator(seed, "reproduction", "steinberg2026", step)).tokens for seed in seeds]
    tokens = torch.stack([torch.from_numpy(one) for one in drawn])
    return next_bracket_loss(stack.logits(tokens[:, :, :-1]), tokens[:, :, 1:]).mean((1, 2))


def next_bracket_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """−log p of every label in nats, the shape of ``labels``."""
    return F.cross_entropy(logits.flatten(0, -2), labels.flatten(), reduction="none").view_as(labels)


@torch.no_grad()
def held_out_loss(model: CanonicalTransformer, strings: int) -> float:
    """Mean −log p of the next bracket on new strings, nats."""
    tokens = torch.from_numpy(
        model.task.draw(strings, numpy_generator(0, "reproduction", "steinberg2026", "held out")).tokens
    )
    total = 0.0
    for start in range(0, len(tokens), TOGETHER):
        part = tokens[start : start + TOGETHER]
        total += float(next_bracket_loss(model(part[:, :-1], fast=True), part[:, 1:]).sum())
    return total / tokens[:, 1:].numel()
