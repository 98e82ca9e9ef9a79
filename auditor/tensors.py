"""The axis dictionary, the shape aliases built from it, and the numeric tolerances.

    batch       sequences run together                    sequence    the same, once scores are collected
    position    tokens of an input                        query, key  the two positions of an attention weight
    vocabulary  token ids                                 class       outputs of a classifier
    layer       blocks, 0 is next to the embedding        head        attention heads, flat over layers in reports
    neuron      hidden units of an MLP                    model       the residual stream
    query_width d_k, width of a query or key              value_width d_v, width of a value

Weights multiply row vectors from the right: ``y = x @ W + b``, input axis first.
"""

from __future__ import annotations

from typing import TypeAlias

from jaxtyping import Bool, Float, Int64
from torch import Tensor

Tokens: TypeAlias = Int64[Tensor, "batch position"]
Logits: TypeAlias = Float[Tensor, "batch *position vocabulary"]
Residual: TypeAlias = Float[Tensor, "batch position model"]
Mask: TypeAlias = Bool[Tensor, "*batch query key"]

EXACT_LOGITS = 1e-9
"""max|Δlogit| in float64 under an exact symmetry. 1e-12 to 1e-15 is usual; large gauges lose a few digits."""
