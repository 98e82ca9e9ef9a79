"""Models that compute one function while the scores of a head are set to chosen values.

A head that is split in two parts with shares s and 1 − s of its W_O keeps the function for every s: moving s moves the
ablation and attribution scores of each part, by any amount. A pair of heads that cancels may attend anywhere: moving
its queries moves its attention and nothing else. Both are exact symmetries of a widened model (Net2WiderNet, Chen et
al. 2016, arXiv 1511.05641; zero-type neurons, Simsek et al. 2021, arXiv 2105.12221).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import Transformed
from auditor.records import Component, Relabelling
from auditor.records.axes import HEAD
from auditor.symmetries.widening import extended, random_like, share_with_last, widened

BASE_SHARE = 0.6
"""What the first part of a split head keeps in the planted original: it leads the second part."""

SHARES: Mapping[str, float] = {
    "share 0.60": 0.60,
    "share 0.59": 0.59,
    "share 0.58": 0.58,
    "share 0.57": 0.57,
    "share 0.56": 0.56,
    "share 0.55": 0.55,
    "share 0.54": 0.54,
    "share 0.53": 0.53,
    "share 0.52": 0.52,
    "share 0.50": 0.50,
    "share 0.45": 0.45,
    "share 0.40": 0.40,
    "share 0.35": 0.35,
    "share 0.30": 0.30,
    "share 0.20": 0.20,
}
"""The ladder: from no move over moves around the smallest effect of interest to another part in the lead."""

TURNS: Mapping[str, float] = {
    "turn 0.00": 0.0,
    "turn 0.05": 0.05,
    "turn 0.10": 0.10,
    "turn 0.20": 0.20,
    "turn 0.40": 0.40,
    "turn 1.00": 1.0,
}
"""The ladder of attention: how much of the decoy pair's queries is replaced by other random ones."""


@dataclass(frozen=True)
class Ladder:
    """A planted original and twins of one function, by name of the rung."""

    original: CanonicalTransformer
    rungs: Mapping[str, Transformed]


def share_ladder(model: CanonicalTransformer, head: Component, generator: np.random.Generator) -> Ladder:
    """One head of the model split in two; the rungs move the shares, add decoy heads, or round all weights."""
    original = _split(model, head, BASE_SHARE)
    rungs = {name: Transformed(_split(model, head, share)) for name, share in SHARES.items()}
    rungs["decoys"] = _with_decoys(original, generator)
    rungs["half precision"] = Transformed(original.clone(dtype=torch.float16).to(original.dtype))
    return Ladder(original, rungs)


def attention_ladder(model: CanonicalTransformer, layer: int, generator: np.random.Generator) -> Ladder:
    """A cancelling pair added to one layer; the rungs turn its queries towards other ones."""
    original = _with_pair(model, layer, generator)
    attention = original.attentions[layer]
    width, _, d_k = attention.W_Q.shape
    elsewhere = random_like(attention.W_Q, (width, 1, d_k), generator)
    rungs = {}
    for name, turn in TURNS.items():
        twin = original.clone()
        with torch.no_grad():
            queries = twin.attentions[layer].W_Q
            queries[:, -2:] = math.sqrt(1.0 - turn) * queries[:, -2:] + math.sqrt(turn) * elsewhere
        rungs[name] = Transformed(twin)
    return Ladder(original, rungs)


def _with_decoys(model: CanonicalTransformer, generator: np.random.Generator) -> Transformed:
    """A cancelling pair in each layer, which corresponds to no head of the original."""
    counts = [block.heads for block in model.architecture.blocks]
    twin = model
    for layer in range(len(counts)):
        twin = _with_pair(twin, layer, generator)
    return Transformed(twin, Relabelling({HEAD: extended(counts, [[None, None]] * len(counts))}))


@torch.no_grad()
def _split(model: CanonicalTransformer, head: Component, share: float) -> CanonicalTransformer:
    more = [int(layer == head.layer) for layer in range(model.architecture.layers)]
    twin = widened(model, heads=more)
    share_with_last(twin.attentions[head.layer], head.head or 0, kept=share, given=1.0 - share)
    return twin


@torch.no_grad()
def _with_pair(model: CanonicalTransformer, layer: int, generator: np.random.Generator) -> CanonicalTransformer:
    more = [2 * int(index == layer) for index in range(model.architecture.layers)]
    twin = widened(model, heads=more)
    attention = twin.attentions[layer]
    for name in ("W_Q", "W_K", "W_V"):
        weight = getattr(attention, name)
        weight[:, -2:] = random_like(weight, (weight.shape[0], 1, weight.shape[2]), generator)
    W_O, _ = attention.output
    W_O[-2] = random_like(W_O, tuple(W_O.shape[1:]), generator)
    W_O[-1] = -W_O[-2]
    return twin
