"""Which part of a logit a component writes directly: past every later layer, with the scale of each norm frozen.

With its scale frozen a norm is linear, and so is the path from a write along the residual stream to the logits. So
for a direction u [model] of the unembedding, u · logits-input is a sum over all writes w of w · r, where r is u pulled
back through the norms on the way::

    LayerNorm  y = (x − mean x) g / σ + b      pulls u back to  v − mean v,  v = u g / σ
    RMS norm   y = x g / ρ                     pulls u back to  u g / ρ

Where a residual is switched off the path of earlier writes ends, and r is 0 (Elhage et al. 2021; nostalgebraist 2020).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from auditor.canonical.interventions import Cache
from auditor.canonical.model import CanonicalTransformer
from auditor.canonical.sites import Site
from auditor.tensors import Residual


@dataclass(frozen=True)
class DirectPaths:
    """A direction of the logits as each write meets it, r [batch, position, model] by layer, and what is written."""

    attention: Mapping[int, Residual]
    mlp: Mapping[int, Residual]
    embedding: Residual
    cache: Cache  # of the same pass


def direct_paths(model: CanonicalTransformer, cache: Cache, direction: Residual) -> DirectPaths:
    """Pull ``direction`` [batch, position, model], on the normed side of the final norm, back to every write of a pass.

    ``cache`` holds RESIDUAL, ATTENTION_OUT and MLP_OUT, and whatever else is to be read.
    """
    attention, mlp = {}, {}
    last = model.architecture.layers - 1
    read = direction
    for layer in range(last, -1, -1):
        passed = _Passed(model, cache, layer)
        if layer == last:
            read = _pulled_back(model.final_norm, passed.leaves, read)
        if model.architecture.mlp != "none":
            mlp[layer] = _pulled_back(passed.norm("mlp_out"), passed.after_mlp, read)
            read = passed.before_mlp_half(mlp[layer])
        attention[layer] = _pulled_back(passed.norm("attention_out"), passed.after_attention, read)
        read = attention[layer] if model.architecture.attention_residual else torch.zeros_like(read)
    return DirectPaths(attention, mlp, read, cache)


class _Passed:
    """The stream at each norm of one block of a finished pass, in step with ``Layer.forward``."""

    def __init__(self, model: CanonicalTransformer, cache: Cache, layer: int) -> None:
        self.architecture, self.block = model.architecture, model.block(layer)
        x, a = cache[Site.RESIDUAL, layer], cache[Site.ATTENTION_OUT, layer]
        self.after_attention = x + a if self.architecture.attention_residual else a
        self.between = self.block.normed("attention_out", self.after_attention)
        self.leaves = self.between
        if self.architecture.mlp == "none":
            return
        f = cache[Site.MLP_OUT, layer]
        base = self.between
        if self.architecture.mlp_input_residual:
            base = self.block.normed("mlp_in", self.between) + self.between
        self.after_mlp = base + f if self.architecture.mlp_residual else f
        self.leaves = self.block.normed("mlp_out", self.after_mlp)

    def norm(self, site: str) -> nn.Module | None:
        """The norm of a site, or None."""
        return dict(self.block.norms.items()).get(site)

    def before_mlp_half(self, read: Residual) -> Residual:
        """``read`` at the MLP's output, pulled back past the MLP half."""
        zero = torch.zeros_like(read)
        to_base = read if self.architecture.mlp_residual else zero
        to_normed = read if self.block.mlp is None else zero  # an MLP is not linear: its own write is counted instead
        if self.architecture.mlp_input_residual:
            to_base = to_normed = to_base + to_normed
        return to_base + _pulled_back(self.norm("mlp_in"), self.between, to_normed)


def _pulled_back(norm: nn.Module | None, x: Residual, read: Residual) -> Residual:
    """``read`` on the normed side of a norm of x, as the side before it sees it."""
    if isinstance(norm, nn.LayerNorm):
        scaled = read * norm.weight * torch.rsqrt(x.var(-1, keepdim=True, correction=0) + norm.eps)
        return scaled - scaled.mean(-1, keepdim=True)
    if isinstance(norm, nn.RMSNorm):
        scale: Tensor = torch.rsqrt(x.square().mean(-1, keepdim=True) + (norm.eps or 0.0))
        return read * norm.weight * scale
    return read
