"""A product of two matrices as the same product of two balanced ones."""

from __future__ import annotations

import torch
from torch import Tensor

from auditor.canonical.rotary import Rotary

TILT = 1e-3
"""Weight of later entries when the largest one is sought: exact ties of ±v go to the first."""


def balanced(left: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
    """U√S and √S Vᵀ with U S Vᵀ = left @ right; left [a, width], right [width, b].

    Singular values descend, the largest entry of each row of √S Vᵀ is positive, and what the rank cannot fill is 0.
    """
    q_left, r_left = torch.linalg.qr(left)
    q_right, r_right = torch.linalg.qr(right.T)
    u, s, vh = torch.linalg.svd(r_left @ r_right.T, full_matrices=False)
    u, v = q_left @ u, q_right @ vh.T
    sign = _signs(v)
    root = s.sqrt()
    new_left, new_right = torch.zeros_like(left), torch.zeros_like(right)
    new_left[:, : len(s)] = u * sign * root
    new_right[: len(s)] = (v * sign * root).T
    return new_left, new_right


def balance_pairs(query: Tensor, key: Tensor, rotary: Rotary) -> None:
    """Scale and turn each pair of features of ``query`` and ``key`` [row, feature], in place.

    Both get one length, and the query's longest entry in the pair's plane points along the first feature. A pair that
    is 0 in either of them stays.
    """
    for pair in zip(*rotary.planes(), strict=True):
        asked, answered = (torch.complex(side[:, pair[0]], side[:, pair[1]]) for side in (query, key))
        lengths = asked.norm(), answered.norm()
        if not bool(lengths[0] > 0) or not bool(lengths[1] > 0):
            continue
        tilt = 1.0 - TILT * torch.arange(len(asked), dtype=query.dtype) / len(asked)
        longest = asked[(asked.abs() * tilt).argmax()]
        turn = longest.conj() / longest.abs()
        scale = (lengths[1] / lengths[0]).sqrt()
        for side, values in ((query, asked * turn * scale), (key, answered * turn / scale)):
            side[:, pair[0]], side[:, pair[1]] = values.real, values.imag


def _signs(columns: Tensor) -> Tensor:
    """+1 or −1 per column, the sign of its largest entry."""
    tilt = 1.0 - TILT * torch.arange(len(columns), dtype=columns.dtype) / len(columns)
    largest = (columns.abs() * tilt[:, None]).argmax(0)
    return torch.where(columns.gather(0, largest[None])[0] < 0, -1.0, 1.0).to(columns)
