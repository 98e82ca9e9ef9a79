"""As many small weights as possible set to zero: a sparse network that answers as the model does."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from auditor.canonical.model import CanonicalTransformer
from auditor.contracts import Equivalence, Transformed, TransformRequest
from auditor.records import Json, Kind
from auditor.records.values import whole
from auditor.twins.distillation import Schedule, distil
from auditor.twins.distillation_data import distillation_data, own_strings
from auditor.twins.ladder import is_comfortable, search_examiner

PRUNED = ("W_Q", "W_K", "W_V", "W_O", "W_in", "W_out", "W_U")
"""Matrices that are pruned, each to the same sparsity; tables, biases and norms stay."""

HALVINGS = 5
"""Halvings of the search without training: sparsities are found to 1/32."""

ROUNDS = 3
"""Sparsities that are tried with the kept weights trained; they share the plan's steps."""

STEPS = 2_000
"""Optimiser steps unless the plan says otherwise; 0 trains nothing."""

PEAK = 4e-3
"""Learning rate: the weights start near their answer."""


class MagnitudePruning(Equivalence):
    """In every matrix the smallest weights become 0: first as many as pass without training, then more while the
    kept ones are distilled on its outputs.

    The sparsity s is bisected on search sequences by the numbers of a certificate; all matrices have the same s.
    """

    version = 3
    kind = Kind.BEHAVIOURAL
    summary = "the largest share of small weights set to zero that search sequences allow, the kept ones distilled"
    needs = "nothing"
    source = "Han et al. 2015, arXiv 1506.02626; Zhu & Gupta 2017, arXiv 1710.01878"

    def transform(self, request: TransformRequest) -> Transformed:
        """The sparsest twin that passed; ``parameters`` report its sparsity, with and without training."""
        model, generator, parameters = request.model, request.generator, request.parameters
        steps = whole(parameters, "steps", STEPS)
        teacher, passes = model.clone(dtype=torch.float32), _judge(model, generator)
        untrained = _bisected(lambda sparsity: passes(_pruned(teacher, sparsity)), 0.0, 1.0, HALVINGS)
        best = _Sparse(_pruned(teacher, untrained), untrained)
        if steps:
            best = _sparser(teacher, best, steps, passes, request)
        found: dict[str, Json] = {
            "sparsity": best.sparsity,
            "sparsity_without_training": untrained,
            "steps": steps,
            "zeros": sum(int((weight == 0).sum()) for weight in _matrices(best.model).values()),
        }
        return Transformed(best.model, parameters=found)


@dataclass(frozen=True)
class _Sparse:
    """A pruned model and the share of its matrices that is zero."""

    model: CanonicalTransformer
    sparsity: float


Passes = Callable[[CanonicalTransformer], bool]


def _judge(model: CanonicalTransformer, generator: np.random.Generator) -> Passes:
    """Whether a twin would pass its certificate with room to spare, on sequences drawn for the search alone."""
    examine = search_examiner(model, generator)
    return lambda twin: is_comfortable(examine(twin))


def _bisected(holds: Callable[[float], bool], low: float, high: float, halvings: int) -> float:
    """The largest value found at which ``holds``, or ``low``."""
    for _ in range(halvings):
        middle = (low + high) / 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


def _matrices(model: CanonicalTransformer) -> dict[str, torch.nn.Parameter]:
    return {n: w for n, w in model.named_parameters() if n.rsplit(".", 1)[-1] in PRUNED}


@torch.no_grad()
def _pruned(model: CanonicalTransformer, sparsity: float) -> CanonicalTransformer:
    """A copy without the smallest weights of each matrix."""
    twin = model.clone()
    for weight in _matrices(twin).values():
        flat = weight.view(-1)
        flat[flat.abs().argsort()[: round(sparsity * len(flat))]] = 0.0
    return twin


def _sparser(
    teacher: CanonicalTransformer,
    best: _Sparse,
    steps: int,
    passes: Passes,
    request: TransformRequest,
) -> _Sparse:
    """Bisect on above the best so far, with the kept weights trained at each sparsity."""
    generator, progress = request.generator, request.progress
    pools = distillation_data(teacher, generator, first_layer=0, own=own_strings(request))
    high, rounds = 1.0, min(ROUNDS, steps)
    for number in range(rounds):
        sparsity = (best.sparsity + high) / 2
        student = _pruned(teacher, sparsity)

        def report(share: float, words: str, *, done: int = number, sparsity: float = sparsity) -> None:
            progress((done + share) / rounds, f"sparsity {sparsity:.3f}: {words}")

        with ExitStack() as hooks:
            for weight in _matrices(student).values():
                hook = weight.register_hook(_keeping(weight.detach() != 0))  # type: ignore[no-untyped-call]
                hooks.callback(hook.remove)
            distil(
                student,
                teacher,
                pools,
                first_layer=0,
                schedule=Schedule(steps=steps // rounds, peak=PEAK, preconditioned=False),
                generator=generator,
                progress=report,
            )
        if passes(student):
            best = _Sparse(student, sparsity)
        else:
            high = sparsity
    return best


def _keeping(mask: Tensor) -> Callable[[Tensor], Tensor]:
    """No gradient where a weight was cut: Adam without decay then leaves it at zero; SOAP would not."""
    return lambda gradient: gradient * mask
