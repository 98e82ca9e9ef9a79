"""Of all weights that give a model's function, those nearest to another model's: heads and neurons in its bases.

For two models of one architecture whose components and streams already correspond. Only freedoms that multiply are
fixed here. Constants that add (key biases, a mean that LayerNorm removes, a shift of all logits) stay what they are in
any weighted mean of two models.
"""

from __future__ import annotations

import torch
from torch import Tensor

from auditor.canonical.model import Attention, CanonicalTransformer
from auditor.canonical.rotary import Rotary
from auditor.symmetries.gauge_fixing.balance import balanced

LARGEST_CONDITION = 1e4
"""Condition number of a basis above which it is not taken over: four digits would be lost."""


@torch.no_grad()
def take_over_gauges(student: CanonicalTransformer, model: CanonicalTransformer) -> None:
    """Change the student's gauges in place; its function stays.

    Values without an output map stay, and neurons that are not ReLU.
    """
    for ours, theirs in zip(student.attentions, model.attentions, strict=True):
        _queries_and_keys(ours, theirs)
        if ours.W_O is not None:
            _values_and_outputs(ours, theirs)
    if model.architecture.activation == "relu":
        for mine, its in zip(student.mlps, model.mlps, strict=True):
            lengths = [torch.cat([mlp.W_in, mlp.b_in[None]]).norm(dim=0) for mlp in (mine, its)]
            scale = torch.where(lengths[0] * lengths[1] > 0, lengths[1] / lengths[0], torch.ones_like(lengths[0]))
            mine.W_in.mul_(scale)
            mine.b_in.mul_(scale)
            mine.W_out.div_(scale[:, None])


def _queries_and_keys(ours: Attention, theirs: Attention) -> None:
    """Key biases add the same to a whole row of scores: where nothing is turned they may be the other model's."""
    turned = 0 if ours.rotary is None else ours.rotary.width
    ours.b_K[:, turned:] = theirs.b_K[:, turned:]
    for head in range(len(ours.b_Q)):
        asked, wanted = (torch.cat([one.W_Q[:, head], one.b_Q[head][None]]) for one in (ours, theirs))
        if ours.rotary is not None:
            key, near = (torch.cat([one.W_K[:, head], one.b_K[head][None]]) for one in (ours, theirs))
            _take_over_pairs((asked, key), (wanted, near), ours.rotary)
            ours.W_K[:, head], ours.b_K[head] = key[:-1], key[-1]
        asked[:, turned:], answered = nearest_factors(
            asked[:, turned:], ours.W_K[:, head, turned:].T, wanted[:, turned:], theirs.W_K[:, head, turned:].T
        )
        ours.W_Q[:, head], ours.b_Q[head], ours.W_K[:, head, turned:] = asked[:-1], asked[-1], answered.T


def _take_over_pairs(ours: tuple[Tensor, Tensor], theirs: tuple[Tensor, Tensor], rotary: Rotary) -> None:
    """Scale and turn each pair of features that rotary positions turn, in place; a pair that is 0 stays.

    Both are (query, key) [row, feature]. In the plane of a pair, as complex numbers, the query is multiplied by s·t and
    the key by t/s with |t| = 1.
    """
    for pair in zip(*rotary.planes(), strict=True):
        mine, its = ([torch.complex(side[:, pair[0]], side[:, pair[1]]) for side in one] for one in (ours, theirs))
        lengths = torch.stack([side.norm() for side in (*mine, *its)])
        turn = torch.vdot(mine[0], its[0])
        if not bool(lengths.min() > 0) or not bool(turn.abs() > 0):
            continue
        turn = turn / turn.abs()
        scale = (lengths[2] / lengths[0] * lengths[1] / lengths[3]).sqrt()
        for side, values in zip(ours, (mine[0] * turn * scale, mine[1] * turn / scale), strict=True):
            side[:, pair[0]], side[:, pair[1]] = values.real, values.imag


def _values_and_outputs(ours: Attention, theirs: Attention) -> None:
    """Rows of attention sum to 1, so that the value bias may be the other model's: b_O takes the difference."""
    (W_O, b_O), (wanted, _) = ours.output, theirs.output
    for head in range(len(ours.b_V)):
        b_O += ours.b_V[head] @ W_O[head]
        value, output = nearest_factors(ours.W_V[:, head], W_O[head], theirs.W_V[:, head], wanted[head])
        ours.W_V[:, head], W_O[head] = value, output
        b_O -= theirs.b_V[head] @ output
    ours.b_V.copy_(theirs.b_V)


def nearest_factors(left: Tensor, right: Tensor, near_left: Tensor, near_right: Tensor) -> tuple[Tensor, Tensor]:
    """Two factors with the product of ``left`` [a, width] and ``right`` [width, b], near to two others.

    Both pairs are balanced (each factor has the roots of the singular values); an orthogonal map between the balanced
    pairs (Procrustes, Schönemann 1966) is followed by the one that leads from the balanced other pair to that pair as
    it stands, T: near_left T = its balanced left factor. Where T is ill conditioned the factors stay balanced.
    """
    if not left.shape[1]:
        return left, right
    balanced_left, balanced_right = balanced(left, right)
    other_left, other_right = balanced(near_left, near_right)
    turn = procrustes(torch.cat([balanced_left, balanced_right.T]), torch.cat([other_left, other_right.T]))
    balanced_left, balanced_right = balanced_left @ turn, turn.T @ balanced_right
    basis = torch.linalg.pinv(near_left) @ other_left
    sizes = torch.linalg.svdvals(basis)
    if not bool(sizes[0] < LARGEST_CONDITION * sizes[-1]):
        return balanced_left, balanced_right
    return torch.linalg.solve(basis.T, balanced_left.T).T, basis @ balanced_right


def procrustes(rows: Tensor, wanted: Tensor) -> Tensor:
    """The orthogonal matrix O that minimises ‖rows O − wanted‖; both [row, width]."""
    left, _, right = torch.linalg.svd(rows.T @ wanted)
    found: Tensor = left @ right
    return found
