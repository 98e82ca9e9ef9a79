"""Stacked training: what each model would learn alone, continued from bytes as if it had not stopped."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from auditor.canonical.model import CanonicalTransformer
from auditor.errors import ConfigurationError
from auditor.seeds import torch_generator
from auditor.testing.models import PLAIN, TASK, random_model
from auditor.training.stacked import Losses, Stack, StackedSchedule, StackedTraining

STEPS = 6
SCHEDULE = StackedSchedule(STEPS, 1e-2, weight_decay=0.1)
ROUNDING = 1e-9
"""Float64, a few steps: products over a stack are summed in another order."""


def _models(count: int) -> list[CanonicalTransformer]:
    return [random_model(PLAIN, seed=seed).double() for seed in range(count)]


def _tokens(seed: int, step: int) -> Tensor:
    return torch.randint(4, 8, (5, 7), generator=torch_generator(seed, "tokens", step))


def _losses(stack: Stack, seeds: Sequence[int]) -> Losses:
    def losses(step: int) -> Tensor:
        tokens = torch.stack([_tokens(seed, step) for seed in seeds])
        logits = stack.logits(tokens[:, :, :-1])
        each = F.cross_entropy(logits.flatten(0, 2), tokens[:, :, 1:].flatten(), reduction="none")
        return each.view(len(seeds), -1).mean(1)

    return losses


def _train(
    stack: Stack, seeds: Sequence[int], *, until: int = STEPS, before: Callable[[StackedTraining], None] | None = None
) -> StackedTraining:
    training = StackedTraining(stack, SCHEDULE)
    if before is not None:
        before(training)
    while training.step < until:
        training.advance(_losses(stack, seeds))
    return training


def test_logits_are_those_of_each_model() -> None:
    models = _models(2)
    tokens = torch.stack([_tokens(seed, 0) for seed in range(2)])
    expected = torch.stack([model(own) for model, own in zip(models, tokens, strict=True)])
    torch.testing.assert_close(Stack(models).logits(tokens), expected, rtol=0, atol=ROUNDING)


def test_a_stack_learns_what_each_model_learns_alone() -> None:
    models = _models(3)
    together = _train(Stack(models, frozen=("b_U",)), (0, 1, 2)).stack.models()
    for seed in range(3):
        (alone,) = _train(Stack([models[seed]], frozen=("b_U",)), (seed,)).stack.models()
        for name, weight in alone.state_dict().items():
            torch.testing.assert_close(together[seed].state_dict()[name], weight, rtol=0, atol=ROUNDING)
        before, after = (one.state_dict()["W_U"] for one in (models[seed], alone))
        assert not torch.allclose(before, after, atol=1e-2)
        assert torch.equal(alone.b_U, models[seed].b_U)


def test_it_goes_on_from_bytes_as_if_it_had_not_stopped() -> None:
    whole = _train(Stack(_models(2)), (0, 1)).to_bytes()
    half = _train(Stack(_models(2)), (0, 1), until=STEPS // 2).to_bytes()
    resumed = _train(Stack(_models(2)), (0, 1), before=lambda training: training.restore(half))
    assert resumed.is_done
    assert resumed.to_bytes() == whole


def test_a_state_of_other_models_or_a_damaged_one_is_refused() -> None:
    state = _train(Stack(_models(2)), (0, 1), until=1).to_bytes()
    for data in (state, b"nothing", state[:-8]):
        with pytest.raises(ConfigurationError, match="does not fit"):
            StackedTraining(Stack(_models(3)), SCHEDULE).restore(data)


def test_models_of_two_architectures_are_no_stack() -> None:
    wide = CanonicalTransformer(PLAIN, TASK)
    narrow = random_model(PLAIN, seed=0)
    assert len(Stack([wide, narrow])) == 2
    with pytest.raises(ConfigurationError, match="cannot be stacked"):
        Stack([])


def test_the_cosine_falls_from_the_rate_to_nothing() -> None:
    schedule = StackedSchedule(100, 0.4)
    assert schedule.rate(0) == pytest.approx(0.4)
    assert schedule.rate(50) == pytest.approx(0.2)
    assert schedule.rate(100) == pytest.approx(0.0, abs=1e-12)
    assert StackedSchedule(100, 0.4, curve="constant").rate(99) == 0.4
