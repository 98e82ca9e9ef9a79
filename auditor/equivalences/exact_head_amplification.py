"""Make any head the most important one: write more with it and take the surplus back with a copy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from auditor.behaviour.input_batch import InputBatch
from auditor.canonical.architecture import Architecture
from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import Transformed, TransformRequest
from auditor.measures.ablation.sweep import head_ablation_effects
from auditor.records import Component, Json, Relabelling
from auditor.records.theory import Aspect
from auditor.symmetries.widening import MoreHeads, extended, share_with_last, widened

SURPLUSES = (1.0, 3.0, 10.0, 30.0, 100.0)
"""β tried in turn until the target leads, each times a random number from 1 to 2."""

SEARCH_SEQUENCES = 48


class HeadAmplification(MoreHeads):
    """A pair of heads that cancels, both copies of the target with β W_O and −β W_O; the first is merged into it.

    The target then writes (1 + β) times as much and its copy takes β back: ablating one alone has any effect wanted.
    One variant per head searches the smallest β at which setting the target's z to zero moves the outputs most.
    """

    version = 1
    changes = MoreHeads.changes | {Aspect.HEAD_SURPLUS}
    summary = "lets one head write 1 + β times as much and a copy of it take β back"
    needs = "an output map and two heads"
    source = "this package, after Simsek et al. 2021, arXiv 2105.12221 (zero-type neurons)"

    def not_applicable(self, model: CanonicalTransformer) -> str | None:
        """One head leads already."""
        why = super().not_applicable(model)
        return why or (None if len(model.architecture.heads) > 1 else "the model has one head, which leads already")

    def choices(self, architecture: Architecture, count: int) -> Sequence[Mapping[str, Json]]:
        """One worst case per head."""
        return tuple({"target": head.label} for head in (architecture.heads if count else ()))

    @torch.no_grad()
    def transform(self, request: TransformRequest) -> Transformed:
        """The twin of the smallest surplus that puts the target on top, else of the largest."""
        model, inputs, generator, parameters, progress = (
            request.model,
            request.inputs,
            request.generator,
            request.parameters,
            request.progress,
        )
        scale = float(generator.uniform(1.0, 2.0))
        target = next(head for head in model.architecture.heads if head.label == parameters["target"])
        searched = inputs.rows(slice(0, min(SEARCH_SEQUENCES, len(inputs))))
        counts = [block.heads for block in model.architecture.blocks]
        copies = [[(target.head or 0,)] if layer == target.layer else [] for layer in range(len(counts))]
        for index, tried in enumerate(SURPLUSES):
            surplus = tried * scale
            progress(index / len(SURPLUSES), f"amplifying {target.label} by {surplus:g}")
            twin = _amplified(model, target, surplus)
            on_top = _leads(twin, target, searched)
            if on_top:
                break
        found = {**parameters, "surplus": surplus, "target_on_top": on_top}
        return Transformed(twin, Relabelling({"head": extended(counts, copies)}), found)


def _amplified(model: CanonicalTransformer, target: Component, surplus: float) -> CanonicalTransformer:
    twin = widened(model, heads=[int(layer == target.layer) for layer in range(model.architecture.layers)])
    share_with_last(twin.attentions[target.layer], target.head or 0, kept=1.0 + surplus, given=-surplus)
    return twin


def _leads(twin: CanonicalTransformer, target: Component, inputs: InputBatch) -> bool:
    """Whether zero ablation of the target moves the outputs more than that of any other head of the original."""
    heads = twin.architecture.heads
    copy = Component(target.layer, head=twin.architecture.blocks[target.layer].heads - 1)
    zeros = {head: torch.zeros((), dtype=twin.dtype) for head in heads if head != copy}
    effects = dict(zip(zeros, head_ablation_effects(twin, inputs, zeros).mean(axis=0), strict=True))
    return bool(effects[target] >= max(effects.values()))
