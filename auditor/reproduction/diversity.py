"""How much the attention of equally good models differs: the paper's attention variation, beside random attention."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import torch
from torch import Tensor

from auditor.canonical.interventions import run_with_cache
from auditor.canonical.model import CanonicalTransformer
from auditor.canonical.sites import Site
from auditor.measures.balance import canonical_string
from auditor.reproduction.results import HeatMaps, Variation

DIGITS = 4
"""Of a drawn weight."""


def dirichlet_baseline(tokens: int, *, causal: bool) -> float:
    """E‖A − A′‖²_F of two attention matrices whose rows are independent and uniform on the simplex.

    A weight of a Dirichlet(1, …, 1) row over n keys has variance (n − 1)/(n²(n + 1)), so a row adds
    2(n − 1)/(n(n + 1)). Causal: Σ over n = 1 … tokens; else every row has n = tokens.
    """
    rows = range(1, tokens + 1) if causal else [tokens] * tokens
    return sum(2 * (n - 1) / (n * (n + 1)) for n in rows)


@torch.no_grad()
def canonical_patterns(model: CanonicalTransformer) -> tuple[Tensor, ...]:
    """Attention of each layer on START (a^D a)^D …, [head, query, key]."""
    tokens = torch.tensor([canonical_string(model.task)])
    _, cache = run_with_cache(model, tokens, sites=(Site.PATTERN,))
    return tuple(cache[Site.PATTERN, layer][0] for layer in range(model.architecture.layers))


def variation(first: Tensor, second: Tensor) -> float:
    """‖A − A′‖²_F summed over the heads of a layer."""
    return float((first.double() - second.double()).square().sum())


def variations(family: str, models: Sequence[CanonicalTransformer]) -> tuple[Variation, ...]:
    """One for each layer, over all pairs of models; none for a single model."""
    patterns = [canonical_patterns(model) for model in models]
    found = []
    for layer in range(models[0].architecture.layers if len(models) > 1 else 0):
        all_ = [variation(a[layer], b[layer]) for a, b in combinations(patterns, 2)]
        tokens = patterns[0][layer].shape[-1]
        found.append(
            Variation(family, layer, tokens, len(models), len(all_), sum(all_) / len(all_), min(all_), max(all_))
        )
    return tuple(found)


def most_different(models: Mapping[str, CanonicalTransformer]) -> HeatMaps | None:
    """The pair of models, by name, whose last layers differ most; the first head is drawn."""
    if len(models) < 2:
        return None
    patterns = {name: canonical_patterns(model)[-1] for name, model in models.items()}
    first, second = max(combinations(patterns, 2), key=lambda pair: variation(patterns[pair[0]], patterns[pair[1]]))
    model = models[first]
    spellings = model.task.language.vocabulary.spellings
    return HeatMaps(
        names=(first, second),
        layer=model.architecture.layers - 1,
        variation=variation(patterns[first], patterns[second]),
        tokens=tuple(spellings[token] for token in canonical_string(model.task)),
        patterns=(_rounded(patterns[first][0]), _rounded(patterns[second][0])),
    )


def _rounded(pattern: Tensor) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(round(float(weight), DIGITS) for weight in row) for row in pattern)
