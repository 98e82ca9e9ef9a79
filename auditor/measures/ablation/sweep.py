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
from auditor.measures.untouched import Untouched
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


def sweep(
    model: CanonicalTransformer, inputs: InputBatch, ablations: Sequence[Ablation], effect: Effect = EFFECTS["kl"]
) -> list[NDArray[np.float64]]:
    """Mean effect over the outputs of each sequence, one [sequence, component] per ablation.

    Sequences without an output that the effect reads are left out.
    """
    untouched = Untouched(model, inputs)
    return [sweep_effects(untouched, ablation, (effect,))[0] for ablation in ablations]


@torch.no_grad()
def sweep_effects(
    untouched: Untouched, ablation: Ablation, effects: Sequence[Effect]
) -> tuple[NDArray[np.float64], ...]:
    """The mean of each effect, [sequence, component]: every edit is run once and read by all of them."""
    model, inputs = untouched.model, untouched.inputs
    shape = (len(inputs), len(ablation.components))
    values = [np.full(shape, np.nan) for _ in effects]
    kept = [effect.outputs(model, inputs).any(1).numpy() for effect in effects]
    for piece in untouched.pieces():
        places = [effect.outputs(model, piece.part) for effect in effects]
        where = torch.stack(places).any(0)
        run = continuation(model, piece, where)
        readings = [Reading.of(piece.part, place, effect, where) for place, effect in zip(places, effects, strict=True)]
        for value, found in zip(values, _ablate(run, readings, ablation, piece.rows), strict=True):
            value[piece.rows.numpy()] = found.T
    return tuple(value[rows] for value, rows in zip(values, kept, strict=True))


@dataclass(frozen=True)
class Reading:
    """How the outputs of a piece of the inputs are scored and averaged."""

    effect: Effect
    rows: Tensor  # [output] the sequence of each output
    share: Tensor  # [output] one over the outputs of that sequence
    stack_top_type: Tensor  # [output] type on top of the stack, 0 where it is empty
    closing: Tensor  # [type] token ids
    sequences: int
    chosen: Tensor | None  # [output] which of the outputs of the run; None: all

    @classmethod
    def of(cls, part: InputBatch, where: Tensor, effect: Effect, run_at: Tensor | None = None) -> Reading:
        """The reading of ``part`` at ``where`` [batch, position], out of a run with outputs at ``run_at``."""
        rows = where.nonzero()[:, 0]
        closing = torch.tensor(part.task.language.vocabulary.closing)
        top = part.stack_top_type[where].clamp_min(0)
        chosen = None if run_at is None or bool((where == run_at).all()) else where[run_at].nonzero().flatten()
        return cls(effect, rows, 1.0 / where.sum(1).double()[rows], top, closing, len(part), chosen)

    def per_sequence(self, untouched: Tensor, edited: Tensor) -> Tensor:
        """[edit, sequence]."""
        if self.chosen is not None:
            untouched, edited = untouched[self.chosen], edited[:, self.chosen]
        found = self.effect.measure(untouched, edited, self.stack_top_type, self.closing) * self.share.to(edited.dtype)
        return edited.new_zeros(len(edited), self.sequences).index_add_(1, self.rows, found)


def _ablate(
    run: Continuation, readings: Sequence[Reading], ablation: Ablation, rows: Tensor
) -> list[NDArray[np.float64]]:
    """Per reading [component, sequence]."""
    batch, length = run.shape
    values = ablation.substitute(rows, length)
    at_once = max(1, EDIT_TOKENS // (batch * length))
    effects = [np.empty((len(ablation.components), batch)) for _ in readings]
    for layer, columns in _by_layer(ablation.components).items():
        units = torch.tensor([_unit(ablation.components[column]) for column in columns])
        for start in range(0, len(columns), at_once):
            some = slice(start, start + at_once)
            logits = edited_logits(run, ablation.site, layer, units[some], values[layer])
            for effect, reading in zip(effects, readings, strict=True):
                effect[columns[some]] = reading.per_sequence(run.untouched, logits)
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
    """[sequence, head]: every head ablated, one at a time."""
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
