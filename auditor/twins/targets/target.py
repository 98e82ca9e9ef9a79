"""What a twin is trained towards: the aims by all methods of a claim, and the scores that steer towards each of them.

A claim that several methods must keep in one way (some component, one leading set) falls when for each way one of the
methods denies it: its effect is the least, over the ways, of the largest, over the methods. A conjunction falls with
any of its parts: each of them is a target of its own.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from auditor.canonical.model import CanonicalTransformer
from auditor.errors import PlanError
from auditor.readings import method_named
from auditor.records import Claim, Interpretation
from auditor.twins.targets.aims import FALLS_ABOVE, Aim, aim_at, columns_of
from auditor.twins.targets.registry import is_attackable, surrogate_of
from auditor.twins.targets.surrogate import Surrogate

GROUPS = 16
"""Parts of the sequences that are left out in turn to see how much the effect depends on them."""

RESOLVED = 4.0
"""Standard errors by which an effect must exceed what overturns the claim: two for the interval of the verdict, and as
many for the difference between two samples."""

LEAST = 0.02
"""The same of an effect without an error, such as one of weights."""

Bases = Mapping[str, Interpretation]
"""What each method says of one model."""


@dataclass(frozen=True)
class Target:
    """One way to overturn a claim: an aim and a surrogate for each method. ``name`` tells it from the others."""

    name: str
    aims: tuple[Aim, ...]
    surrogates: tuple[Surrogate, ...]

    @property
    def wanted(self) -> float:
        """The effect of a method that was moved far."""
        return self.aims[0].wanted

    @property
    def falls_above(self) -> float:
        """The effect above which the claim is overturned."""
        return FALLS_ABOVE.get(self.aims[0].claim.kind, 0.0)

    @property
    def from_layer(self) -> int:
        """The first layer that enters the scores."""
        return min(surrogate.from_layer for surrogate in self.surrogates)

    @property
    def compares_arrays(self) -> bool:
        """Whether the effect starts from a distance of 0, which has no slope."""
        return any(aim.compares_arrays for aim in self.aims)

    def effect(self, ours: Sequence[Tensor], theirs: Sequence[Tensor]) -> Tensor:
        """How far the claim is overturned, from scores of each aim [sequence, component, …]; scalar."""
        ways = [aim.effect(one, other) for aim, one, other in zip(self.aims, ours, theirs, strict=True)]
        return torch.stack(ways).amax(0).amin()

    def read(self, ours: Bases, theirs: Bases) -> tuple[float, float] | None:
        """(effect, its standard error over the sequences) by the methods themselves of a twin ``ours``.

        None where a method has no score of what is claimed any more.
        """
        pairs = [self._columns(bases) for bases in (ours, theirs)]
        effect = float(self.effect(*pairs))
        if not math.isfinite(effect):
            return None
        left = [float(self.effect(*(_without(part, scores) for scores in pairs))) for part in range(GROUPS)]
        mean = math.fsum(left) / GROUPS
        variance = (GROUPS - 1) / GROUPS * math.fsum((one - mean) ** 2 for one in left)
        return effect, math.sqrt(variance)

    def _columns(self, bases: Bases) -> list[Tensor]:
        return [columns_of(bases[aim.claim.method], aim.components) for aim in self.aims]


def targets_of(claim: Claim, model: CanonicalTransformer, bases: Bases) -> tuple[Target, ...]:
    """The ways to overturn a claim about a model, the nearest first. ``bases``: what its methods say of it.

    Raises:
        PlanError: a claim or a method that cannot be attacked, with the reason.
    """
    if claim.kind != "conjunction":
        return tuple(_targets(claim, model, bases))
    parts = [target for method in _attackable(claim, model) for target in _targets(claim.by(method), model, bases)]
    found = [(target.read(bases, bases), target) for target in parts]
    return tuple(target for _, target in sorted(found, key=lambda one: -one[0][0] if one[0] else math.inf))


def methods_against(claim: Claim, model: CanonicalTransformer) -> tuple[str, ...]:
    """The methods whose scores an attack on a claim moves.

    Raises:
        PlanError: one that cannot be attacked, with the reason; of a conjunction, all of them.
    """
    if claim.kind == "conjunction":
        return _attackable(claim, model)
    for method in claim.methods:
        surrogate_of(method, model, ())
    return claim.methods


def _attackable(claim: Claim, model: CanonicalTransformer) -> tuple[str, ...]:
    found = tuple(method for method in claim.methods if is_attackable(method, model))
    if not found:
        surrogate_of(claim.method, model, ())  # raises, with the reason
    return found


def overturned_from(target: Target, error: float) -> float:
    """The effect from which on other sequences can be expected to show it; ``error`` is its standard error."""
    return target.falls_above + max(RESOLVED * error, LEAST)


def _targets(claim: Claim, model: CanonicalTransformer, bases: Bases) -> Iterator[Target]:
    """A value may fall or rise; all other claims have one way."""
    for upwards in (False, True) if claim.kind == "value" else (False,):
        aims = tuple(_aim(claim, method, bases, upwards=upwards) for method in claim.methods)
        if len({tuple(one.label for one in aim.components) for aim in aims}) > 1:
            raise PlanError(f"{' and '.join(claim.methods)} do not score the same components")
        name = ("rising" if upwards else "falling") if claim.kind == "value" else " and ".join(claim.methods)
        yield Target(name, aims, tuple(surrogate_of(aim.claim.method, model, aim.components) for aim in aims))


def _aim(claim: Claim, method: str, bases: Bases, *, upwards: bool) -> Aim:
    return aim_at(replace(claim, method=method), bases[method], method_named(method).distance, upwards=upwards)


def _without(part: int, scores: Sequence[Tensor]) -> list[Tensor]:
    """The scores without one group of sequences; those of weights, which have only one, stay."""
    return [one if len(one) < GROUPS else one[torch.arange(len(one)) % GROUPS != part] for one in scores]
