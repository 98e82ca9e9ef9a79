"""Random changes of basis for exact rewrites."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

LOG_STRETCH = 0.5
"""Standard deviation of the log singular values: condition numbers near 10, so that rewrites lose about one digit."""


@dataclass(frozen=True)
class Gauge:
    """An invertible matrix [width, width] and its inverse, each from the same factors."""

    matrix: Tensor
    inverse: Tensor


def random_invertible(width: int, generator: np.random.Generator, *, dtype: torch.dtype) -> Gauge:
    """U diag(s) Vᵀ with U, V Haar-random orthogonal and log s normal."""
    left, right = (_orthogonal(width, generator) for _ in range(2))
    stretch = np.exp(generator.normal(0.0, LOG_STRETCH, size=width))
    matrix = (left * stretch) @ right.T
    inverse = (right / stretch) @ left.T
    return Gauge(torch.from_numpy(matrix).to(dtype), torch.from_numpy(inverse).to(dtype))


def _orthogonal(width: int, generator: np.random.Generator) -> np.ndarray:
    """Haar-random: QR of a Gaussian matrix with the signs of R fixed (Mezzadri 2007)."""
    q, r = np.linalg.qr(generator.normal(size=(width, width)))
    return q * np.sign(np.diag(r))
