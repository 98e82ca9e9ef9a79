"""Ablate many components of many kinds in one go: the untouched pass is shared, only what an edit can reach is rerun.

Sequences run by length, so none is padded. An edit of a layer is a change of one write: the layers before it are not
run again, and in the last layer only the positions that are read are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from auditor.behaviour.input_batch import InputBatch
from auditor.canonical.model import CanonicalTransformer
from auditor.canonical.sites import Site
from auditor.measures.ablation.continuation import Continuation, continuation
from auditor.measures.ablation.edits import edited_logits
from auditor.measures.ablation.effects import EFFECTS, Effect
from auditor.records import Component

EDIT_TOKENS = 4_096
"""Tokens × edits run on at once: keeps the streams in the processor's cache."""

Substitute = Callable[[Tensor, int], Sequence[Tensor]]
"""(rows of the inputs, their length) → what the site's activation becomes, per layer; each broadcastable to [batch,
position, …]."""


@dataclass(frozen=True)
class Ablation:
    """Which components lose their output, one at a time, at which site, and what takes its place."""

    components: tuple[Component, ...]
    site: Site
    substitute: Substitute


@torch.no_grad()
def sweep(
    model: CanonicalTransformer, inputs: InputBatch, ablations: Sequence[Ablation], effect: Effect = EFFECTS["kl"]
) -> list[NDArray[np.float64]]:
    """Mean effect over the outputs of each sequence, one [sequence, component] per ablation.

    Sequences without an output that the effect reads are left out.
    """
    scored = effect.outputs(model, inputs).any(1)
    inputs = inputs.rows(scored)
    effects = [np.empty((len(inputs), len(ablation.components))) for ablation in ablations]
    kept = scored.nonzero().flatten()
    for rows, part in inputs.unpadded():
        where = effect.outputs(model, part)
        run = continuation(model, part, where)
        reading = Reading.of(part, where, effect)
        for values, ablation in zip(effects, ablations, strict=True):
            values[rows.numpy()] = _ablate(run, reading, ablation, kept[rows]).T
    return effects


@dataclass(frozen=True)
class Reading:
    """How the outputs of a piece of the inputs are scored and averaged."""

    effect: Effect
    rows: Tensor  # [output] the sequence of each output
    share: Tensor  # [output] one over the outputs of that sequence
    stack_top_type: Tensor  # [output] type on top of the stack, 0 where it is empty
    closing: Tensor  # [type] token ids
    sequences: int

    @classmethod
    def of(cls, part: InputBatch, where: Tensor, effect: Effect) -> Reading:
        """The reading of ``part`` at ``where`` [batch, position]."""
        rows = where.nonzero()[:, 0]
        closing = torch.tensor(part.task.language.vocabulary.closing)
        return cls(
            effect, rows, 1.0 / where.sum(1).double()[rows], part.stack_top_type[where].clamp_min(0), closing, len(part)
        )

    def per_sequence(self, untouched: Tensor, edited: Tensor) -> Tensor:
        """[edit, sequence]."""
        found = self.effect.measure(untouched, edited, self.stack_top_type, self.closing) * self.share.to(edited.dtype)
        return edited.new_zeros(len(edited), self.sequences).index_add_(1, self.rows, found)


def _ablate(run: Continuation, reading: Reading, ablation: Ablation, rows: Tensor) -> NDArray[np.float64]:
    """[component, sequence]."""
    batch, length = run.shape
    values = ablation.substitute(rows, length)
    at_once = max(1, EDIT_TOKENS // (batch * length))
    effects = np.empty((len(ablation.components), batch))
    for layer, columns in _by_layer(ablation.components).items():
        units = torch.tensor([_unit(ablation.components[column]) for column in columns])
        for start in range(0, len(columns), at_once):
            some = slice(start, start + at_once)
            logits = edited_logits(run, ablation.site, layer, units[some], values[layer])
            effects[columns[some]] = reading.per_sequence(run.untouched, logits)
    return effects


def _by_layer(components: tuple[Component, ...]) -> Mapping[int, list[int]]:
    found: dict[int, list[int]] = {}
    for column, component in enumerate(components):
        found.setdefault(component.layer, []).append(column)
    return found


def _unit(component: Component) -> int:
    """Its number in its layer; a part of a layer is the only one."""
    return component.head if component.head is not None else component.neuron or 0


def head_effects(
    model: CanonicalTransformer, inputs: InputBatch, substitute: Substitute, effect: Effect = EFFECTS["kl"]
) -> NDArray[np.float64]:
    """[sequence, head]: every head ablated in its turn."""
    return sweep(model, inputs, [Ablation(model.architecture.heads, Site.Z, substitute)], effect)[0]


def head_ablation_effects(
    model: CanonicalTransformer, inputs: InputBatch, replacements: Mapping[Component, Tensor]
) -> NDArray[np.float64]:
    """Mean KL(untouched ‖ edited), [sequence, head], when ``replacements[head]`` [value_width] is the head's z."""
    return sweep(model, inputs, [_replaced(model, replacements)])[0]


def replacement_effects(
    model: CanonicalTransformer, inputs: InputBatch, head: Component, values: Sequence[Tensor]
) -> NDArray[np.float64]:
    """Mean KL(untouched ‖ edited), [sequence, value], when each of ``values`` [value_width] in turn is the head's z."""
    return np.concatenate(sweep(model, inputs, [_replaced(model, {head: value}) for value in values]), axis=1)


def _replaced(model: CanonicalTransformer, replacements: Mapping[Component, Tensor]) -> Ablation:
    values = [torch.zeros(b.heads, b.value_width, dtype=model.dtype) for b in model.architecture.blocks]
    for head, value in replacements.items():
        values[head.layer][head.head or 0] = value
    return Ablation(tuple(replacements), Site.Z, lambda _rows, _length: values)
