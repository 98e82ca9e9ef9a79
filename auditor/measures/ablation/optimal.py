"""Optimal ablation: the constant with the smallest effect, found so that no change of basis of z can change the answer.

The loss need not be convex: what is found is the minimum that the search reaches from the mean. Constants are searched
among those that the head's own outputs span (affinely): elsewhere no scale of z is the same in every basis.

BFGS in coordinates in which z has covariance 1, from the mean of z. An invertible linear map of z turns these
coordinates by a rotation, under which BFGS with steps 1, ½, ¼ … is invariant; a shift of z shifts the
start with it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from auditor.canonical.sites import Site
from auditor.measures.ablation.continuation import Continuation, continuation
from auditor.measures.ablation.edits import edited_logits
from auditor.measures.ablation.effects import EFFECTS
from auditor.measures.ablation.sweep import Reading, Substitute
from auditor.measures.untouched import Untouched

KL = EFFECTS["kl"]

FIT_SEQUENCES = 64
"""Sequences that the constant is fitted on, the first of the inputs; it has only value_width numbers."""

STEPS = 30
SMALLEST_GAIN = 1e-8
"""Nats of expected gain at which a search ends."""

HALVINGS = 20
SUFFICIENT = 1e-4
"""Share of the gain that the slope promises which a step must bring (Armijo 1966)."""

DEPENDENT = 1e-10
"""A variance below this share of the largest counts as zero: z does not move in that direction."""

Loss = Callable[[Tensor], tuple[Tensor, Tensor]]
"""Points [problem, coordinate] → their losses [problem] and the gradients there."""


def optimal(untouched: Untouched) -> Substitute:
    """For each head the constant z of least mean KL(untouched ‖ ablated) around its mean, fitted in float64."""
    model, inputs = untouched.model, untouched.inputs
    exact = model.clone(dtype=torch.float64).requires_grad_(False)
    few = Untouched(exact, inputs.rows(slice(0, min(FIT_SEQUENCES, len(inputs)))))
    readings = []
    for piece in few.pieces():
        where = KL.outputs(exact, piece.part)
        run = continuation(exact, piece, where)
        readings.append((run, piece.part.not_padding, Reading.of(piece.part, where, KL)))
    values = [_best(readings, layer).to(model.dtype) for layer in range(exact.architecture.layers)]
    return lambda _rows, _length: values


Fitted = Sequence[tuple[Continuation, Tensor, Reading]]
"""The untouched passes, where their tokens are, and how their outputs are scored."""


def _best(fitted: Fitted, layer: int) -> Tensor:
    """The constants of one layer's heads, [head, value_width]; all heads are searched at once, each on its own."""
    z = torch.cat([run.cache[Site.Z, layer][not_padding] for run, not_padding, _ in fitted])
    mean, spread = z.mean(0), torch.stack([_spread(z[:, head]) for head in range(z.shape[1])])
    units = torch.arange(z.shape[1])
    sequences = sum(reading.sequences for _, _, reading in fitted)

    def constants(points: Tensor) -> Tensor:
        return mean + torch.einsum("hd,hdv->hv", points, spread)

    def loss(points: Tensor) -> tuple[Tensor, Tensor]:
        with torch.enable_grad():
            points = points.detach().requires_grad_()
            total = points.new_zeros(len(points))
            for run, _, reading in fitted:
                logits = edited_logits(run, Site.Z, layer, units, constants(points))
                total = total + reading.per_sequence(run.untouched, logits).sum(1)
            (slopes,) = torch.autograd.grad(total.sum() / sequences, points)
        return total.detach() / sequences, slopes

    return constants(minimise(loss, z.new_zeros(mean.shape)))


def _spread(z: Tensor) -> Tensor:
    """Rows S [value_width, value_width] with SᵀS the covariance of ``z``; 0 where it does not move."""
    centred = z - z.mean(0)
    variance, directions = torch.linalg.eigh(centred.T @ centred / len(z))
    moves = variance > DEPENDENT * variance.max()
    rows: Tensor = torch.where(moves, variance, 0.0).sqrt()[:, None] * directions.T
    return rows


def minimise(loss: Loss, points: Tensor) -> Tensor:
    """BFGS on many problems at once, from inverse Hessians of 1, with a backtracking line search.

    Nocedal & Wright 2006, algorithms 3.1 and 6.1. A problem that is solved is not changed any more.
    """
    losses, slopes = loss(points)
    inverse = torch.eye(points.shape[1], dtype=points.dtype).repeat(len(points), 1, 1)
    for _ in range(STEPS):
        directions = -torch.einsum("pij,pj->pi", inverse, slopes)
        promised = -(slopes * directions).sum(1)
        open_problems = promised >= SMALLEST_GAIN
        steps, found = _line_search(loss, points, losses, directions, promised, open_problems)
        if not bool((steps > 0).any()):
            break
        moved = steps[:, None] * directions
        inverse = _updated(inverse, moved, torch.where(steps[:, None] > 0, found[1] - slopes, 0.0))
        points, losses, slopes = points + moved, found[0], found[1]
    return points


def _line_search(
    loss: Loss, points: Tensor, losses: Tensor, directions: Tensor, promised: Tensor, searching: Tensor
) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """Per problem the first of the steps 1, ½, ¼ … that brings enough (0 if none does), and what ``loss`` is there."""
    steps = searching.to(points.dtype)
    for _ in range(HALVINGS):
        found = loss(points + steps[:, None] * directions)
        enough = found[0] <= losses - SUFFICIENT * steps * promised
        if bool((enough | (steps == 0)).all()):
            return steps, found
        steps = torch.where(enough, steps, steps / 2)
    steps = torch.where(enough, steps, 0.0)
    return steps, loss(points + steps[:, None] * directions)


def _updated(inverse: Tensor, moved: Tensor, bent: Tensor) -> Tensor:
    """The BFGS updates; left out where the loss is not curved upwards along the step."""
    curvature = (moved * bent).sum(1)[:, None, None]
    safe = torch.where(curvature > 0, curvature, 1.0)
    keep = torch.eye(moved.shape[1], dtype=moved.dtype) - moved[:, :, None] * bent[:, None, :] / safe
    updated = keep @ inverse @ keep.mT + moved[:, :, None] * moved[:, None, :] / safe
    return torch.where(curvature > 0, updated, inverse)
