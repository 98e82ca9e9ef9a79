"""A larger random network, pruned and never trained, that answers as the model does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from auditor.canonical.architecture import Architecture
from auditor.canonical.model import Attention, CanonicalTransformer
from auditor.contracts import Equivalence, Progress, Transformed, TransformRequest
from auditor.records import Json, Kind
from auditor.symmetries.random_pruning import Kept, parallel_sums, two_layer_linear
from auditor.twins.ladder import Attempt, Rung, climb

SAMPLES = (12, 16, 20)
"""Random numbers for each weight, tried in turn until the search sequences pass with room to spare."""

PARALLEL = ("W_in", "W_out", "W_U")
"""Matrices between which no linear layer stands."""


class PrunedRandom(Equivalence):
    """Every matrix that the model learnt is made of random numbers that a 0/1 mask keeps or drops.

    *Attention* is a wider random network in the strict sense: W_Q W_Kᵀ and W_V W_O are products of two random matrices
    with a mask on each, through n times as many hidden units as the residual stream has features (n more for the query
    bias; the value bias moves to the output bias). Single entries of the four matrices say nothing about the model.
    *MLP, unembedding and learnt tables* have no linear layer in between to widen: there each weight is the sum of some
    of n random numbers, n parallel random edges of which some are cut, written as one weight. Biases, gains and fixed
    tables stay. n is the smallest that passes on search sequences.
    """

    version = 2
    kind = Kind.BEHAVIOURAL
    summary = (
        "a larger random network, pruned and never trained: wide masked attention, weights of summed random numbers"
    )
    needs = "no rotary positions"
    source = (
        "Wen et al. 2023, arXiv 2312.01429, section 3 (approximation by pruning); Pensia et al. 2020, arXiv 2006.07990"
    )

    def not_applicable(self, model: CanonicalTransformer) -> str | None:
        """Wider queries and keys must meet as the old ones did."""
        if model.architecture.positions == "rotary":
            return "rotary positions turn queries and keys before they meet, so their product cannot be widened"
        return None

    def transform(self, request: TransformRequest) -> Transformed:
        """The pruned network; the parameters report its widths, n, and the share of random numbers kept."""
        model, generator, progress = request.model, request.generator, request.progress
        kept: dict[int, Kept] = {}

        def next_rung(attempts: Sequence[Attempt]) -> Rung | None:
            number = len(attempts)

            def make(
                _before: CanonicalTransformer | None, own: np.random.Generator, report: Progress
            ) -> CanonicalTransformer:
                report(0.0, "choosing which random numbers to keep")
                twin, kept[number] = pruned(model, SAMPLES[number], own)
                return twin.float()

            return Rung(f"{SAMPLES[number]} random numbers for each weight", 0, make) if number < len(SAMPLES) else None

        best = climb(next_rung, model, budget=0, generator=generator, progress=progress)
        blocks = best.model.architecture.blocks
        numbers = kept[best.chosen]
        found: dict[str, Json] = {
            "samples_per_weight": SAMPLES[best.chosen],
            "query_width": [block.query_width for block in blocks],
            "value_width": [block.value_width for block in blocks],
            "random_numbers": numbers.numbers,
            "kept": numbers.kept / numbers.numbers,
        }
        return Transformed(best.model, parameters={**found, **best.to_json()})


@torch.no_grad()
def pruned(
    model: CanonicalTransformer, samples: int, generator: np.random.Generator
) -> tuple[CanonicalTransformer, Kept]:
    """The pruned random network with so many random numbers for each weight."""
    twin = model.clone(architecture=_widened(model.architecture, samples), dtype=torch.float64)
    widened = ("W_Q", "W_K", "W_V", "W_O", "b_Q", "b_K", "b_V", "b_O")
    kept, ours = Kept(), twin.state_dict()
    for name, weight in model.state_dict().items():
        leaf = name.rsplit(".", 1)[-1]
        if leaf in widened:
            continue
        is_learnt = leaf in PARALLEL or (leaf in ("W_E", "W_pos") and model.architecture.embedding_trained)
        if is_learnt and bool(weight.any()):
            sums, more = parallel_sums(weight, samples, generator)
            ours[name].copy_(sums)
            kept += more
        else:
            ours[name].copy_(weight)
    for old, new in zip(model.attentions, twin.attentions, strict=True):
        kept += _attend(old, new, samples, generator)
    return twin, kept


def _widened(architecture: Architecture, samples: int) -> Architecture:
    """Hidden widths of n units for each feature, and an output map in any case."""
    width = architecture.model_width
    blocks = tuple(
        replace(block, query_width=samples * (width + 1), value_width=samples * width) for block in architecture.blocks
    )
    return replace(architecture, blocks=blocks, output_map=True)


def _attend(old: Attention, new: Attention, samples: int, generator: np.random.Generator) -> Kept:
    """Fill the wide attention, head by head."""
    W_O, b_O = _output(old)
    new_W_O, new_b_O = new.output
    kept, biases = Kept(), [new.b_Q, new.b_K, new.b_V]
    for bias in biases:
        bias.zero_()
    new_b_O.copy_(b_O + torch.einsum("hv,hvm->m", old.b_V, W_O))
    for head in range(old.W_Q.shape[1]):
        asked = torch.cat([old.W_Q[:, head], old.b_Q[head][None]])  # [feature or bias, query_width]
        scores = asked @ old.W_K[:, head].T * (old.scale / new.scale)
        first, second, numbers = two_layer_linear(scores, samples, generator)
        new.W_Q[:, head], new.b_Q[head] = first[:-1], first[-1]
        new.W_K[:, head] = second.T
        kept += numbers
        first, second, numbers = two_layer_linear(old.W_V[:, head] @ W_O[head], samples, generator)
        new.W_V[:, head], new_W_O[head] = first, second
        kept += numbers
    return kept


def _output(attention: Attention) -> tuple[Tensor, Tensor]:
    """The output map and its bias; without one, that which puts the heads side by side."""
    if attention.W_O is not None:
        return attention.output
    heads, width = attention.b_V.shape
    side_by_side = torch.eye(heads * width, dtype=attention.W_V.dtype).view(heads, width, heads * width)
    return side_by_side, torch.zeros(heads * width, dtype=attention.W_V.dtype)
