"""Move the zero of a head's values: b_V → b_V + c, b_O → b_O − c W_O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from auditor.behaviour.effects import mean_head_outputs
from auditor.behaviour.input_batch import InputBatch
from auditor.canonical.architecture import Architecture
from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import Equivalence, Progress, Transformed, TransformRequest
from auditor.measures.ablation.sweep import head_ablation_effects, replacement_effects
from auditor.records import Component, Json, Kind
from auditor.records.theory import Aspect

SCALES = (0.0, 1.0, 3.0, 10.0, 30.0)
"""Shift lengths tried, in root mean squares of the target's own z."""

DIRECTIONS = 6
"""Directions tried per length: three leading directions of W_O, both signs."""

SEARCH_SEQUENCES = 48


class ValueBiasShift(Equivalence):
    """Rows of attention sum to 1, so adding c to every value adds c to z, and c W_O can be taken back from b_O.

    One variant shifts every head at random. One more per head searches the worst case: the other heads are centred (c
    = −E[z]) and the target's c is chosen among ± the leading directions of its W_O at several lengths, to make
    setting its z to zero move the outputs most.
    """

    version = 1
    kind = Kind.EXACT
    changes = frozenset({Aspect.VALUE_ZERO})
    smallest_plan = "quick"
    summary = "adds a constant to each head's values and subtracts its image from the output bias"
    needs = "an output map"
    source = "Kobayashi et al. 2020, arXiv 2004.10102 (rows of attention sum to one); this package for the worst case"

    def not_applicable(self, model: CanonicalTransformer) -> str | None:
        """Without W_O and its bias nothing takes the shift back."""
        return None if model.architecture.output_map else "the model has no output map whose bias could take it back"

    def choices(self, architecture: Architecture, count: int) -> Sequence[Mapping[str, Json]]:
        """``count`` random shifts, then one worst case per head (none to promote when there is one head)."""
        targets = architecture.heads if len(architecture.heads) > 1 else ()
        return tuple({"shift": "random"} for _ in range(count)) + tuple(
            {"shift": "worst_case", "target": head.label} for head in (targets if count else ())
        )

    @torch.no_grad()
    def transform(self, request: TransformRequest) -> Transformed:
        """The shifted model; ``parameters`` report whether the worst case put its target on top."""
        model, inputs, generator, parameters, progress = (
            request.model,
            request.inputs,
            request.generator,
            request.parameters,
            request.progress,
        )
        twin = model.clone()
        if parameters.get("shift") != "worst_case":
            spread = _spread(model, inputs.rows(slice(0, min(SEARCH_SEQUENCES, len(inputs)))))
            for head in model.architecture.heads:
                direction = torch.from_numpy(generator.normal(size=spread[head].shape)).to(spread[head])
                _shift(twin, head, spread[head] * direction)
            return Transformed(twin, parameters={"shift": "random"})
        target = next(head for head in model.architecture.heads if head.label == parameters["target"])
        found = _search(model, inputs.rows(slice(0, min(SEARCH_SEQUENCES, len(inputs)))), target, progress)
        for head, shift in found.shifts.items():
            _shift(twin, head, shift)
        report: dict[str, Json] = {"zero_ablation_effects": found.effects, "target_on_top": found.on_top}
        return Transformed(twin, parameters={**parameters, **report})


@dataclass(frozen=True)
class _WorstCase:
    shifts: Mapping[Component, Tensor]
    effects: Mapping[str, float]
    on_top: bool


def _search(model: CanonicalTransformer, inputs: InputBatch, target: Component, progress: Progress) -> _WorstCase:
    means, spread = mean_head_outputs(model, inputs), _spread(model, inputs)
    centred = {head: -mean for head, mean in means.items()}
    candidates = [
        centred[target] + scale * spread[target].norm() * direction
        for scale in SCALES
        for direction in _directions(model, target)
    ]
    progress(0.0, f"searching the shift that puts {target.label} on top")
    # zeroing the shifted z is replacing the old z by −c
    found = replacement_effects(model, inputs, target, [-shift for shift in candidates]).mean(axis=0)
    shifts = {**centred, target: candidates[int(np.argmax(found))]}
    effects = head_ablation_effects(model, inputs, {head: -shift for head, shift in shifts.items()}).mean(axis=0)
    named = {head.label: float(effect) for head, effect in zip(shifts, effects, strict=True)}
    others = [effect for label, effect in named.items() if label != target.label]
    return _WorstCase(shifts, named, named[target.label] > max(others))


def _directions(model: CanonicalTransformer, head: Component) -> list[Tensor]:
    """± the left singular vectors of W_O^h with the largest gains: shifts that change the residual stream most."""
    left = torch.linalg.svd(model.attentions[head.layer].output[0][head.head], full_matrices=False).U
    leading = left.T[: DIRECTIONS // 2]
    return [*leading, *(-leading)]


def _spread(model: CanonicalTransformer, inputs: InputBatch) -> dict[Component, Tensor]:
    """Size of each head's mean output plus its values' bias scale, per feature: a natural length for a shift."""
    spread = {}
    for head, mean in mean_head_outputs(model, inputs).items():
        size = mean.norm() / mean.numel() ** 0.5
        spread[head] = torch.full_like(mean, max(float(size), 0.1))
    return spread


def _shift(model: CanonicalTransformer, head: Component, c: Tensor) -> None:
    attention = model.attentions[head.layer]
    W_O, b_O = attention.output
    attention.b_V[head.head] += c
    b_O -= c @ W_O[head.head]
