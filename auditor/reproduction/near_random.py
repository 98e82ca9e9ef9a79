"""Twins with random, uniform or opposed attention: how far their last layer attends from the original's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from auditor.behaviour.input_batch import InputBatch
from auditor.canonical.interventions import run_with_cache
from auditor.canonical.model import CanonicalTransformer
from auditor.canonical.sites import Site
from auditor.measures.attention import with_choice
from auditor.records import Certificate, Variant
from auditor.report.wording import counted
from auditor.reproduction.results import TwinLine

TWINS: Mapping[str, str] = {
    "behavioural_frozen_random_attention": "random",
    "behavioural_uniform_attention": "uniform",
    "behavioural_adversarial_attention": "adversarial",
}
"""The equivalences of this part and what their last layer's attention is."""


@torch.no_grad()
def total_variation(original: CanonicalTransformer, twin: CanonicalTransformer, inputs: InputBatch) -> float:
    """½ Σ_key |A − A′|, mean over all queries but the first, of the head of the last layer that moved least."""
    layer = original.architecture.layers - 1
    moved, count = torch.zeros(original.architecture.blocks[layer].heads, dtype=torch.float64), 0
    for _, part in inputs.batches():
        where = with_choice(part)
        patterns = [
            run_with_cache(model, part.tokens, sites=(Site.PATTERN,))[1][Site.PATTERN, layer].double()
            for model in (original, twin)
        ]
        rows = 0.5 * (patterns[0] - patterns[1]).abs().sum(-1)  # [sequence, head, query]
        moved += (rows * where[:, None]).sum((0, 2))
        count += int(where.sum())
    return float(moved.min()) / max(1, count)


def twin_line(family: str, seed: int, variant: Variant, moved: float | None) -> TwinLine:
    """What an audit found of one twin; ``moved`` is its total variation, None where there is no model."""
    found = variant.certificate
    failures = () if found is None else found.failures
    return TwinLine(
        family=family,
        seed=seed,
        equivalence=variant.equivalence,
        state=str(variant.state),
        total_variation=moved,
        kl_nats=None if found is None else found.kl_mean_nats,
        accuracy_change=_accuracy_change(found),
        reason=f"{counted(len(failures), 'margin')} missed, first {failures[0]}" if failures else variant.reason,
    )


def _accuracy_change(found: Certificate | None) -> float | None:
    if found is None or found.closing_accuracy is None:
        return None
    return found.closing_accuracy[1] - found.closing_accuracy[0]


def share_with_distant_twin(lines: Sequence[TwinLine], least: float) -> tuple[float, int]:
    """(share of models with a certified twin at least so far away, models)."""
    models = {(line.family, line.seed) for line in lines}
    reached = {
        (line.family, line.seed)
        for line in lines
        if line.state == "certified" and line.total_variation is not None and line.total_variation >= least
    }
    return len(reached) / max(1, len(models)), len(models)
