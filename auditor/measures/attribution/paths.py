"""The paths along which gradients are integrated: token vectors, each layer's z, and neurons on the way of the tokens.

At the points of a path one backward pass gives the gradient, and what is kept of it is its product with the direction
of the path: one number per position, head or neuron.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import torch
import torch.autograd.forward_ad as forward_mode
from torch import Tensor

from auditor.canonical.sites import Site
from auditor.measures.attribution.quadrature import Path, Samples
from auditor.measures.attribution.score import Explained
from auditor.tensors import Residual


def token_path(batch: Explained, start: Residual) -> Path:
    """Values [point, position]: Σ over features of (x − x₀) · ∂score/∂x at x₀ + t (x − x₀), x₀ being ``start``."""
    step = batch.vectors - start

    def at(row: Tensor, t: Tensor) -> Samples:
        with torch.enable_grad():
            point = (start[row] + t[:, None, None] * step[row]).requires_grad_()
            score = batch.of_vectors(point, row)
        share = (step[row] * torch.autograd.grad(score.sum(), point)[0]).sum(2)
        return Samples(score.detach(), share.sum(1), share, share)

    return at


@torch.no_grad()
def head_paths(batch: Explained) -> Sequence[Path]:
    """One path per layer. Values [point, head]: Σ over positions and d_v of (z − z₀) · ∂score/∂z at z₀ + t (z − z₀).

    z₀ is the z of the blank input; what goes past the heads of the layer is that of the input itself. Only what comes
    after the heads is run.
    """
    sites: dict[tuple[Site, int, bool], Tensor] = {}
    for is_blank, tokens in enumerate((batch.tokens, batch.blank_tokens)):

        def keep(site: Site, layer: int, value: Tensor, is_blank: bool = bool(is_blank)) -> Tensor:
            if site in (Site.RESIDUAL, Site.Z):
                sites[site, layer, is_blank] = value
            return value

        batch.of_tokens(tokens, batch.row, keep)
    layers = range(batch.model.architecture.layers)
    ends = [(sites[Site.Z, layer, True], sites[Site.Z, layer, False]) for layer in layers]
    return [_head_path(batch, layer, sites[Site.RESIDUAL, layer, False], *ends[layer]) for layer in layers]


def _head_path(batch: Explained, layer: int, entering: Residual, start: Tensor, end: Tensor) -> Path:
    step, block = end - start, batch.model.block(layer)

    def at(row: Tensor, t: Tensor) -> Samples:
        with torch.enable_grad():
            z = (start[row] + t[:, None, None, None] * step[row]).requires_grad_()
            x = block.mlp_half(block.add_attention(entering[row], block.attention.write(z)))
            score = batch.of_residual(x, row, layer + 1)
        share = (step[row] * torch.autograd.grad(score.sum(), z)[0]).sum(3)
        return Samples(score.detach(), share.sum((1, 2)), share.sum(2), share.sum(1))

    return at


def neuron_path(batch: Explained) -> Path:
    """Values [point, 2 · neuron]: ∂score/∂a · da/dt summed over positions, then ∂score/∂a summed over positions.

    The token vectors go from the blank input to the real one; da/dt is exact (forward mode). The parts watched are the
    flows through the neurons of a layer at a position.
    """
    start, step = batch.blank_vectors, batch.vectors - batch.blank_vectors

    def at(row: Tensor, t: Tensor) -> Samples:
        vectors = start[row] + t[:, None, None] * step[row]
        score, slope, speeds = _forward_mode(batch, vectors, step[row], row)
        slopes = _neuron_slopes(batch, vectors, row)
        flows = [gradient * speed for gradient, speed in zip(slopes, speeds, strict=True)]
        watched = torch.cat([flow.sum(2) for flow in flows], dim=1)
        values = torch.cat([part.sum(1) for part in (*flows, *slopes)], dim=1)
        return Samples(score, slope, watched, values)

    return at


@torch.no_grad()
def _forward_mode(
    batch: Explained, vectors: Residual, step: Residual, row: Tensor
) -> tuple[Tensor, Tensor, list[Tensor]]:
    """The score, its derivative along ``step``, and those of the neurons of each layer, [point, position, neuron]."""
    speeds: list[Tensor] = []

    def keep(site: Site, _layer: int, value: Tensor) -> Tensor:
        if site is Site.NEURON:
            speeds.append(_derivative(value))
        return value

    with warnings.catch_warnings(), forward_mode.dual_level():
        warnings.filterwarnings("ignore", "`torch.jit.script` is deprecated")  # PyTorch's own call, at the first use
        moving: Tensor = forward_mode.make_dual(vectors, step)  # type: ignore[no-untyped-call]
        found = batch.of_vectors(moving, row, keep)
        score: Tensor = forward_mode.unpack_dual(found).primal  # type: ignore[no-untyped-call]
        return score, _derivative(found), speeds


def _derivative(value: Tensor) -> Tensor:
    """dvalue/dt; 0 of what does not depend on t."""
    tangent: Tensor | None = forward_mode.unpack_dual(value).tangent  # type: ignore[no-untyped-call]
    return torch.zeros_like(value) if tangent is None else tangent


def _neuron_slopes(batch: Explained, vectors: Residual, row: Tensor) -> tuple[Tensor, ...]:
    """∂score/∂a of each layer, [point, position, neuron]; later layers answer to changes of earlier ones."""
    nudges: list[Tensor] = []

    def nudge(site: Site, _layer: int, value: Tensor) -> Tensor:
        if site is not Site.NEURON:
            return value
        nudges.append(torch.zeros_like(value, requires_grad=True))
        return value + nudges[-1]

    with torch.enable_grad():
        score = batch.of_vectors(vectors, row, nudge).sum()
    return torch.autograd.grad(score, nudges)
