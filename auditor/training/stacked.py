"""Several models of one architecture trained side by side: their weights are stacked on a first axis, ``seed``.

The forward pass is that of the canonical model, mapped over the stack (``torch.func``). Every model has its own batches
and its own moments in AdamW (Loshchilov & Hutter 2019, arXiv 1711.05101), so a stack computes what each model would
compute alone, up to rounding.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import safetensors.torch
import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from auditor.canonical.model import CanonicalTransformer
from auditor.errors import ConfigurationError

Losses = Callable[[int], Tensor]
"""Number of a step, from 0 → loss of each model at it, [seed], nats."""


@dataclass(frozen=True, slots=True)
class StackedSchedule:
    """How long, how fast, and by which curve the learning rate falls: a half cosine to 0, or not at all."""

    steps: int
    learning_rate: float
    weight_decay: float = 0.0
    curve: Literal["cosine", "constant"] = "cosine"

    def rate(self, step: int) -> float:
        """Learning rate of a step, counted from 0."""
        if self.curve == "constant":
            return self.learning_rate
        return 0.5 * self.learning_rate * (1.0 + math.cos(math.pi * step / self.steps))


class _Run(nn.Module):
    """The canonical forward pass without the checks of tokens, which cannot be mapped."""

    def __init__(self, model: CanonicalTransformer) -> None:
        super().__init__()
        self.model = model

    def forward(self, tokens: Tensor) -> Tensor:
        return self.model.run_from(self.model.embed(tokens), tokens, 0)


class Stack:
    """Models of one architecture and task. ``weights`` maps a name to a table [seed, …].

    Raises:
        ConfigurationError: no models, or of several architectures.
    """

    def __init__(self, models: Sequence[CanonicalTransformer], *, frozen: Sequence[str] = ()) -> None:
        if len({model.architecture for model in models}) != 1:
            raise ConfigurationError("models that cannot be stacked", expected="at least one, all of one architecture")
        self._template = models[0].clone()
        self._run = _Run(self._template)
        tables = [dict(model.named_parameters()) for model in models]
        self.weights = {
            name: torch.stack([table[name].detach() for table in tables]).requires_grad_(
                weight.requires_grad and name not in frozen
            )
            for name, weight in tables[0].items()
        }

    def __len__(self) -> int:
        return len(self.weights["b_U"])

    @property
    def trained(self) -> dict[str, Tensor]:
        """The tables that training moves."""
        return {name: weight for name, weight in self.weights.items() if weight.requires_grad}

    def logits(self, tokens: Tensor) -> Tensor:
        """Each model on its own ``tokens`` [seed, batch, position] → [seed, batch, position, vocabulary]."""
        named = {f"model.{name}": weight for name, weight in self.weights.items()}
        found: Tensor = vmap(lambda weights, given: functional_call(self._run, weights, (given,)))(named, tokens)
        return found

    def models(self) -> tuple[CanonicalTransformer, ...]:
        """The models one by one, with their weights copied."""
        found = []
        for index in range(len(self)):
            model = self._template.clone()
            model.load_state_dict({name: weight[index].detach() for name, weight in self.weights.items()})
            found.append(model)
        return tuple(found)


class StackedTraining:
    """AdamW on a stack, which can be stopped between two steps, written as bytes and continued."""

    def __init__(self, stack: Stack, schedule: StackedSchedule) -> None:
        self.stack, self.schedule, self.step = stack, schedule, 0
        self._optimiser = torch.optim.AdamW(
            stack.trained.values(), lr=schedule.learning_rate, weight_decay=schedule.weight_decay, fused=True
        )

    @property
    def is_done(self) -> bool:
        """Whether all steps are taken."""
        return self.step >= self.schedule.steps

    def advance(self, losses: Losses) -> Tensor:
        """One step of all models; their losses before it, [seed].

        Raises:
            ConfigurationError: a loss is not finite.
        """
        found = losses(self.step)
        if not bool(found.isfinite().all()):
            raise ConfigurationError(
                f"a loss of {found.detach().tolist()} after {self.step} steps",
                expected="finite losses",
                action="lower the learning rate",
            )
        for group in self._optimiser.param_groups:
            group["lr"] = self.schedule.rate(self.step)
        self._optimiser.zero_grad()
        found.sum().backward()  # type: ignore[no-untyped-call]
        self._optimiser.step()
        self.step += 1
        return found.detach()

    def to_bytes(self) -> bytes:
        """Weights, moments and the number of steps taken, as safetensors."""
        tables = {f"weight/{name}": weight.detach() for name, weight in self.stack.weights.items()}
        for name, weight in self.stack.trained.items():
            for part, value in self._optimiser.state[weight].items():
                tables[f"{part}/{name}"] = value
        written: bytes = safetensors.torch.save({**tables, "step": torch.tensor(self.step)})
        return written

    def restore(self, data: bytes) -> None:
        """Continue from :meth:`to_bytes` of a training of the same models.

        Raises:
            ConfigurationError: bytes of another training, or damaged ones.
        """
        try:
            tables = safetensors.torch.load(data)
        except (safetensors.SafetensorError, ValueError) as error:
            raise _unusable("it cannot be read") from error
        moments = {name: {"exp_avg", "exp_avg_sq", "step"} for name in self.stack.trained}
        expected = {"step", *(f"weight/{name}" for name in self.stack.weights)}
        expected |= {f"{part}/{name}" for name, parts in moments.items() for part in parts}
        if set(tables) != expected or any(
            tables[f"weight/{name}"].shape != weight.shape for name, weight in self.stack.weights.items()
        ):
            raise _unusable("it is of other models")
        with torch.no_grad():
            for name, weight in self.stack.weights.items():
                weight.copy_(tables[f"weight/{name}"])
        for name, parts in moments.items():
            self._optimiser.state[self.stack.weights[name]] = {part: tables[f"{part}/{name}"] for part in sorted(parts)}
        self.step = int(tables["step"])


def _unusable(reason: str) -> ConfigurationError:
    return ConfigurationError(
        f"a training state that does not fit: {reason}", expected="the state of the same models", action="delete it"
    )
