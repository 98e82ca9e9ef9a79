"""Random changes of basis for exact rewrites."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from auditor.canonical.rotary import Rotary

LOG_STRETCH = 0.5
"""Standard deviation of the log singular values: condition numbers near 10, so that rewrites lose about one digit."""

DEPENDENT = 1e-10
"""A singular value below this share of the largest counts as zero."""


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


def random_commuting(width: int, rotary: Rotary, generator: np.random.Generator, *, dtype: torch.dtype) -> Gauge:
    """A random invertible matrix that commutes with the turning of every position.

    All pairs turn at speeds of their own, so within a pair it is a scaled rotation, a complex number; features that are
    not turned mix among themselves; nothing else may be different from 0.
    """
    matrix, inverse = np.zeros((width, width)), np.zeros((width, width))
    first, second = rotary.planes()
    size = np.exp(generator.normal(0.0, LOG_STRETCH, size=len(first)))
    angle = generator.uniform(0.0, 2.0 * np.pi, size=len(first))
    for table, scale, sign in ((matrix, size, 1.0), (inverse, 1.0 / size, -1.0)):
        table[first, first] = table[second, second] = scale * np.cos(angle)
        table[first, second], table[second, first] = (side * sign * scale * np.sin(angle) for side in (1.0, -1.0))
    if width > rotary.width:
        rest = random_invertible(width - rotary.width, generator, dtype=torch.float64)
        matrix[rotary.width :, rotary.width :] = rest.matrix.numpy()
        inverse[rotary.width :, rotary.width :] = rest.inverse.numpy()
    return Gauge(torch.from_numpy(matrix).to(dtype), torch.from_numpy(inverse).to(dtype))


def random_rotation(width: int, fixed: np.ndarray, generator: np.random.Generator, *, dtype: torch.dtype) -> Tensor:
    """A Haar-random orthogonal matrix [width, width] that leaves every row of ``fixed`` [count, width] where it is.

    With C an orthonormal basis of what is orthogonal to all of them: 1 + Cᵀ (O − 1) C, O random; O = −1 where C has
    one row.
    """
    complement = orthogonal_complement(width, fixed)
    free = len(complement)
    turned = -np.eye(1) if free == 1 else _orthogonal(free, generator)
    return torch.from_numpy(np.eye(width) + complement.T @ (turned - np.eye(free)) @ complement).to(dtype)


def orthogonal_complement(width: int, fixed: np.ndarray) -> np.ndarray:
    """An orthonormal basis [free, width] of all directions orthogonal to the rows of ``fixed`` [count, width]."""
    rows = np.vstack([fixed, np.zeros((1, width))])
    _, sizes, directions = np.linalg.svd(rows, full_matrices=True)
    rank = int((sizes > DEPENDENT * max(float(sizes.max()), 1.0)).sum())
    return directions[rank:]


def _orthogonal(width: int, generator: np.random.Generator) -> np.ndarray:
    """Haar-random: QR of a Gaussian matrix with the signs of R fixed (Mezzadri 2007)."""
    q, r = np.linalg.qr(generator.normal(size=(width, width)))
    return q * np.sign(np.diag(r))
