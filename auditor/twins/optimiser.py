"""SOAP (Vyas et al. 2024, arXiv 2409.11321): Adam in the eigenbasis of Shampoo's preconditioner.

With G the gradient of a matrix W, L and R running means of G Gᵀ and Gᵀ G, and Q_L, Q_R their eigenvectors, Adam's
second moment v is kept of Q_Lᵀ G Q_R, and

    W ← W − rate · Q_L [ Q_Lᵀ m Q_R / (√v + ε) ] Q_Rᵀ          m the first moment; m and v corrected for their start

A twin has to repeat its original to a thousandth of a nat, and there the loss is so ill conditioned that Adam, which
rescales one weight at a time, hardly moves on. The eigenvectors follow by one step of orthogonal iteration every few
steps (algorithm 4 of the paper). Vectors are Adam's alone, and so is each side of a matrix that is too long.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import overload

import torch
from torch import Tensor, nn

LONGEST_SIDE = 256
"""Rows or columns above which a side of a matrix keeps its own basis: a decomposition would outlast the step."""

REFRESH = 10
"""Steps between two updates of the eigenvectors."""

EARLY = (1, 2, 4)
"""Steps after which they are updated besides: the first basis is that of a single gradient."""

EPSILON = 1e-8
"""Added to √v, in units of the gradient."""


class Soap(torch.optim.Optimizer):
    """``betas``: decay of the first and the second moment; ``memory``: decay of L and R."""

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        *,
        lr: float,
        betas: tuple[float, float] = (0.9, 0.99),
        memory: float = 0.95,
    ) -> None:
        super().__init__(list(parameters), {"lr": lr, "betas": betas, "memory": memory})

    @overload
    def step(self, closure: None = None) -> None: ...

    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """One step of every parameter that has a gradient; what ``closure`` returns, if there is one."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    state = self.state[parameter]
                    if not state:
                        state["moments"] = _Moments(as_matrix(parameter.grad))
                    update = state["moments"].update(as_matrix(parameter.grad), group["betas"], group["memory"])
                    parameter.add_(update.view(parameter.shape), alpha=-group["lr"])
        return loss


def as_matrix(weight: Tensor) -> Tensor:
    """A weight of three axes, such as [model, head, width], with two of them joined: whatever is nearer to a square."""
    if weight.dim() != 3:
        return weight
    return min((weight.flatten(1), weight.flatten(0, 1)), key=lambda one: abs(one.shape[0] - one.shape[1]))


class _Moments:
    """What is remembered of the gradients of one weight, a vector or a matrix."""

    def __init__(self, gradient: Tensor) -> None:
        self.steps = 0
        self.first, self.second = torch.zeros_like(gradient), torch.zeros_like(gradient)
        self.sides = [_Side(gradient, axis) for axis in range(gradient.dim()) if _has_basis(gradient, axis)]

    def update(self, gradient: Tensor, betas: Sequence[float], memory: float) -> Tensor:
        """The direction to leave in for another gradient, shaped like it."""
        self.steps += 1
        self.first.lerp_(gradient, 1 - betas[0])
        self.second.lerp_(self._turned(gradient).square(), 1 - betas[1])
        scale = (self.second / (1 - betas[1] ** self.steps)).sqrt_().add_(EPSILON)
        update = self._turned(self.first) / (1 - betas[0] ** self.steps) / scale
        for side in self.sides:
            update = side.turned_back(update)
        is_due = self.steps % REFRESH == 0 or self.steps in EARLY
        for side in self.sides:
            side.see(gradient, memory)
            if is_due:
                self.second = self.second.index_select(side.axis, side.refresh())
        return update

    def _turned(self, value: Tensor) -> Tensor:
        for side in self.sides:
            value = side.turned(value)
        return value


class _Side:
    """One axis of a matrix: the running mean of its outer product, and the eigenvectors of that, [side, side]."""

    def __init__(self, gradient: Tensor, axis: int) -> None:
        self.axis = axis
        self.outer = self._outer(gradient)
        self.basis = torch.linalg.eigh(self.outer.nan_to_num(0.0, 0.0, 0.0)).eigenvectors

    def see(self, gradient: Tensor, memory: float) -> None:
        """Another gradient enters the mean."""
        self.outer.lerp_(self._outer(gradient), 1 - memory)

    def refresh(self) -> Tensor:
        """One step of orthogonal iteration; the new order of the eigenvectors, the largest first, [side]."""
        image = self.outer @ self.basis
        order: Tensor = (self.basis * image).sum(0).argsort(descending=True, stable=True)
        self.basis = torch.linalg.qr(image[:, order]).Q
        return order

    def turned(self, value: Tensor) -> Tensor:
        """A matrix in the eigenbasis."""
        product: Tensor = value @ self.basis if self.axis else self.basis.T @ value
        return product

    def turned_back(self, value: Tensor) -> Tensor:
        """The same matrix in its own basis."""
        product: Tensor = value @ self.basis.T if self.axis else self.basis @ value
        return product

    def _outer(self, gradient: Tensor) -> Tensor:
        product: Tensor = gradient.T @ gradient if self.axis else gradient @ gradient.T
        return product


def _has_basis(gradient: Tensor, axis: int) -> bool:
    return gradient.dim() == 2 and gradient.shape[axis] <= LONGEST_SIDE
