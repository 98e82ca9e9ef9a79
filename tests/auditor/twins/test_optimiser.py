"""SOAP's first step in closed form, what it leaves to Adam, and a loss on which Adam stands still."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from auditor.seeds import numpy_generator
from auditor.twins.optimiser import Soap, as_matrix

RATE = 0.1


def _random(*shape: int) -> Tensor:
    return torch.from_numpy(numpy_generator(0, "gradient").normal(size=shape))


def _stepped(gradients: list[Tensor], optimiser: type[torch.optim.Optimizer]) -> Tensor:
    """A weight that starts at 0, after a step for each of these gradients."""
    weight = nn.Parameter(torch.zeros_like(gradients[0]))
    stepping = optimiser([weight], lr=RATE, betas=(0.9, 0.99))  # type: ignore[call-arg]
    for gradient in gradients:
        weight.grad = gradient.clone()
        stepping.step()
    return weight.detach()


@pytest.mark.parametrize("shape", [(4, 4), (3, 5), (6, 2)])
def test_the_first_step_is_the_polar_factor_of_the_gradient(shape: tuple[int, int]) -> None:
    """In the basis of G = U S Vᵀ the gradient is S, Adam's first step is sign(S) = 1, and back in G's own U Vᵀ."""
    gradient = _random(*shape)
    u, _, v = torch.linalg.svd(gradient, full_matrices=False)
    assert torch.allclose(_stepped([gradient], Soap), -RATE * u @ v, atol=1e-6)


@pytest.mark.parametrize("shape", [(7,), (300, 300)])
def test_vectors_and_long_sides_are_left_to_adam(shape: tuple[int, ...]) -> None:
    gradients = [_random(*shape) * scale for scale in (1.0, -0.3, 2.0)]
    assert torch.allclose(_stepped(gradients, Soap), _stepped(gradients, torch.optim.Adam), atol=1e-12)


def test_the_basis_does_not_depend_on_how_a_matrix_is_turned() -> None:
    """Steps of a turned problem are the turned steps; Adam's are not."""
    turn = torch.linalg.qr(_random(4, 4)).Q
    gradients = [_random(4, 5) * torch.linspace(0.1, 2.0, 5) ** power for power in range(4)]
    turned = [turn @ gradient for gradient in gradients]
    assert torch.allclose(_stepped(turned, Soap), turn @ _stepped(gradients, Soap), atol=1e-6)
    assert not torch.allclose(
        _stepped(turned, torch.optim.Adam), turn @ _stepped(gradients, torch.optim.Adam), atol=0.1
    )


def test_two_axes_of_a_weight_of_heads_are_joined_nearest_to_a_square() -> None:
    assert as_matrix(torch.zeros(32, 2, 16)).shape == (32, 32)
    assert as_matrix(torch.zeros(2, 16, 32)).shape == (32, 32)
    assert as_matrix(torch.zeros(1, 50, 50)).shape == (50, 50)
    assert as_matrix(torch.zeros(5)).shape == (5,)


def test_an_ill_conditioned_loss_falls_further_than_under_adam() -> None:
    """½ |A (W − 1) B|² with condition numbers of 1,000 in turned bases, 300 steps of a decaying rate."""

    def left(optimiser: type[torch.optim.Optimizer]) -> float:
        turn, scales = torch.linalg.qr(_random(8, 8)).Q, torch.logspace(0, -1.5, 8, dtype=torch.float64)
        maps = turn * scales @ turn.T
        weight = nn.Parameter(torch.zeros(8, 8, dtype=torch.float64))
        stepping = optimiser([weight], lr=RATE, betas=(0.9, 0.99))  # type: ignore[call-arg]
        decay = torch.optim.lr_scheduler.LinearLR(stepping, 1.0, 1e-3, 300)
        loss = torch.zeros(())
        for _ in range(300):
            loss = (maps @ (weight - 1.0) @ maps).square().sum() / 2
            stepping.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            stepping.step()
            decay.step()
        return float(loss.detach())

    assert left(Soap) < 0.1 * left(torch.optim.Adam)
