"""Interchange interventions on a subspace of the residual stream that is learned (distributed alignment search).

In the run on the corrupt input the stream at the positions read takes the clean input's part in a subspace U:

    x_corrupt + (x_clean − x_corrupt) U Uᵀ

If U holds the type on top of the stack, the model now prefers the clean type's closing bracket there. U starts at the
principal directions of the differences x_clean − x_corrupt and climbs the mean log σ(margin of the clean type) in
steps of fixed length on the sphere, so that no change of basis changes it. Each fold of the sequences is judged by the
subspace learned on the other one. Geiger et al. 2024, arXiv 2303.02536, section 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from auditor.behaviour.effects import mean_where
from auditor.behaviour.input_batch import InputBatch
from auditor.canonical.model import CanonicalTransformer
from auditor.measures.patching.pairs import type_margins
from auditor.measures.patching.runs import SharedPairs
from auditor.measures.streams import stream_components, streams_and_writes
from auditor.tensors import Residual

Array = NDArray[np.float64]

STEPS = 20

FIRST_STEP = 0.3
"""Length of the first step, radians; it falls to nothing linearly."""

SMALLEST_DIFFERENCE = 1e-9
"""Length of the differences, beside the stream, below which the two inputs do not differ there."""


@dataclass(frozen=True)
class Piece:
    """Pairs that run together at one place of the model."""

    part: InputBatch  # clean types, read at ``scored``
    corrupt: InputBatch
    base: Residual
    change: Residual  # to the clean input's stream, 0 where nothing is read
    folds: Tensor  # [sequence]
    rows: Tensor


def interchange_accuracy(pairs: SharedPairs, folds: NDArray[np.int64], width: int) -> tuple[Array, dict[int, str]]:
    """Share of the positions read at which the clean type is preferred after the interchange, [sequence, component].

    For each of the stream components, with subspaces of ``width`` directions. With the components that have none.
    """
    model = pairs.clean.model
    components = stream_components(model)
    values = np.full((len(folds), len(components)), np.nan)
    undefined: dict[int, str] = {}
    for layer in range(len(components)):
        pieces = _pieces(pairs, torch.from_numpy(folds), layer)
        if not all(_differ(pieces, fold) for fold in (0, 1)):
            undefined[layer] = "the two inputs do not differ there at the positions read"
            continue
        for fold in (0, 1):
            subspace = _learned(model, [_only(piece, 1 - fold) for piece in pieces], layer, width)
            for piece in (_only(piece, fold) for piece in pieces):
                with torch.no_grad():
                    is_clean = (_margins(model, piece, layer, subspace) > 0).to(piece.base)
                values[piece.rows.numpy(), layer] = mean_where(is_clean, piece.part.scored).numpy()
    return values, undefined


@torch.no_grad()
def _pieces(pairs: SharedPairs, folds: Tensor, layer: int) -> list[Piece]:
    """The streams that enter ``layer``, or leave the last where that is their number."""
    component, found = stream_components(pairs.clean.model)[layer], []
    for clean, corrupt in zip(pairs.clean.pieces(), pairs.corrupt.pieces(), strict=True):
        source, base = (streams_and_writes(pairs.clean.model, one)[component] for one in (clean, corrupt))
        change = (source - base) * clean.part.scored[:, :, None]
        found.append(Piece(clean.part, corrupt.part, base, change, folds[clean.rows], clean.rows))
    return found


def _only(piece: Piece, fold: int) -> Piece:
    """The sequences of one fold, as wide as they were."""
    index = (piece.folds == fold).nonzero().flatten()
    names = ("tokens", "not_padding", "scored", "depth", "stack_top_type", "opener")
    part, corrupt = (
        InputBatch(task=one.task, **{name: getattr(one, name)[index] for name in names})
        for one in (piece.part, piece.corrupt)
    )
    return Piece(part, corrupt, piece.base[index], piece.change[index], piece.folds[index], piece.rows[index])


def _differ(pieces: Sequence[Piece], fold: int) -> bool:
    used = [_only(piece, fold) for piece in pieces]
    change, base = (
        sum(float(x.square().sum()) for x in xs) for xs in ([p.change for p in used], [p.base for p in used])
    )
    return change > SMALLEST_DIFFERENCE**2 * base


def _learned(model: CanonicalTransformer, pieces: Sequence[Piece], layer: int, width: int) -> Tensor:
    """The subspace as an orthonormal basis [model, direction]."""
    gram = torch.stack([torch.einsum("bpm,bpn->mn", piece.change, piece.change) for piece in pieces]).sum(0)
    basis: Tensor = torch.linalg.eigh(gram.double()).eigenvectors[:, -width:].to(gram)
    for step in range(STEPS):
        slope = torch.zeros_like(basis)
        for piece in pieces:
            with torch.enable_grad():
                here = basis.clone().requires_grad_(True)
                gains = mean_where(F.logsigmoid(_margins(model, piece, layer, here)), piece.part.scored)
                slope += torch.autograd.grad(gains.sum(), here)[0]
        slope -= basis @ (basis.T @ slope)
        size = float(slope.norm())
        if size == 0.0:
            break
        turned = basis + FIRST_STEP * (1 - step / STEPS) / size * slope
        basis = torch.linalg.qr(turned).Q
    return basis


def _margins(model: CanonicalTransformer, piece: Piece, layer: int, basis: Tensor) -> Tensor:
    """Margins of the clean type after the interchange, [sequence, position]."""
    x, tokens = piece.base + piece.change @ basis @ basis.T, piece.corrupt.tokens
    is_last = layer == model.architecture.layers
    logits = model.read(x, tokens) if is_last else model.run_from(x, tokens, layer, fast=True)
    return type_margins(piece.part, logits)
