"""The conventions of an MLP: an order of its neurons, and for ReLU their scale."""

from __future__ import annotations

import torch

from auditor.canonical.model import CanonicalTransformer
from auditor.symmetries.orders import reorder_neurons


def scale_neurons(model: CanonicalTransformer) -> None:
    """Unit input weights, ‖w_in‖ = 1, for ReLU neurons: relu(s x) = s relu(x). A neuron that reads nothing stays."""
    if model.architecture.activation != "relu":
        return
    for mlp in model.mlps:
        length = mlp.W_in.norm(dim=0)
        scale = torch.where(length > 0, length, torch.ones_like(length))
        mlp.W_in.div_(scale)
        mlp.b_in.div_(scale)
        mlp.W_out.mul_(scale[:, None])


def sort_neurons(model: CanonicalTransformer) -> None:
    """Neurons by ‖w_in‖ ‖w_out‖, the largest first."""
    for mlp in model.mlps:
        order = torch.argsort(mlp.W_in.norm(dim=0) * mlp.W_out.norm(dim=1), descending=True)
        reorder_neurons(mlp, order)
