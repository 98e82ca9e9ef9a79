"""How unlike two sets of representations are, whatever basis each is written in.

X and Y [token, feature] with their means removed, each scaled to length 1:

    cka         1 − ‖XᵀY‖² / (‖XᵀX‖ ‖YᵀY‖), of Frobenius norms: linear CKA (Kornblith et al. 2019, arXiv 1905.00414,
                equation 4). ½ Σ (K − L)² of the similarity matrices K = XXᵀ and L = YYᵀ at length 1
    procrustes  1 − ‖XᵀY‖ of the nuclear norm: ½ Σ ‖x U − y V‖² after the best rotation (Schönemann 1966; Ding et al.
                2021, arXiv 2108.01661, section 3)

Both are 0 for the same up to rotation and scale, at most 1, and sums over tokens of squares: what the tokens of a
sequence add, times the number of sequences, is the sequence's share, and the mean of these is the distance. Scales and
rotations are those of all sequences.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

Distance = Callable[[Array, Array], Array]
"""Two sets [token, feature] → what each token adds, [token]."""


def _cka(x: Array, y: Array) -> Array:
    mine, both, its = x.T @ x, x.T @ y, y.T @ y
    a, b = np.linalg.norm(mine), np.linalg.norm(its)
    parts = (_forms(x, mine, x) / a**2, _forms(x, both, y) / (a * b), _forms(y, its, y) / b**2)
    added: Array = np.maximum(parts[0] - 2 * parts[1] + parts[2], 0.0) / 2
    return added


def _procrustes(x: Array, y: Array) -> Array:
    x, y = x / np.linalg.norm(x), y / np.linalg.norm(y)
    u, _, v = np.linalg.svd(x.T @ y)
    added: Array = np.square(x @ u - y @ v.T).sum(1) / 2
    return added


def _forms(left: Array, matrix: Array, right: Array) -> Array:
    form: Array = ((left @ matrix) * right).sum(1)
    return form


SIMILARITIES: Mapping[str, Distance] = {"cka": _cka, "procrustes": _procrustes}
"""Distances of representations by name."""


def unlikeness(distance: str, ours: Array, theirs: Array) -> Array:
    """Shares of the distance, [sequence, component], between representations [sequence, component, position, feature].

    Tokens that are 0 throughout are padding, for the mean is taken away before. A set that is 0 is unlike all but one
    that is 0 too.
    """
    sequences, components = ours.shape[:2]
    shares = np.zeros((sequences, components))
    for component in range(components):
        x, y = (a[:, component].reshape(-1, a.shape[-1]) for a in (ours, theirs))
        if x.any() and y.any():
            added = SIMILARITIES[distance](x, y).reshape(sequences, -1)
            shares[:, component] = added.sum(1) * sequences
        elif x.any() or y.any():
            shares[:, component] = 1.0
    return shares
